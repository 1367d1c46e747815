"""What stands in for what could not be opened: the station runs on, visibly degraded, and grants nothing.

Without a journal nothing can be recorded, so nobody is granted anything; screen, exit button and fire release work on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from station.core.events import GENESIS, Kind, Payload
from station.core.model import Instant
from station.core.retention import Disk
from station.core.signals import Signal
from station.journal import FILE, Change, Journal, JournalFault
from station.ports import DeviceFault, Release
from station.reserve import Reserve


class AbsentOutputs:
    """Implements station.ports.Outputs without a device: `unlock` fails aloud, securing succeeds as nothing moves."""

    def __init__(self, fault: DeviceFault) -> None:
        """`fault`: why there are none."""
        self._fault = fault

    def unlock(self) -> None:
        """Raise the fault: the guard opens with the mechanical key."""
        raise self._fault

    def lock(self) -> None:
        """Nothing to do: a relay that was never driven rests at its safe level."""

    def release(self, cause: Release, seconds: float) -> None:
        """Nothing to do: fire and break-glass cut the lock's power in hardware."""

    def end_release(self, cause: Release) -> None:
        """Nothing to do."""

    def obeys(self) -> bool:
        """Never: there is no relay."""
        return False

    def signal(self, signal: Signal) -> None:
        """Nothing to do: the screen shows the fault."""

    def alive(self) -> bool:
        """Always: there is nothing that could die."""
        return True

    def close(self) -> None:
        """Nothing to do."""


class AbsentJournal(Journal):
    """A journal that could not be opened: every commit fails with the reason, every question finds nothing."""

    def __init__(self, directory: Path, fault: JournalFault) -> None:
        """`fault`: why it could not be opened."""
        self.path, self.boot, self.quarantined = directory / FILE, "", None
        self.epoch, self.seq, self.head = 0, 0, GENESIS
        self._fault = fault

    def append_all(self, events: Iterable[tuple[Kind, Payload]], now: Instant, changes: Iterable[Change] = ()) -> int:
        """Raise the fault."""
        raise self._fault

    def disk(self) -> Disk:
        """Say nothing of the disk: that nothing can be recorded is said already."""
        return Disk(used=0, free=1)

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Find nothing."""
        return []

    def close(self) -> None:
        """Nothing to do."""


class AbsentReserve(Reserve):
    """A reserve that could not be opened: what is left is the mechanical key and the paper log."""

    def __init__(self, fault: JournalFault) -> None:
        """`fault`: why it could not be opened."""
        self.records: list[bytes] = []
        self._fault = fault

    def append(self, kind: Kind, payload: Mapping[str, object], now: Instant, changes: Iterable[Change] = ()) -> None:
        """Raise the fault."""
        raise self._fault

    def drain(self, journal: Journal, now: Instant) -> int:
        """Nothing to move."""
        return 0

    def close(self) -> None:
        """Nothing to do."""
