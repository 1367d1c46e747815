"""The reader of one lane: a camera, a decoder, and the two threads that keep what they report fresh.

The capture thread drains the camera and keeps only the newest picture. The decode thread takes it, reads it, and is
the only one that calls `put` and `fault`. Nothing stale passes: a result older than `max_age_ms` is dropped, because it
may show the person before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import cv2

from drivers.camera.change import ChangeDetector
from drivers.camera.gauges import Gauges
from drivers.camera.metering import Locating, Meter
from drivers.camera.region import Cut, cut
from drivers.light import AimingLight
from station.device_config import CameraConfig
from station.ports import Camera, DecodedCode, Decoder, DeviceFault, Frame, Sighting

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Pause before a faulty camera is opened again."""

FROZEN_S = 2.0
"""A camera without a new picture for so long is faulty, whatever its driver says."""

OPENING_S = 10.0
"""What a camera may take to open and deliver its first picture."""

STILL_DECODE_S = 1.0
"""A picture that does not change is decoded again after so long: the last attempt may have failed by chance."""

WATCH_S = 0.1
"""A code that stays before the camera is read again after so long, and its absence reported as often."""

ABSENCE_REPORTED_S = 3.0
"""How long after the last code empty sightings go on."""

_IDLE_S = 0.05
_JOIN_S = 3.0


def _now_s() -> float:
    return time.monotonic_ns() / 1e9


