"""The contract of a pulsed relay (drivers.outputs): a short contact for a turnstile's or barrier's own control."""

from __future__ import annotations

import math
import threading
import time

import pytest

from drivers.outputs import LaneOutputs
from station.device_config import DoorConfig, RelayConfig
from station.ports import Release

RELAY, PULSE_S = 17, 0.4
DOOR = DoorConfig(relay=RelayConfig(pin=RELAY, drive="pulse", pulse_s=PULSE_S), kind="turnstile")


@pytest.fixture
def outputs(twin_bench):
    """A pulsed relay at rest."""
    made = LaneOutputs(DOOR, twin_bench.factory())
    made.lock()
    yield made
    made.close()


def edges(bench) -> list[tuple[float, int]]:
    """Return (seconds, level) of every change of the relay since it was first an output."""
    entries = [entry for entry in bench.entries() if entry["pin"] == RELAY and entry["function"] == "output"]
    return [
        (entry["t"] / 1e9, entry["level"])
        for number, entry in enumerate(entries)
        if number == 0 or entries[number - 1]["level"] != entry["level"]
    ]


def test_the_relay_rests_by_itself(twin_bench, outputs, eventually):
    """Unlocking energises for the configured time; nobody has to lock."""
    outputs.unlock()
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0], "one pulse")
    (_, (begins, _), (ends, _)) = edges(twin_bench)
    assert PULSE_S * 0.9 <= ends - begins <= PULSE_S + 0.5


def test_a_lock_does_not_cut_the_pulse_short(twin_bench, outputs, eventually):
    """The gate locks as soon as the contact reports the door open; the control must still see a whole pulse."""
    outputs.unlock()
    outputs.lock()
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0], "one pulse")
    (_, (begins, _), (ends, _)) = edges(twin_bench)
    assert ends - begins >= PULSE_S * 0.9


def test_each_grant_is_a_pulse(twin_bench, outputs, eventually):
    """Three people one after another are three pulses."""
    for count in (1, 2, 3):
        outputs.unlock()
        eventually(lambda count=count: twin_bench.levels(RELAY) == [0, *([1, 0] * count)], f"pulse {count}")
        outputs.lock()
    assert outputs.alive()


def test_fire_outlasts_the_pulse(twin_bench, outputs, eventually):
    """Fire during a pulse holds the contact until it is cleared, and then it rests."""
    outputs.unlock()
    outputs.release(Release.FIRE, math.inf)
    outputs.lock()
    assert not threading.Event().wait(PULSE_S + 0.2)
    eventually(lambda: twin_bench.level(RELAY) == 1, "still released")
    assert twin_bench.levels(RELAY) == [0, 1]
    outputs.end_release(Release.FIRE)
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0], "rests when the fire is over")


def test_an_exit_after_the_pulse_relocks_by_itself(twin_bench, outputs, eventually):
    """The gate unlocked, and hangs: an exit after the pulse still ends without it."""
    outputs.unlock()
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0], "one pulse")
    outputs.release(Release.REX, 0.2)
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0, 1, 0], "released and at rest again")


def test_an_exit_is_a_pulse_too(twin_bench, outputs, eventually):
    """Whoever leaves by the button is let out by a short contact, however long the lane stays unlocked."""
    outputs.release(Release.REX, 5.0)
    eventually(lambda: twin_bench.levels(RELAY) == [0, 1, 0], "one pulse")
    (_, (begins, _), (ends, _)) = edges(twin_bench)
    assert PULSE_S * 0.9 <= ends - begins <= PULSE_S + 0.5


def test_close_ends_the_pulse_at_once(twin_bench, outputs, eventually):
    """A station that ends leaves no contact closed."""
    outputs.unlock()
    eventually(lambda: twin_bench.level(RELAY) == 1, "the pulse has begun")
    begun = time.monotonic()
    outputs.close()
    eventually(lambda: twin_bench.level(RELAY) == 0, "at rest")
    assert time.monotonic() - begun < PULSE_S + 5
