"""What stands in for outputs that could not be opened: the station runs on, visibly degraded, and opens nothing."""

from __future__ import annotations

from station.core.signals import Signal
from station.ports import DeviceFault, Release


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

    def signal(self, signal: Signal) -> None:
        """Nothing to do: the screen shows the fault."""

    def alive(self) -> bool:
        """Always: there is nothing that could die."""
        return True

    def close(self) -> None:
        """Nothing to do."""
