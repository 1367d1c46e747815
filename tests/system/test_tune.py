"""`gate-station camera tune`: figures of the lane's own reader, and advice that helps."""

from __future__ import annotations

import io
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.quality import Quality
from drivers.twins import world as worlds
from drivers.twins.world import World
from station import advice, tune
from station.advice import Measured, advise
from station.cli import main
from station.config import parse
from tests.demo.processes import command

TEXT = "EP1:" + "0123456789ABCDEF:/" * 13
GOOD = Measured(1280, 720, 120, 0.0, 180.0, 150.0, 6.0, 340.0, 1.0)
CONFIG = """
    station = {{id = "s", gate = "g", zone = "110101001001"}}
    trust = {{roots = {roots}}}
    paths = {{documents = "{folder}"}}
    hardware = {{pins = "twin", world = "{folder}/world.sock"}}
    [[lane]]
    id = "in"
    direction = "in"
    camera = {{source = "scene:in", decoder = "zxing"{more}}}
    door = {{relay = {{pin = 17}}}}
"""


def but(**changed: Any) -> Measured:
    """Return a good measurement but for what is named."""
    return Measured(**({name: getattr(GOOD, name) for name in Measured.__slots__} | changed))


def english(seen: Measured) -> list[str]:
    """Return the advice in English."""
    return [one["en"] for one in advise(seen)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ["good"]),
        ({"saturated": 0.5}, ["lower exposure"]),
        ({"light": 250.0}, ["lower exposure"]),
        ({"light": 60.0}, ["more light"]),
        ({"side_px": 600.0, "module_px": 10.0}, ["hold 6 cm farther"]),
        ({"whole": False}, ["move to the middle of the picture"]),
        ({"side_px": 100.0, "module_px": 2.5}, ["hold 27 cm nearer"]),
        ({"blur_px": 2.4}, ["hold still; check the focus; clean the lens"]),
        ({"contrast": 40.0}, ["clean the lens"]),
        ({"light": 60.0, "contrast": 40.0}, ["more light"]),
        ({"light": 60.0, "blur_px": 3.0}, ["more light", "hold still; check the focus; clean the lens"]),
        ({"side_px": None}, ["hold a pass before the camera"]),
        ({"side_px": None, "mean": 10.0}, ["more light", "hold a pass before the camera"]),
        ({"side_px": None, "saturated": 0.6}, ["lower exposure", "hold a pass before the camera"]),
    ],
)
def test_each_ill_has_its_advice(changed: dict[str, Any], words: list[str]) -> None:
    """What is wrong with a picture leads to the advice that mends it, and to no other."""
    assert english(but(**changed)) == words


def test_advice_in_both_languages() -> None:
    """The distance is told in Chinese as in English."""
    assert advise(but(side_px=600.0, module_px=10.0)) == ({"zh": "请再远 6 厘米", "en": "hold 6 cm farther"},)


numbers = st.floats(0, 255)
maybe = st.none() | st.floats(0.01, 5000)


@given(
    seen=st.builds(
        Measured, st.integers(1, 5000), st.integers(1, 5000), numbers, numbers, maybe, maybe, maybe, maybe, maybe
    )
)
def test_any_measurement_has_advice(seen: Measured) -> None:
    """Every measurement gives one to three pieces of advice, each in both languages, none contradicting another."""
    said = advise(seen)
    assert 1 <= len(said) <= 3
    assert all(one["zh"] and one["en"] for one in said)
    assert not {"lower exposure", "more light"} <= {one["en"] for one in said}
    assert advice.GOOD not in said or len(said) == 1


@given(side=st.floats(60, 1500), version=st.integers(1, 40))
def test_following_the_distance_advice_never_leads_back(side: float, version: int) -> None:
    """Who moves by as many centimetres as told is not sent back, whatever the symbol's size."""

    def told(side: float) -> list[str]:
        seen = but(side_px=side, module_px=side / (17 + 4 * version), blur_px=0.1)
        return [one for one in english(seen) if " cm " in one]

    reach = advice.FOCAL_SHARE * GOOD.width * advice.CODE_CM
    for _ in range(4):
        if not (first := told(side)):
            break
        step = int(first[0].split()[1]) * (1 if "farther" in first[0] else -1)
        side = reach / (reach / side + step)
        after = told(side)
        assert not after or after[0].split()[3] == first[0].split()[3]
    assert not told(side)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """Return a client of a world that this file's tests share, and the world's folder."""
    folder = tmp_path_factory.mktemp("tune")
    process = worlds.launch(folder / "world.sock", folder / "world.log")
    client = World.connect(folder / "world.sock")
    yield client, folder
    client.close()
    process.terminate()
    process.communicate(timeout=10)


@pytest.fixture
def folder(stage: tuple[World, Path]) -> Path:
    """Return the folder of the world."""
    return stage[1]


