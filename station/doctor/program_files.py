"""The program's own files, compared with what was installed: a worn card or a foreign hand changes them silently.

Each installed distribution lists its files with their hashes (RECORD, Python packaging: recorded installed packages).
Whoever can change a file as root can change the list too: this finds wear, slips and half updates, not an attacker.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackagePath, distributions

BYTECODE = ".pyc"
"""Python makes these anew whenever it likes; what counts is the source beside them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many files were compared, and those that are missing or changed, by path as installed."""

    files: int
    changed: tuple[str, ...]


def compare(installed: Iterable[Distribution] | None = None) -> Comparison:
    """Compare every recorded file of the distributions, by default of all that this interpreter can import."""
    results = [
        (str(file.locate()), _same(file)) for file in _recorded(distributions() if installed is None else installed)
    ]
    return Comparison(len(results), tuple(sorted(path for path, same in results if not same)))


def _recorded(installed: Iterable[Distribution]) -> Iterator[PackagePath]:
    for distribution in installed:
        yield from (file for file in distribution.files or () if file.hash is not None and file.suffix != BYTECODE)


def _same(file: PackagePath) -> bool:
    assert file.hash is not None  # noqa: S101 - the caller has looked
    try:
        found = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()  # type: ignore[attr-defined]
    except OSError:
        return False
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == file.hash.value
