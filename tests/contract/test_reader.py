"""The reader worker: only the newest picture, nothing stale, faults told once, no effort for pictures without news."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from drivers import reader
from drivers.decoder import make_decoder
from drivers.reader import ReaderWorker
from drivers.twins.scene import Scene, render
from station.device_config import CameraConfig
from station.ports import DecodedCode, DeviceFault, Frame, Gray, Sighting

PATIENCE_S = 10.0


def picture(level: int) -> Gray:
    """Return an even picture; the scripted decoder reads its level."""
    return np.full((90, 160), level, np.uint8)


@dataclass
class ScriptedCamera:
    """Hands out what the test feeds: pictures, or exceptions to raise. Blocks while there is nothing."""

    script: queue.Queue[Gray | Exception | None] = field(default_factory=queue.Queue)
    age_ns: int = 0
    opened: int = 0
    closed: int = 0
    read_count: int = 0
    refuse: Exception | None = None

    def open(self) -> None:
        self.opened += 1
        if self.refuse is not None:
            raise self.refuse

    def read(self) -> Frame:
        item = self.script.get(timeout=60)
        if item is None:
            raise DeviceFault("camera", "the script ends", "None")
        if isinstance(item, Exception):
            raise item
        self.read_count += 1
        return Frame(item, time.monotonic_ns() - self.age_ns)

    def close(self) -> None:
        self.closed += 1


class ScriptedDecoder:
    """Reads the level of an even picture as text; 0 holds no code. Can be held up by `gate`."""

    def __init__(self) -> None:
        self.levels: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def close(self) -> None:
        pass

    def read(self, gray: Gray) -> list[DecodedCode]:
        level = int(gray[0, 0])
        self.levels.append(level)
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        return [DecodedCode(str(level), str(level).encode(), ((0, 0),) * 4, "test")] if level else []


class Bench:
    """A reader between a scripted camera and decoder, with what it reported."""

    def __init__(self, camera: Any = None, decoder: Any = None, **config: Any) -> None:
        self.camera = camera or ScriptedCamera()
        self.decoder = decoder or ScriptedDecoder()
        self.sightings: list[Sighting] = []
        self.faults: list[DeviceFault | None] = []
        self._changed = threading.Condition()
        settings = CameraConfig(source="dir:/test", **({"max_age_ms": 5000} | config))
        self.reader = ReaderWorker(
            "in", self.camera, self.decoder, settings, self._note(self.sightings), self._note(self.faults)
        )

    def _note(self, where: list[Any]) -> Callable[[Any], None]:
        def note(value: Any) -> None:
            with self._changed:
                where.append(value)
                self._changed.notify_all()

        return note

    def wait(self, met: Callable[[], bool], what: str) -> None:
        """Wait until `met`, at most ten seconds."""
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            while not met():
                assert time.monotonic() < deadline, f"never happened: {what}"
                self._changed.wait(0.005)

    def texts(self) -> list[list[str]]:
        """Return the texts of every sighting so far."""
        return [[code.text for code in sighting.codes] for sighting in self.sightings]


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a running bench."""
    running = Bench()
    running.reader.start()
    yield running
    running.decoder.gate.set()
    running.camera.script.put(None)
    running.reader.stop()


def test_only_the_newest_picture_is_decoded(bench: Bench) -> None:
    """While the decoder is busy pictures replace each other: of five, the next to be decoded is the last."""
    bench.decoder.gate.clear()
    bench.camera.script.put(picture(10))
    assert bench.decoder.entered.wait(PATIENCE_S)
    for level in (60, 110, 160, 210):
        bench.camera.script.put(picture(level))
    bench.wait(lambda: bench.camera.read_count == 5 and bench.camera.script.empty(), "the camera is drained")
    bench.decoder.gate.set()
    bench.wait(lambda: len(bench.sightings) == 2, "two sightings")
    assert bench.decoder.levels == [10, 210]
    assert bench.texts() == [["10"], ["210"]]
    assert bench.sightings[0].lane == "in"
    assert bench.sightings[0].captured_ns < bench.sightings[1].captured_ns


def test_a_stale_result_is_dropped() -> None:
    """A result whose picture became too old during decoding is not put; the next fresh one is."""
    bench = Bench(max_age_ms=100)
    bench.reader.start()
    bench.decoder.gate.clear()
    bench.camera.script.put(picture(10))
    assert bench.decoder.entered.wait(PATIENCE_S)
    threading.Event().wait(0.15)  # the picture ages: this is the thing tested, not a synchronisation
    bench.decoder.gate.set()
    feed(bench, 210, lambda: bool(bench.sightings))
    assert bench.texts()[0] == ["210"]
    bench.camera.script.put(None)
    bench.reader.stop()


