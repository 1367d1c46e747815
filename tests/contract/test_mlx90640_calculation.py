"""The MLX90640's calculations: against the data sheet's example, and against a twin that computes backwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from drivers.mlx90640 import compensation, forehead
from drivers.mlx90640.calibration import Calibration, CalibrationError, restore
from drivers.mlx90640.registers import CHESS, EEPROM, PIXELS, RAM, Half, Words
from drivers.twins import heat, mlx90640_factory
from tests.contract.mlx90640_bench import SKIN, place, started

# --- the data sheet's worked example (11.2.2) -----------------------------------------------------------------------

EXAMPLE = bytes.fromhex(
    "4210ffbb0202f202f2f2e2e2d1e1b1d1f10ff00fe0efe0efe1e1f3f2f404e504"
    "79a62f44ffdd221033332233ef019acceedc10ff2221333323330112eeffbbdd"
    "18ef2ff159529d68545409946956535423 63e446fbb5044bf020979797972889".replace(" ", "")
)
"""EEPROM 0x2410 to 0x243F of the example; pixel (12, 16) has 0x08A0, which stands for all of them here."""
EXAMPLE_RAM = {0x56F: 0x0261, 0x700: 0x4BF2, 0x708: 0xFFCA, 0x70A: 0x1881, 0x720: 0x06AF, 0x728: 0xFFC8, 0x72A: 0xCCC5}
PIXEL = 11 * 32 + 15


@pytest.fixture
def example() -> tuple[Calibration, Half]:
    """The example's device, and its half 0 in the chess pattern."""
    image = np.zeros(832, np.uint16)
    image[0x10:0x40] = np.frombuffer(EXAMPLE, ">u2")
    image[0x40:] = 0x08A0
    ram = np.zeros(832, np.uint16)
    for address, word in EXAMPLE_RAM.items():
        ram[address - RAM] = word
    return restore(image), Half(0, 0x1901, ram)


def test_example_constants(example: tuple[Calibration, Half]) -> None:
    """Every constant of the example is restored to the value that the data sheet prints."""
    known, _ = example
    assert (known.k_vdd, known.vdd_25, known.resolution) == (-3168, -13056, 2)
    assert (known.kv_ptat, known.kt_ptat, known.ptat_25, known.alpha_ptat) == (22 / 4096, 42.25, 12273, 9)
    assert (known.gain, known.tgc, known.ks_ta) == (6383, 1.0, -0.001953125)
    assert (known.offset[PIXEL], known.kta[PIXEL], known.kv[PIXEL]) == (-75, 0.005126953125, 0.5)
    assert (known.cp_offset, known.cp_kta, known.cp_kv) == ((-75, -77), 0.00457763671875, 0.5)
    assert known.alpha[PIXEL] == pytest.approx(1.262233122690854e-7, rel=1e-8)
    assert known.cp_alpha == pytest.approx((4.07453626394272e-9, 3.851710062200835e-9), rel=1e-8)
    assert known.ks_to[1] == -0.00080108642578125
    assert known.corners == (-40, 0, 160, 320)
    assert known.chess
    assert known.deviating == ()


def test_example_temperatures(example: tuple[Calibration, Half]) -> None:
    """Each step of the example comes out as printed, up to the object's 80.36 C; the second pass adds 0.06 K."""
    known, half = example
    now = compensation.conditions(half, known)
    assert now.supply_v == pytest.approx(3.319, abs=0.0005)
    assert now.chip_c == pytest.approx(39.184, abs=0.0005)
    assert now.gain == pytest.approx(1.01753546947234, abs=1e-12)
    (at,) = np.flatnonzero(compensation.pixels_of(half) == PIXEL)
    assert compensation.signals(half, known, now)[at] == pytest.approx(700.882495690866, abs=1e-6)
    assert compensation.compensation_pixel(half, known, now) == pytest.approx(25.666657, abs=1e-6)
    sensitivity = np.array([1.1876487360496e-7])
    radiation, received = np.array([679.250909123826]), 9516495632.56
    assert compensation.first_estimate(radiation, sensitivity, received, known)[0] == pytest.approx(80.36331, abs=1e-5)
    assert compensation.solve(radiation, sensitivity, received, known)[0] == pytest.approx(80.42781, abs=1e-5)
    # The example takes the compensation pixel of the other half and pattern: 21.63.
    whole = compensation.temperatures(half, known, now, 1.0, 21.6315865670509)
    assert whole[at] == pytest.approx(80.428, abs=0.001)