@pytest.fixture
def world(stage: tuple[World, Path], monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the world with nobody before the camera; tuning warms up faster than for people."""
    monkeypatch.setattr(tune, "WARM_UP_S", 0.4)
    place(stage[0], None)
    return stage[0]


def place(world: World, scene: dict[str, Any] | None) -> None:
    """Put a scene before the camera."""
    world.set("camera.in", scene)
    assert world.wait_for(lambda state: state.get("camera.in") == scene, 5)


def hold(world: World, code: dict[str, Any] | None = None, **scene: Any) -> None:
    """Hold a pass before the camera."""
    place(world, {"codes": [{"text": TEXT} | (code or {})], **scene})


def text(folder: Path, more: str = "") -> str:
    """Return a configuration whose camera looks into the world."""
    return CONFIG.format(roots=["00" * 32] * 3, folder=folder, more=more)


def sample(folder: Path, more: str = "") -> dict[str, Any]:
    """Return one sample as the command prints it."""
    out = io.StringIO()
    tune.tune(parse(text(folder, more)), "in", once=True, as_json=True, out=out)
    row: dict[str, Any] = json.loads(out.getvalue())
    return row


def test_a_good_pass_is_called_good(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass at a good distance: all figures are there and plausible, and nothing is to be done."""
    monkeypatch.setattr(tune, "WARM_UP_S", 1.0)
    hold(world, exposure=0.7, code={"size": 0.5})
    row = sample(folder)
    assert (row["lane"], row["width"], row["height"], row["codes"]) == ("in", 1280, 720, 1)
    assert 5 < row["fps"] <= 40
    assert 0 < row["acquire_ms"] < 500
    assert 0 < row["decode_ms"] < 500
    assert row["module_px"] == pytest.approx(0.5 * 720 / 53, rel=0.05)
    assert row["sharpness"] > 100
    assert row["exposure_us"] == 0, "the twin does not tell"
    assert [one["en"] for one in row["advice"]] == ["good"]


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        ({"code": {"size": 0.8}}, "farther"),
        ({"code": {"size": 0.17}, "noise": 0}, "nearer"),
        ({"blur_px": 10, "code": {"size": 0.6}}, "hold still"),
        ({"exposure": 4}, "lower exposure"),
        ({"exposure": 0.06, "noise": 1}, "more light"),
    ],
)
def test_advice_fits_what_is_held(world: World, folder: Path, scene: dict[str, Any], word: str) -> None:
    """Too near, too far, blurred, too bright, too dark: the real picture of each leads to its advice."""
    hold(world, **scene)
    assert any(word in one["en"] for one in sample(folder)["advice"])


def test_nobody_there(world: World, folder: Path) -> None:
    """An empty gate has figures and no module size; somebody is asked to hold a pass there."""
    row = sample(folder, ", region = [0.25, 0.25, 0.5, 0.5]")
    assert (row["codes"], row["module_px"]) == (0, None)
    assert (row["width"], row["height"]) == (1280, 720)
    assert row["advice"][-1]["en"] == "hold a pass before the camera"


class Terminal(io.StringIO):
    """A terminal that counts what it is shown; after some views somebody presses Ctrl-C."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.moments = most, list[float]()

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.moments.append(time.monotonic())
        if len(self.moments) == self.most:
            raise KeyboardInterrupt


def test_the_view_is_refreshed_about_five_times_a_second(world: World, folder: Path) -> None:
    """The view clears the screen each time, speaks both languages, comes at its pace, and Ctrl-C ends it cleanly."""
    hold(world, code={"size": 0.85 - 0.05})
    out = Terminal(6)
    threads = threading.active_count()
    tune.tune(parse(text(folder)), "in", once=False, as_json=False, out=out)
    views = out.getvalue().split("\x1b[H\x1b[J")[1:]
    assert len(views) == 6
    assert all("module" in view and "请再远" in view and "farther" in view for view in views)
    pace = (out.moments[-1] - out.moments[0]) / 5
    assert 0.19 < pace < 0.6
    assert threading.active_count() <= threads, "nothing runs on"


def test_without_a_terminal_nothing_is_cleared(world: World, folder: Path) -> None:
    """Into a file goes plain text."""
    out = io.StringIO()
    tune.tune(parse(text(folder)), "in", once=True, as_json=False, out=out)
    assert "\x1b" not in out.getvalue()
    assert "1280 x 720" in out.getvalue()


def test_the_aiming_light_is_off_afterwards(world: World, folder: Path) -> None:
    """In the dark the lamp shines while tuning, as at the gate, and its pin is low when tuning ends."""
    place(world, {"exposure": 0.01, "noise": 0})
    sample(folder, ", light = 20")

    def levels() -> list[int]:
        lines = map(json.loads, (folder / "world.log").read_text().splitlines())
        return [line["level"] for line in lines if line.get("what") == "pin" and line["pin"] == 20]

    wait(lambda: 1 in levels() and levels()[-1] == 0, "on, then off")


def wait(met: Callable[[], bool], what: str) -> None:
    """Wait until `met`, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline, f"never happened: {what}"
        threading.Event().wait(0.01)


def test_command_line(world: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one JSON object; a wrong lane is named with the right ones, a dead camera with its remedy."""
    hold(world)
    path = folder / "station.toml"
    path.write_text(text(folder).replace('"zxing"', '"eye"'))
    line = command("gate-station", "camera", "--config", str(path), "tune", "in", "--once", "--json")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["codes"] == 1
    assert main(["camera", "--config", str(path), "tune", "out"]) == 2
    assert "its lanes are: in" in capsys.readouterr().err
    path.write_text(text(folder).replace("scene:in", "v4l2:/dev/no-such-camera"))
    assert main(["camera", "--config", str(path), "tune", "in"]) == 1
    assert "/dev/no-such-camera does not exist" in capsys.readouterr().err


def test_measured_takes_all_it_needs_from_quality() -> None:
    """Every figure that advice looks at, but the picture's size, is one that the drivers measure."""
    assert set(Measured.__slots__) - {"width", "height"} <= set(Quality.__slots__)
