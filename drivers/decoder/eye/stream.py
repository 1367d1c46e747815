"""Reads video."""

from __future__ import annotations

from collections.abc import Callable

from drivers.decoder.eye.still import StillReader
from station.ports import DecodedCode, Gray


class StreamReader:
    """Reads the frames of one camera; for one thread."""

    def __init__(self, worker: object = None) -> None:
        self._still = StillReader()

    def read(self, gray: Gray, is_valid: Callable[[str], bool]) -> list[DecodedCode]:
        """Return the codes of this frame."""
        return self._still.read(gray)

    def close(self) -> None:
        """End the worker."""
