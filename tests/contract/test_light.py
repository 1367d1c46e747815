"""The aiming light: its rule on a clock of its own, and its pin, which is low whenever the lamp must be off."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.light import (
    DARK_GRAY,
    DARK_HOLD_S,
    DAY_GRAY,
    PRESENT_S,
    SETTLE_S,
    UNREAD_S,
    AimingLight,
    LightRule,
    drive_dark,
    open_light,
)
from station.config import ConfigError, parse
from station.device_config import CameraConfig
from station.ports import DeviceFault
from tests.contract.camera_standins import Watched, config

HOME = Path(__file__).resolve().parents[2]
PIN = 20
DAY, NIGHT = 110.0, 12.0
TEXT = """
    station = {{id = "s", gate = "g", zone = "110101001001"}}
    trust = {{roots = {roots}}}
    [[lane]]
    id = "a"
    direction = "in"
    camera = {{source = "dir:x", light = {pin}}}
    door = {{relay = {{pin = 17}}}}
"""


def play(rule: LightRule, begin: float, end: float, **seen: Any) -> list[float]:
    """Show the rule ten pictures a second; return when the lamp was switched."""
    switched, tick = [], round(begin * 10)
    while tick < round(end * 10):
        before = rule.on
        if rule.look(tick / 10, **({"moved": False, "code": False, "mean_gray": DAY} | seen)) != before:
            switched.append(tick / 10)
        tick += 1
    return switched


def test_off_by_default() -> None:
    """Nobody there by day: the lamp never shines."""
    rule = LightRule()
    assert play(rule, 0, 60) == []
    assert not rule.on


def test_it_helps_who_is_not_read() -> None:
    """Somebody moves and is not read: on after UNREAD_S, off once read, and off again after they left."""
    rule = LightRule()
    assert play(rule, 10, 14, moved=True) == pytest.approx([10 + UNREAD_S], abs=0.11)
    assert play(rule, 14, 15, moved=True, code=True) == [14.0]
    assert play(rule, 15, 19, moved=True) == pytest.approx([14.9 + UNREAD_S], abs=0.11)
    gone = play(rule, 19, 40)
    assert gone == pytest.approx([18.9 + PRESENT_S], abs=0.2)


def test_a_read_pass_needs_no_lamp() -> None:
    """A code that comes soon and stays leaves the lamp off all the time."""
    rule = LightRule()
    assert play(rule, 0, 1, moved=True) == []
    assert play(rule, 1, 20, moved=True, code=True) == []


def test_its_own_switching_is_no_visitor() -> None:
    """The picture that the lamp changes by going off does not switch it on again."""
    rule = LightRule()
    play(rule, 0, 3, moved=True)
    assert rule.on
    end = play(rule, 3, 10)[-1]
    assert play(rule, end + 0.1, end + SETTLE_S - 0.1, moved=True) == []
    assert play(rule, end + SETTLE_S + 0.1, end + 20) == []


def test_in_the_dark_it_always_shines_and_never_blinks() -> None:
    """At night it shines with nobody there, although its own light makes the picture bright; by day it ends."""
    rule = LightRule()
    assert play(rule, 0, 1, mean_gray=DARK_GRAY - 5) == [0.0]
    assert play(rule, 1, 600, mean_gray=DAY_GRAY - 20) == [], "brighter by its own light"
    assert play(rule, 600, 700, mean_gray=DAY_GRAY + 20) == [600.0], "the morning"


def test_dark_holds_against_a_flash() -> None:
    """A headlight that passes soon after dusk does not switch the lamp off."""
    rule = LightRule()
    play(rule, 0, 1, mean_gray=NIGHT)
    assert play(rule, 1, DARK_HOLD_S - 1, mean_gray=250) == []
    assert play(rule, DARK_HOLD_S - 1, DARK_HOLD_S + 2, mean_gray=250) == pytest.approx([DARK_HOLD_S], abs=0.2)


def shine(light: AimingLight) -> None:
    """Bring the lamp on by darkness."""
    light.look(1.0, moved=False, code=False, mean_gray=NIGHT)


def test_the_pin_is_low_at_first_and_after_close(bench, eventually) -> None:
    """Claimed low, high while it shines, low and given back after close (twice), and dead afterwards."""
    light = AimingLight(PIN, bench.factory(), "in")
    assert bench.level(PIN) in (0, None)
    shine(light)
    eventually(lambda: bench.level(PIN) == 1, "the lamp shines")
    light.close()
    light.close()
    eventually(lambda: bench.level(PIN) == 0, "the lamp is off")
    shine(light)
    assert bench.level(PIN) == 0
    assert bench.levels(PIN)[-1] == 0


def test_the_released_pin_is_pulled_down(twin_bench, eventually) -> None:
    """After close the pin is an input with pull-down."""
    light = AimingLight(PIN, twin_bench.factory(), "in")
    shine(light)
    light.close()
    eventually(lambda: ends(twin_bench) == [("input", "down", 0)], "pulled down")


def ends(twin_bench) -> list[tuple[str, str, int]]:
    """Return the last state of the pin in the world's log, if there is any."""
    entries = [entry for entry in twin_bench.entries() if entry["pin"] == PIN]
    return [(entry["function"], entry.get("pull", ""), entry["level"]) for entry in entries[-1:]]