def test_an_old_picture_is_not_even_decoded() -> None:
    """A picture that is too old when it arrives is thrown away without decoding."""
    bench = Bench(ScriptedCamera(age_ns=10**9), max_age_ms=500)
    bench.reader.start()
    bench.camera.script.put(picture(10))
    bench.wait(lambda: bench.camera.read_count == 1, "the old picture is read")
    bench.camera.age_ns = 0
    bench.camera.script.put(picture(210))
    bench.wait(lambda: bool(bench.sightings), "the fresh sighting")
    assert bench.decoder.levels == [210]
    bench.camera.script.put(None)
    bench.reader.stop()


def test_a_fault_is_told_once_when_it_begins_and_once_when_it_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three failures in a row are one fault; the first picture afterwards ends it, and the camera was reopened."""
    monkeypatch.setattr(reader, "RETRY_S", 0.01)
    first = DeviceFault("camera", "no picture came", "Replug it")
    for failure in (first, DeviceFault("camera", "another", "Replug it"), OSError("driver")):
        bench.camera.script.put(failure)
    bench.wait(lambda: bench.camera.opened >= 4, "three retries")
    bench.wait(lambda: bool(bench.faults), "the fault")
    bench.camera.script.put(picture(10))
    bench.wait(lambda: len(bench.faults) == 2, "the recovery")
    assert isinstance(bench.faults[0], DeviceFault)
    assert bench.faults[1] is None
    assert bench.camera.closed >= 3
    bench.wait(lambda: bench.texts() == [["10"]], "reading goes on")


def test_a_camera_that_does_not_open_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that is plugged in later is found without a restart; the fault carries the device's own words."""
    monkeypatch.setattr(reader, "RETRY_S", 0.01)
    bench = Bench(ScriptedCamera(refuse=DeviceFault("camera", "it does not exist", "Plug it in")))
    bench.reader.start()
    bench.wait(lambda: bench.camera.opened >= 3 and bool(bench.faults), "three attempts")
    bench.camera.refuse = None
    bench.camera.script.put(picture(10))
    bench.wait(lambda: len(bench.faults) == 2, "the recovery")
    assert [fault and fault.problem for fault in bench.faults] == ["it does not exist", None]
    bench.camera.script.put(None)
    bench.reader.stop()


def test_an_unexpected_error_is_a_fault_too(bench: Bench) -> None:
    """Whatever a driver raises becomes a DeviceFault that names it; the thread lives on."""
    bench.camera.script.put(ZeroDivisionError("in the driver"))
    bench.wait(lambda: bool(bench.faults), "the fault")
    assert "ZeroDivisionError" in str(bench.faults[0])
    assert bench.reader.alive


def test_a_frozen_camera_is_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that blocks without a picture is told once, and its next picture ends the fault."""
    monkeypatch.setattr(reader, "FROZEN_S", 0.1)
    bench.camera.script.put(picture(10))
    bench.wait(lambda: bool(bench.faults), "the fault")
    assert "no new picture" in str(bench.faults[0])
    beat = bench.reader.heartbeat_ns
    bench.wait(lambda: bench.reader.heartbeat_ns > beat, "the decode thread goes on")
    assert len(bench.faults) == 1
    monkeypatch.setattr(reader, "FROZEN_S", 60)
    bench.camera.script.put(picture(210))
    bench.wait(lambda: bench.faults[1:] == [None], "the recovery")


def feed(bench: Bench, level: int, until: Callable[[], bool]) -> int:
    """Feed equal pictures at about 100 per second until the condition holds; returns how many."""
    fed, deadline = 0, time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline
        bench.camera.script.put(picture(level))
        fed += 1
        bench.wait(bench.camera.script.empty, "the camera takes the picture")
        threading.Event().wait(0.01)  # the frame period of a camera
    return fed


def test_unchanged_pictures_are_not_decoded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many equal pictures without a code the first is decoded, and then one per second (here: per 0.3 s)."""
    monkeypatch.setattr(reader, "STILL_DECODE_S", 0.3)
    fed = feed(bench, 0, lambda: len(bench.decoder.levels) >= 3)
    assert fed >= 15
    assert bench.sightings == []


