"""Reads the operating system's clocks and says, with the core's judgement, how far they can be trusted."""

from __future__ import annotations

import ctypes
import ctypes.util
import time

from station.core.model import Instant
from station.core.timekeeping import ClockMemory, ClockReading, judge, remember

TIME_ERROR = 5
"""adjtimex(2): "the system clock is not synchronized"."""
LOOK_EVERY_US = 1_000_000


class _Timex(ctypes.Structure):
    """struct timex (adjtimex(2)); only `modes` matters here, the rest is room for what the kernel writes."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 508))


def kernel_synced() -> bool:
    """Say whether the kernel keeps its clock disciplined by NTP or PTP (adjtimex(2) with modes = 0)."""
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    state: int = libc.adjtimex(ctypes.byref(_Timex()))
    return state not in (-1, TIME_ERROR)


class SystemClock:
    """The station's clock. Thread safe as far as a float can be: `memory` is replaced as a whole."""

    def __init__(self, *, require_sync: bool, memory: ClockMemory | None = None) -> None:
        """`require_sync` False: believe the clock although the kernel does not call it synchronised."""
        self._require_sync = require_sync
        self.memory = memory or ClockMemory()
        self._synced, self._looked_us = False, -LOOK_EVERY_US

    def now(self) -> Instant:
        """The present moment; asks the kernel about synchronisation once a second."""
        mono = time.monotonic_ns() // 1000
        if mono - self._looked_us >= LOOK_EVERY_US:
            self._synced = not self._require_sync or kernel_synced()
            self._looked_us = mono
        reading = ClockReading(time.time_ns() // 1000, mono, self._synced)
        instant = judge(reading, self.memory)
        self.memory = remember(self.memory, reading, instant)
        return instant