class _NewestFrame:
    """A slot for one picture: a new one replaces the one nobody took."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Cut | None = None

    def put(self, frame: Cut | None) -> None:
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def take(self, timeout: float) -> Cut | None:
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, timeout)
            frame, self._frame = self._frame, None
            return frame


class ReaderWorker:
    """Runs camera and decoder of one lane and reports what they see."""

    def __init__(
        self,
        lane: str,
        camera: Camera,
        decoder: Decoder,
        config: CameraConfig,
        put: Callable[[Sighting], None],
        fault: Callable[[DeviceFault | None], None],
        light: AimingLight | None = None,
    ) -> None:
        """`put` gets each sighting; `fault` a DeviceFault when one begins, None when it ends. Both must return soon.

        `light` belongs to the reader from now on: `stop` switches it off and closes it.
        """
        self._lane, self._camera, self._decoder, self._config = lane, camera, decoder, config
        self._put, self._fault = put, fault
        self._device = f"camera {config.source}"
        self._slot = _NewestFrame()
        self._stop = threading.Event()
        self._problem: DeviceFault | None = None
        self._frame_due_s = 0.0
        self._faulty = False
        self._watch = _Watch()
        self._light = light
        self.meter = Meter(camera, config)
        self.gauges = Gauges()
        self.captured_ns = 0
        """When the newest picture was taken (time.monotonic_ns); 0 before the first."""
        self.heartbeat_ns = 0
        """When the decode thread last went round (time.monotonic_ns), at least 20 times a second unless decoding."""
        self._threads = (
            threading.Thread(target=self._capture, name=f"camera-{lane}", daemon=True),
            threading.Thread(target=self._decode, name=f"decoder-{lane}", daemon=True),
        )

    @property
    def alive(self) -> bool:
        """Whether both threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start both threads; may be called once."""
        cv2.setNumThreads(1)  # the lanes share few cores with the gate thread
        self.heartbeat_ns = time.monotonic_ns()
        self._frame_due_s = _now_s() + OPENING_S
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop both threads and close the camera. May be called twice.

        A driver that hangs in its read cannot be interrupted; that thread is left behind and ends with the process.
        """
        self._stop.set()
        self._slot.put(None)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(_JOIN_S)
            if thread.is_alive():
                log.warning("lane %s: %s hangs in its driver and is left behind", self._lane, thread.name)
        self._decoder.close()
        if self._light:
            self._light.close()

    # --- capture thread ----------------------------------------------------------------------------------------

    def _capture(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._drain()
                except DeviceFault as problem:
                    self._problem = problem
                except Exception as error:  # noqa: BLE001 - whatever a driver throws is a fault of the device
                    remedy = "Replug the camera; if it comes again, report this message"
                    self._problem = DeviceFault(self._device, f"unexpected {type(error).__name__}: {error}", remedy)
                self._stop.wait(RETRY_S)
        finally:
            self._camera.close()

    def _drain(self) -> None:
        """Read pictures until the camera fails or the reader stops."""
        self._camera.close()
        self._frame_due_s = _now_s() + OPENING_S
        self._camera.open()
        self.meter.opened()
        while not self._stop.is_set():
            begun = time.thread_time_ns()
            frame = self._camera.read()
            inside = cut(frame, self._config.region)
            self.gauges.acquired(inside, time.thread_time_ns() - begun)
            self._frame_due_s = _now_s() + FROZEN_S
            self._problem = None
            self.captured_ns = frame.captured_ns
            self._slot.put(inside)
            self.meter.serve(_now_s())

    # --- decode thread -----------------------------------------------------------------------------------------

    def _decode(self) -> None:
        while not self._stop.is_set():
            self.heartbeat_ns = time.monotonic_ns()
            self._report_fault()
            inside = self._slot.take(_IDLE_S)
            if inside is not None and not self._stale(inside.frame):
                self._look(inside)
                self._shine()

    def _stale(self, frame: Frame) -> bool:
        return time.monotonic_ns() - frame.captured_ns > self._config.max_age_ms * 1_000_000

    def _look(self, inside: Cut) -> None:
        """Decode where it can tell something new, and put what is to be told."""
        watch, frame = self._watch, inside.frame
        if watch.worth_decoding(frame) or self.meter.is_due(_now_s()):
            codes = self._read(inside)
            watch.decoded(codes)
        elif watch.visible:
            return
        else:
            codes = []  # the same picture as the last one, which held none
        if watch.worth_telling(codes) and not self._stale(frame) and not self._stop.is_set():
            self._put(Sighting(self._lane, tuple(inside.restated(codes)), frame.captured_ns))
            watch.told(codes)

    def _read(self, inside: Cut) -> list[DecodedCode]:
        """Decode a picture; measure what it cost and how the code is exposed."""
        begun = time.monotonic_ns()
        codes = self._decoder.read(inside.frame.gray)
        self.gauges.decoded(inside, codes, time.monotonic_ns() - begun)
        located = self._decoder.located if isinstance(self._decoder, Locating) else ()
        self.meter.look(inside.frame.gray, codes or located, _now_s())
        return codes

    def _shine(self) -> None:
        if self._light:
            watch = self._watch
            self._light.look(_now_s(), moved=watch.moved, code=watch.visible, mean_gray=watch.mean_gray)

    def _report_fault(self) -> None:
        """Tell once when the camera begins to fail and once when pictures come again."""
        problem = self._problem
        if problem is None and _now_s() > self._frame_due_s:
            remedy = "Check cable and power of the camera; the station tries again by itself"
            problem = DeviceFault(self._device, "no new picture comes", remedy)
        if problem is not None and not self._faulty:
            log.warning("lane %s: %s", self._lane, problem)
            self._faulty = True
            self._fault(problem)
        elif problem is None and self._faulty:
            log.info("lane %s: the camera works again", self._lane)
            self._faulty = False
            self._fault(None)


class _Watch:
    """What the decode thread remembers from picture to picture, and when the next is worth its time."""

    def __init__(self) -> None:
        self._change = ChangeDetector()
        self._decoded_s = float("-inf")
        self._seen_s = float("-inf")
        self._told_s = float("-inf")
        self._told_codes = False
        self.visible = False
        """Whether the picture decoded last held a code."""
        self.moved = False
        """Whether the picture looked at last differs from the one decoded last."""

    @property
    def mean_gray(self) -> float:
        """Mean gray of the picture looked at last, 0 to 255."""
        return self._change.mean_gray()

    def worth_decoding(self, frame: Frame) -> bool:
        """Spare pictures that cannot tell anything new: nobody there and nothing moved, or the same code still held."""
        self._change.look(frame.gray)
        self.moved = self._change.moved()
        since_s = _now_s() - self._decoded_s
        if self.visible:
            return since_s >= WATCH_S or self._change.swapped()
        return since_s >= STILL_DECODE_S or self.moved

    def decoded(self, codes: Sequence[DecodedCode]) -> None:
        """Remember the outcome for the picture looked at last."""
        self._change.mark()
        self._decoded_s = _now_s()
        self.visible = bool(codes)
        if codes:
            self._seen_s = self._decoded_s

    def worth_telling(self, codes: Sequence[DecodedCode]) -> bool:
        """Codes always; their absence at once, then regularly for some seconds, so that the lane sees them gone."""
        if codes or self._told_codes:
            return True
        now = _now_s()
        return now - self._seen_s < ABSENCE_REPORTED_S and now - self._told_s >= WATCH_S

    def told(self, codes: Sequence[DecodedCode]) -> None:
        """Remember what the lane knows."""
        self._told_codes = bool(codes)
        self._told_s = _now_s()
