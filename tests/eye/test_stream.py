"""The stream reader: video."""

from __future__ import annotations

import time

import numpy as np
import pytest

from drivers.decoder.eye import StreamReader
from drivers.decoder.eye.soft import receive
from drivers.decoder.eye.tracker import Track, Tracker
from drivers.decoder.eye.views import View
from drivers.decoder.eye.worker import SoftWorker
from drivers.decoder.zxing import Kind, Located, Scan
from tests.eye.pictures import TEXT, drawn, noisy, place_of, scene, smeared


def ours(text):
    """Accept passes."""
    return text.startswith("GP1:")


def hard(seed, x=400, y=150, text=TEXT):
    """A frame that only the soft receiver reads."""
    return noisy(smeared(scene((drawn(text, scale=5)[0], x, y)), 9), seed, 3)


def faint(seed, text=TEXT):
    """A frame that only several looks together read."""
    return noisy(scene((drawn(text, scale=4, dark=110, light=150)[0], 400, 150)), seed, 40)


def test_a_pass_is_read_and_validated():
    """The first look reads a clear pass."""
    (code,) = StreamReader().read(scene((drawn()[0], 300, 200)), ours)
    assert (code.text, code.validated, code.stage) == (TEXT, True, "global")


def test_a_foreign_code_is_returned_unvalidated():
    """A payment code is named, not hidden, in every frame."""
    reader = StreamReader()
    frame = scene((drawn("https://pay.example/1")[0], 300, 200))
    for _ in range(3):
        (code,) = reader.read(frame, ours)
        assert (code.text, code.validated) == ("https://pay.example/1", False)


def test_a_foreign_code_is_tried_hard_once():
    """The second frame with it makes no heavy attempts."""
    reader = StreamReader()
    frame = scene((drawn("https://pay.example/1")[0], 300, 200))
    reader.read(frame, ours)
    assert reader.heavy_s > 0
    reader.read(frame, ours)
    assert reader.heavy_s == 0


def test_soft_text_counts_only_when_valid():
    """What the soft receiver reads is dropped unless it is one of ours."""
    frames = [hard(seed) for seed in range(4)]
    reader = StreamReader()
    read = [code for frame in frames for code in reader.read(frame, ours)]
    assert {code.text for code in read} == {TEXT}
    assert all(code.validated for code in read)
    strict = StreamReader()
    assert not any(strict.read(frame, lambda _: False) for frame in frames)


def test_frames_add_up():
    """Frames none of which can be read alone are read together."""

    def alone(seed):
        return StreamReader().read(faint(seed), ours)

    reader = StreamReader()
    stages = [code.stage for seed in range(12) for code in reader.read(faint(seed), ours)]
    assert "soft-combined" in stages
    assert not any(code.stage == "soft" for code in alone(0))


def test_nothing_is_stale():
    """After a pass is gone the next frame holds nothing."""
    reader = StreamReader()
    assert reader.read(scene((drawn()[0], 300, 200)), ours)
    assert reader.read(scene(), ours) == []


def test_looks_at_two_passes_never_mix():
    """A pass that takes the place of another is read as itself, though looks at the first were kept."""
    reader = StreamReader()
    other = "GP1:" + "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210 $%*+-./:" * 3
    for seed in range(8):
        if not reader._escalation.busy:
            reader.read(faint(seed), ours)
    assert reader._escalation.busy
    seen = [code.text for seed in range(20, 40) for code in reader.read(faint(seed, other), ours)]
    assert set(seen) <= {other}
    assert seen


def test_tracks_follow_movement_and_end():
    """The predicted place leads the last; a symbol unseen for long is forgotten."""
    tracker = Tracker()
    here = place_of(5, 100, 100)
    ((track, _),) = tracker.targets([here])
    track.velocity = np.full((4, 2), 7.0)
    ((same, place),) = tracker.targets([])
    assert same is track
    assert np.allclose(place.quad, here.quad + 7)
    ((again, _),) = tracker.targets([Located(here.quad + 9, 5)])
    assert again is track
    for _ in range(10):
        tracker.age()
    assert tracker.targets([]) == []


def test_a_track_begins_anew_with_another_symbol():
    """Looks at one symbol add up; a look at another of the same version replaces them."""
    other = "GP1:" + "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210 $%*+-./:" * 3
    place = place_of(drawn()[1], 400, 150)
    first, second = (receive(faint(seed), place) for seed in range(2))
    strange = receive(faint(2, other), place)
    track = Track(place.version, place.quad, np.zeros((4, 2)))
    assert track.add(first)
    assert track.add(second)
    assert track.total.looks == 2
    assert not track.add(strange)
    assert track.total is strange


def test_the_worker_answers_without_delaying_frames():
    """The heavy attempt is made elsewhere; its text arrives with a later frame."""
    worker = SoftWorker(clock=lambda: time.monotonic() / 20)  # a busy test machine makes no answer stale
    reader = StreamReader(worker)
    try:
        deadline, codes, seed = time.monotonic() + 60, [], 0
        while not codes and time.monotonic() < deadline:
            seed += 1
            codes = reader.read(hard(seed), ours)
            assert reader.heavy_s == 0
        assert [(code.text, code.validated) for code in codes] == [(TEXT, True)]
    finally:
        reader.close()
        reader.close()


def test_a_hanging_worker_is_replaced(caplog):
    """An attempt beyond its budget ends with the process; the fault is logged once and the next frame starts anew."""
    now = [0.0]
    worker = SoftWorker(budget_s=1, clock=lambda: now[0])
    try:
        worker.offer(hard(1), [])
        first = worker._running.process
        now[0] += 100
        deadline = time.monotonic() + 60
        while not worker._running.pipe.poll(0.1) and time.monotonic() < deadline:
            pass  # its first answer only says that it is ready
        worker.take()
        worker.offer(hard(1), [])
        worker._running.pipe.close()  # as if it answered no more
        worker.take()
        worker.offer(hard(2), [])
        assert worker._running.process.pid != first.pid
        assert not first.is_alive()
        assert len([record for record in caplog.records if "heavy attempts" in record.message]) == 1
    finally:
        worker.close()


@pytest.mark.parametrize("shape", [(0, 0), (5, 5), (720, 1280, 3)])
def test_unusable_frames_hold_nothing(shape):
    """Empty, minute and coloured pictures."""
    assert StreamReader().read(np.zeros(shape, np.uint8), ours) == []


def test_costly_frames_are_looked_at_in_small(monkeypatch):
    """After a first look that took far too long, the next frames cost one look at half size; then all is as before."""
    now, names = [0.0], []
    scan = View.scan

    def slow(view: View, gray, kind: Kind = Kind.ANY_QR) -> Scan:
        names.append(view.name)
        now[0] += 0.1 if view.name == "global" else 0.001
        return scan(view, gray, kind)

    monkeypatch.setattr(View, "scan", slow)
    reader = StreamReader(clock=lambda: now[0])
    empty = np.full((720, 1280), 128, np.uint8)
    for _ in range(16):
        reader.read(empty, ours)
    assert names == ["global"] + ["half-global"] * 14 + ["global"]