def test_halves_cover_every_pixel_once() -> None:
    """In both patterns the two halves are 384 pixels each and share none; the chess board's neighbours differ."""
    for pattern in (0, CHESS):
        halves = [compensation.pixels_of(Half(number, pattern, np.zeros(832, np.uint16))) for number in (0, 1)]
        assert sorted(np.concatenate(halves).tolist()) == list(range(PIXELS))
        assert len(halves[0]) == len(halves[1])
    assert set(np.diff(halves[0])) == {1, 2, 3}


# --- the inverse -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("chess", [True, False])
def test_computes_the_scene_back(seed: int, chess: bool) -> None:
    """From the words of three devices, calibrated in either pattern, every pixel comes back within 0.1 K."""
    made = mlx90640_factory.make(seed, chess=chess)
    for scene in (
        {},
        {"object_c": 38.4, "ambient_c": 5.0, "fill": 0.4},
        {"object_c": 34.0, "ambient_c": 38.0, "x": 0.3},
        {"object_c": -8.0, "ambient_c": -10.0},
        {"object_c": 120.0, "ambient_c": 24.0},
    ):
        assert started(made, **scene).error() < 0.1, scene


def test_chip_temperature_is_the_ambient() -> None:
    """The sample's ambient temperature is the chip's own."""
    for ambient in (-10.0, 24.0, 60.0):
        assert started(ambient_c=ambient).device.sample().ambient_c == pytest.approx(ambient, abs=0.05)


def test_emissivity_is_applied() -> None:
    """A thing that radiates 90 % is measured right with 0.9, and too cold with the emissivity of skin."""
    right, skin = (place(emissivity=value) for value in (0.9, SKIN))
    for bench in (right, skin):
        bench.room.scene(emissivity=0.9)
        bench.device.start()
    assert right.error() < 0.1
    assert skin.device.sample().object_c == pytest.approx(35.2 - 1.6, abs=0.3)


def test_noise_is_averaged_out() -> None:
    """With the noise of real pixels the forehead scatters little, and its mean is not pulled up."""
    bench = started(noise=2.0)
    values = [bench.device.sample().object_c for _ in range(30)]
    assert np.std(values) < 0.1
    assert np.mean(values) == pytest.approx(35.2, abs=0.1)


# --- what no factory wrote, and what it costs ------------------------------------------------------------------------


def _image(**words: int) -> Words:
    """Return a sound EEPROM image in which the words at "x2433" and so on are replaced."""
    image = np.array(mlx90640_factory.make(1).image, np.uint16)
    for name, word in words.items():
        image[int(name[1:], 16) - EEPROM] = word
    return image


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (_image(x2440=0, x2441=0), "0 and 1 lie side by side"),
        (_image(x2440=0, x2461=0x0021), "0 and 33 lie side by side"),
        (_image(**{f"x{0x2440 + 50 * n:x}": 1 for n in range(5)}), "5 pixels"),
        (_image(x2430=100), "gain is 100"),
        (_image(x2433=0x0068), "k_vdd is 0"),
        (_image(x2432=0), "kt_ptat is 0"),
        (_image(x2420=0x0650), "sensitivities reach"),
        (_image(x243F=0x0009), "ranges begin"),
        (_image()[:800], "800 words"),
    ],
)
def test_bad_calibration_is_refused(image: Words, says: str) -> None:
    """Images that no factory wrote are refused, and the text says where they are wrong."""
    with pytest.raises(CalibrationError, match=says):
        restore(image)


def test_sound_calibration_is_accepted() -> None:
    """The image the bad ones are made from is a good one, and two deviating pixels apart are no reason to refuse."""
    assert restore(_image(x2440=0, x2480=0)).deviating == (0, 64)


def _best_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1e3)
    return min(times)


def test_cost_of_a_picture(example: tuple[Calibration, Half]) -> None:
    """Both halves and the search for the forehead are computed; how long that takes is told, not judged."""
    known, half = example
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0})
    results: list[Any] = []

    def compute() -> None:
        for number in (0, 1):
            part = Half(number, half.control, half.ram)
            now = compensation.conditions(part, known)
            results.append(compensation.temperatures(part, known, now, SKIN))
        results.append(forehead.find(picture))

    cost = f"one picture costs {_best_ms(compute):.2f} ms, at most 5 ms were asked for"
    assert len(results[0]) + len(results[1]) == PIXELS, cost