CHILD = """
import sys
from pathlib import Path
from drivers.light import AimingLight
from drivers.pins import factory
from station.config import HardwareConfig
light = AimingLight(20, factory(HardwareConfig(pins="twin", world=Path(sys.argv[1]))), "in")
light.look(1.0, moved=False, code=False, mean_gray=5.0)
print("shining", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("keeps", [False, True])
def test_a_killed_station_leaves_no_lamp_burning(twin_bench, eventually, keeps) -> None:
    """After kill -9 the pull switches the lamp off; where the kernel keeps levels, ExecStopPost's command does."""
    if keeps:
        twin_bench.keep_levels()
    command = [sys.executable, "-c", CHILD, str(twin_bench.socket)]
    with subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "shining\n"
        eventually(lambda: twin_bench.level(PIN) == 1, "the lamp shines")
        child.send_signal(signal.SIGKILL)
    eventually(lambda: any(entry.get("by") == "release" for entry in twin_bench.entries()), "the pin is released")
    if keeps:
        assert twin_bench.level(PIN) == 1
        assert drive_dark(parse(TEXT.format(roots=["00" * 32] * 3, pin=PIN)), twin_bench.factory()) == []
        eventually(lambda: [state[::2] for state in ends(twin_bench)] == [("output", 0)], "driven low, not only pulled")
    eventually(lambda: twin_bench.level(PIN) == 0, "the lamp is off")


def test_the_reader_shines_in_the_dark_and_not_after_it_stops(twin_bench, eventually, tmp_path) -> None:
    """The reader works its lamp by the pictures it takes, and gives the pin back when it stops."""
    cv2.imwrite(str(tmp_path / "night.png"), np.full((120, 160), 9, np.uint8))
    (tmp_path / "night").mkdir()
    (tmp_path / "night.png").rename(tmp_path / "night" / "night.png")
    light = AimingLight(PIN, twin_bench.factory(), "in")
    watched = Watched(config(f"dir:{tmp_path}/night", max_age_ms=5000), light=light)
    watched.reader.start()
    eventually(lambda: twin_bench.level(PIN) == 1, "the lamp shines")
    watched.reader.stop()
    eventually(lambda: ends(twin_bench) == [("input", "down", 0)], "given back")


def test_a_pin_that_fails_is_logged_once(twin_bench, eventually, caplog) -> None:
    """A lamp that stops obeying never raises; one line when it begins, one when it works again."""
    light = AimingLight(PIN, twin_bench.factory(), "in")
    caplog.set_level("INFO")

    class Broken:
        closed = False

        def __setattr__(self, name: str, value: object) -> None:
            raise OSError("line is gone")

    whole = light._device
    light._device = Broken()
    for n in range(5):
        light.look(1.0 + n, moved=False, code=False, mean_gray=NIGHT)
    light._device = whole
    light.look(9.0, moved=False, code=False, mean_gray=NIGHT)
    light.look(10.0, moved=False, code=False, mean_gray=NIGHT)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    eventually(lambda: twin_bench.level(PIN) == 1, "the lamp shines")
    light.close()


def test_no_lamp_is_no_fault(twin_bench, caplog) -> None:
    """Without a configured lamp, without a header or with a taken pin there is none; only the last is worth a line."""
    factory = twin_bench.factory()
    with_lamp = CameraConfig(source="dir:x", light=PIN)
    assert open_light(CameraConfig(source="dir:x"), factory, "in") is None
    assert open_light(with_lamp, DeviceFault("pins", "no header", "None"), "in") is None
    assert caplog.records == []
    first = open_light(with_lamp, factory, "in")
    assert first is not None
    assert open_light(with_lamp, factory, "in") is None
    assert "camera.light" in caplog.text
    first.close()


def test_a_pin_of_the_door_cannot_be_the_lamps() -> None:
    """One pin for relay and lamp is a mistake that names both places."""
    with pytest.raises(ConfigError, match=r"door\.relay.*camera\.light"):
        parse(TEXT.format(roots=["00" * 32] * 3, pin=17))
