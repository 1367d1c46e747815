"""What cameras with controls offer beyond pictures, and how a missing control is noted."""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

from drivers.exposure import Exposure, Limits

log = logging.getLogger(__name__)


@runtime_checkable
class Adjustable(Protocol):
    """A camera whose exposure can be set. Every call belongs to the thread that reads the camera; none raises."""

    @property
    def limits(self) -> Limits | None:
        """Exposures the open camera takes; None where its exposure cannot be set. Opening restores the automatic."""

    def expose(self, wanted: Exposure | None) -> None:
        """Set the exposure; None gives it back to the camera's automatic. Takes effect some frames later."""

    def exposure(self) -> Exposure | None:
        """Return the exposure in force; None where the camera does not tell."""


class MissingControls:
    """Notes each control that a camera lacks once in the life of the station, as information: it is no fault."""

    def __init__(self, device: str) -> None:
        self._device, self._noted = device, set[str]()

    def note(self, control: str, consequence: str) -> None:
        """Log that `control` is missing and what follows from it, unless that was said before."""
        if control not in self._noted:
            self._noted.add(control)
            log.info("%s has no control for %s: %s", self._device, control, consequence)