def test_a_change_is_decoded_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that differs from the last decoded one is decoded however short ago that was."""
    monkeypatch.setattr(reader, "STILL_DECODE_S", 60)
    feed(bench, 0, lambda: bench.decoder.levels == [0])
    bench.camera.script.put(picture(210))
    bench.wait(lambda: bench.texts() == [["210"]], "the sighting")


def test_absence_is_told_at_once_and_then_regularly(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a code vanishes an empty sighting comes at once and others at least every 0.2 s; then there is silence."""
    monkeypatch.setattr(reader, "ABSENCE_REPORTED_S", 0.8)
    feed(bench, 200, lambda: bool(bench.sightings))
    feed(bench, 0, lambda: len(bench.sightings) >= 5 and bench.texts()[-4:] == [[]] * 4)
    empty = [sighting.captured_ns for sighting in bench.sightings if not sighting.codes]
    assert np.median(np.diff(empty)) < 0.2e9
    settled = time.monotonic() + 1.0
    feed(bench, 0, lambda: time.monotonic() > settled)
    told = len(bench.sightings)
    settled = time.monotonic() + 0.3
    feed(bench, 0, lambda: time.monotonic() > settled)
    assert len(bench.sightings) == told


def test_a_held_code_is_watched_not_stared_at(bench: Bench) -> None:
    """A code that stays is told at least every 0.2 s, but not read from every picture."""
    fed = feed(bench, 200, lambda: len(bench.sightings) >= 6)
    stamps = [sighting.captured_ns for sighting in bench.sightings]
    assert np.median(np.diff(stamps)) < 0.2e9
    assert len(bench.decoder.levels) < fed / 2


def test_another_code_is_read_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that replaces another is not kept waiting by the watching of the first."""
    monkeypatch.setattr(reader, "WATCH_S", 60)
    feed(bench, 200, lambda: bool(bench.sightings))
    bench.camera.script.put(picture(90))
    bench.wait(lambda: bench.texts() == [["200"], ["90"]], "the second pass")


def test_stop_ends_both_threads_and_closes_the_camera() -> None:
    """After stop (twice) no thread runs, the camera is closed and nothing is put any more."""
    bench = Bench()
    bench.reader.start()
    bench.camera.script.put(picture(10))
    bench.wait(lambda: bool(bench.sightings), "a sighting")
    bench.camera.script.put(None)
    bench.reader.stop()
    bench.reader.stop()
    assert not any(thread.is_alive() for thread in bench.reader._threads)
    assert bench.camera.closed > bench.camera.opened, "closed before opening, and once more at the end"


def test_stop_does_not_wait_for_a_hanging_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that hangs in its read cannot hold up the end of the station."""
    monkeypatch.setattr(reader, "_JOIN_S", 0.1)
    bench = Bench()
    bench.reader.start()
    bench.wait(lambda: bench.camera.opened == 1, "the camera is open")
    begun = time.monotonic()
    bench.reader.stop()
    assert time.monotonic() - begun < 2
    bench.camera.script.put(None)
    bench.reader._threads[0].join(PATIENCE_S)


def test_stop_before_start() -> None:
    """A reader that never ran can be stopped."""
    Bench().reader.stop()


class RenderedCamera:
    """Frames of the twin's renderer as fast as they are asked for, at 60 per second."""

    def __init__(self) -> None:
        self.scene = Scene.parse(None)
        self._number = 0

    def open(self) -> None:
        self._number = 0

    def read(self) -> Frame:
        self._number += 1
        threading.Event().wait(1 / 60)
        return Frame(render(self.scene, self._number), time.monotonic_ns())

    def close(self) -> None:
        pass


def test_reads_real_pixels() -> None:
    """With the real decoder and rendered frames, a pass is seen when it comes and missed when it goes."""
    bench = Bench(RenderedCamera(), make_decoder("pyzbar"))
    text = "EP1:" + "0123456789ABCDEF:/" * 13
    bench.reader.start()
    for dark in (False, True):
        begun = len(bench.sightings)
        bench.camera.scene = Scene.parse({"codes": [{"text": text, "dark": dark}]})
        bench.wait(lambda begun=begun: [text] in bench.texts()[begun:], "the pass")
        bench.camera.scene = Scene.parse(None)
        bench.wait(lambda: bench.texts()[-1] == [], "its absence")
    bench.reader.stop()
    assert bench.faults == []
