"""Reads the operating system's clocks and says, with the core's judgement, how far they can be trusted."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from station.core.model import Instant
from station.core.timekeeping import ClockMemory, ClockReading, judge, raise_floor, remember, tell

TIME_ERROR = 5
"""adjtimex(2): "the system clock is not synchronized"."""
LOOK_EVERY_US = 1_000_000
RTC_SET_CLOCK = Path("/sys/class/rtc/rtc0/hctosys")
"""Holds 1 where the kernel took its time from this real-time clock at boot (Documentation/ABI/testing/rtc-cdev)."""

_LIBC = ctypes.CDLL(None, use_errno=True)


class _Timex(ctypes.Structure):
    """struct timex (adjtimex(2)); only `modes` matters here, the rest is room for what the kernel writes."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 508))


def kernel_synced() -> bool:
    """Say whether the kernel keeps its clock disciplined by NTP or PTP (adjtimex(2) with modes = 0)."""
    state: int = _LIBC.adjtimex(ctypes.byref(_Timex()))
    return state not in (-1, TIME_ERROR)


def set_from_rtc() -> bool:
    """Say whether a real-time clock set the time at boot."""
    try:
        return RTC_SET_CLOCK.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


class SystemClock:
    """The station's clock. Thread safe as far as it must be: `memory` is replaced as a whole."""

    def __init__(self, *, require_sync: bool, saved_us: int = 0) -> None:
        """`require_sync` False: believe the clock whatever the kernel says; `saved_us`: the last journaled time."""
        self._require_sync = require_sync
        self._from_rtc = set_from_rtc()
        self.memory = ClockMemory(saved_us=saved_us, anchor_mono_us=time.monotonic_ns() // 1000)
        self._synced, self._looked_us = False, -LOOK_EVERY_US

    def now(self) -> Instant:
        """The present moment; asks the kernel about synchronisation once a second."""
        mono = time.monotonic_ns() // 1000
        if mono - self._looked_us >= LOOK_EVERY_US:
            self._synced = not self._require_sync or kernel_synced()
            self._looked_us = mono
        instant = judge(ClockReading(time.time_ns() // 1000, mono, self._synced, self._from_rtc), self.memory)
        self.memory = remember(self.memory, instant)
        return instant

    def tell(self, signed_s: int, asked_us: int, *, by_central: bool) -> bool:
        """Take in a time signed in answer to a number drawn at `asked_us`; False where it contradicts what is known."""
        told = tell(self.memory, signed_s, asked_us, time.monotonic_ns() // 1000, by_central=by_central)
        self.memory = told or self.memory
        return told is not None

    def raise_floor(self, signed_us: int) -> None:
        """Take in centrally signed time: the clock is not earlier than that."""
        self.memory = raise_floor(self.memory, signed_us, time.monotonic_ns() // 1000)
