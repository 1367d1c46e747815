"""The MLX90640: calculations against the data sheet's example, the driver against a twin that computes backwards."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from smbus2 import i2c_msg

from drivers.mlx90640 import compensation, forehead
from drivers.mlx90640.calibration import Calibration, CalibrationError, restore
from drivers.mlx90640.device import Mlx90640
from drivers.mlx90640.registers import CHESS, CONTROL, EEPROM, PIXELS, RAM, Half, Words
from drivers.twins import heat, mlx90640_factory
from drivers.twins.mlx90640 import TwinBus
from station.ports import DeviceFault
from tests.contract.sensor_bench import Disturbed, Hours, Room

ADDRESS, SKIN = 0x33, 0.98


@dataclass(frozen=True)
class Bench:
    """A started driver on a twin, both in the same room and time."""

    device: Mlx90640
    bus: Disturbed
    room: Room
    hours: Hours

    def error(self) -> float:
        """Return the largest difference between a picture and the scene, kelvin."""
        picture, _ = self.device.picture()
        return float(np.abs(picture - heat.picture(self.room["thermometer.t"])).max())


def place(made: Any = None, *, noise: float = 0.0, emissivity: float = SKIN, **scene: Any) -> Bench:
    """Put a sensor (without noise) before a scene, not yet started."""
    room = Room("thermometer.t", **({"object_c": 35.2, "ambient_c": 24.0, "fault": None} | scene))
    hours = Hours()
    bus = Disturbed(TwinBus(room, "t", ADDRESS, hours.now, hours.wait, noise=noise, made=made))
    return Bench(Mlx90640(bus, ADDRESS, "thermometer t", emissivity, hours.wait, hours.now), bus, room, hours)


def started(made: Any = None, **scene: Any) -> Bench:
    """Put a sensor before a scene and start it."""
    bench = place(made, **scene)
    bench.device.start()
    return bench


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


# --- the forehead ----------------------------------------------------------------------------------------------------


def seen(**scene: Any) -> forehead.Seen:
    """Look at a scene without a sensor between."""
    return forehead.find(heat.picture({"object_c": 35.2, "ambient_c": 24.0} | scene))


@pytest.mark.parametrize("fill", [0.05, 0.1, 0.25, 0.5, 0.7])
def test_fill_is_the_share_of_the_face(fill: float) -> None:
    """The reported share is that of the face, a little less since hair-thin rims do not count."""
    found = seen(fill=fill)
    # A large face reaches out of the picture: its share is what it radiates more than the room.
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0, "fill": fill})
    share = float(((picture + 273.15) ** 4 - 289.15**4).mean() / (308.35**4 - 289.15**4))
    assert found.fill == pytest.approx(share, abs=0.03)
    assert found.celsius == pytest.approx(35.2, abs=0.05)


@pytest.mark.parametrize(
    "scene",
    [
        {"mask_c": 32.0},  # colder below
        {"mask_c": 36.6},  # breath behind the mask
        {"lamp_c": 80.0},
        {"ambient_c": 5.0},
        {"room_c": 32.0},
        {"x": 0.15, "y": 0.4},
        {"fill": 0.02},
    ],
)
def test_forehead_is_found(scene: dict[str, Any]) -> None:
    """Masks, lamps, cold and hot rooms, and faces at the rim or far away do not change what the forehead measures."""
    assert seen(**scene).celsius == pytest.approx(35.2, abs=0.25)


def test_clothes_are_no_face() -> None:
    """What is colder than skin by more than a forehead varies does not count to the share."""
    bare, dressed = seen().fill, seen(mask_c=29.0).fill
    assert bare is not None
    assert dressed == pytest.approx(bare / 2, rel=0.15)


def test_somebody_farther_away_does_not_count() -> None:
    """Of two faces the warmer one is measured, and its share is its own."""
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0, "fill": 0.1, "x": 0.3})
    alone = forehead.find(picture)
    picture[3:9, 24:29] = 34.0
    assert forehead.find(picture) == alone


def test_speck_is_no_face() -> None:
    """A single wrong pixel is not taken for the hottest thing in view, and does not move the forehead."""
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0})
    for row, column in ((2, 2), (9, 16)):
        picture[row, column] = 44.0
    assert forehead.find(picture).celsius == pytest.approx(35.2, abs=0.05)


def test_empty_view_has_no_fill() -> None:
    """Where nothing stands out the share is unknown and the value is the wall's; a lamp alone changes nothing."""
    for scene in ({}, {"lamp_c": 70.0}):
        found = forehead.find(heat.picture({"object_c": 16.0, "ambient_c": 24.0} | scene))
        assert found.fill is None
        assert found.celsius == pytest.approx(16.0, abs=0.1)
    glowing = forehead.find(np.full((24, 32), 90.0))
    assert glowing == forehead.Seen(90.0, None)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hertz", "period"), [(400_000, 1 / 8), (100_000, 1 / 4)])
def test_refresh_suits_the_bus(hertz: int, period: float) -> None:
    """Eight halves a second where the bus carries them, else four; samples in a row take one half each."""
    bench = started(hertz=hertz)
    assert bench.error() < 0.1
    begun = bench.hours.now()
    for _ in range(4):
        bench.device.sample()
    assert bench.hours.now() - begun == pytest.approx(4 * period, abs=1.2 * period)


def test_sample_after_a_pause_shows_nobody_of_before() -> None:
    """After a pause a whole new picture is taken, within three halves."""
    bench = started()
    bench.device.sample()
    bench.room.scene(object_c=38.5, x=0.3)
    bench.hours.wait(5.0)
    begun = bench.hours.now()
    assert bench.error() < 0.1
    assert bench.hours.now() - begun < 3.5 / 8


def test_half_of_before_is_thrown_away() -> None:
    """A half that was ready before somebody came, and the one that had begun, are not in their picture."""
    bench = started()
    bench.device.sample()
    bench.hours.wait(5.0)
    bench.device.sensor_id()  # meets the sensor between two halves, with one ready
    bench.room.scene(object_c=38.5, x=0.3)
    assert bench.error() < 0.1


def test_slow_bus_is_refused() -> None:
    """A bus on which no half can be read in time is refused at the start, with the setting that cures it."""
    with pytest.raises(DeviceFault, match=r"too slow: reading 832 words took .* ms.*i2c_arm_baudrate=400000"):
        started(hertz=50_000)


def test_bus_that_becomes_slow_is_noticed() -> None:
    """Halves that are overtaken while they are read are thrown away, and the third in a row is a fault."""
    bench = started()
    bench.room.scene(fault="slow")
    with pytest.raises(DeviceFault, match=r"3 halves in a row.*the bus is too slow"):
        bench.device.sample()


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("no-data", "no new picture within 1.2 s"),
        ("ready-stuck", "flag for new data cannot be cleared"),
        ("restart", "has forgotten its settings"),
    ],
)
def test_fault_while_measuring(fault: str, says: str) -> None:
    """A sensor that stops, whose flag sticks, or that lost its supply is told apart, with something to do."""
    bench = started()
    bench.device.sample()
    bench.room.scene(fault=fault)
    bench.hours.wait(5.0)
    with pytest.raises(DeviceFault, match=says) as caught:
        bench.device.sample()
    assert caught.value.remedy.endswith(".")
    assert caught.value.device == "thermometer t"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nack", "nothing answers at address 0x33"),
        ("stuck", "the bus is held"),
        ("eeprom", r"blank \(0xffff\)"),
        ("pixels", "5 pixels are broken or outliers, 4 are allowed"),
    ],
)
def test_fault_at_the_start(fault: str, says: str) -> None:
    """A silent sensor, a held bus, a blank EEPROM and too many broken pixels are refused before any temperature."""
    with pytest.raises(DeviceFault, match=says):
        started(fault=fault)


def test_four_broken_pixels_are_mended() -> None:
    """As many broken pixels as the data sheet allows are replaced by their neighbours, in the face and in corners."""
    broken = (0, 31, 12 * 32 + 16, 23 * 32 + 31)
    bench = started(mlx90640_factory.make(1, deviating=broken))
    assert bench.error() < 0.1
    assert bench.device.sample().object_c == pytest.approx(35.2, abs=0.1)


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


def test_eeprom_read_differently_is_refused() -> None:
    """There is no checksum: two readings that differ in one bit are not believed."""
    bench = place()
    bench.bus.changes = [(EEPROM.to_bytes(2, "big"), 100, b"\x01")]
    with pytest.raises(DeviceFault, match="differ in 1 of 832 words"):
        bench.device.start()


def _change(address: int, *words: int) -> tuple[bytes, int, bytes]:
    """Return a change of the next reading of some RAM words."""
    chunk = next(start for start in (0x0400, 0x04D0, 0x05A0, 0x0670) if start <= address < start + 208)
    return chunk.to_bytes(2, "big"), 2 * (address - chunk), b"".join(word.to_bytes(2, "big") for word in words)


@pytest.mark.parametrize(
    ("address", "words", "says"),
    [
        (0x0420, [0x7FFF] * 32, "unfinished"),
        (0x0720, [0x7FFF], "unfinished"),
        (0x0700, [0x2000], "the chip measures"),
        (0x072A, [0x0000], "the supply measures"),
        (0x070A, [0x0000], "gain"),
    ],
)
def test_disturbed_half_is_read_again(address: int, words: list[int], says: str) -> None:
    """A half with an impossible word or row is thrown away and the next one taken; three in a row are a fault."""
    change = _change(address, *words)
    bench = started()
    bench.bus.changes = [change] * 2
    assert bench.error() < 0.1
    bench.bus.changes = [change] * 3
    with pytest.raises(DeviceFault, match=f"3 halves in a row cannot be used: .*{says}"):
        bench.device.sample()


def test_impossible_pixels_are_a_fault() -> None:
    """Many pixels colder than nothing can be are not mended but reported."""
    bench = started()
    bench.bus.changes = [_change(0x0400, *[0x8000] * 40)] * 2
    with pytest.raises(DeviceFault, match="40 pixels measure what nothing can radiate"):
        bench.device.sample()


def test_sun_in_one_pixel_is_no_fault() -> None:
    """Pixels that overflow are hot, not broken: the face beside them is measured as before."""
    bench = started()
    bench.bus.changes = [_change(0x0400, *[0x7FFF] * 4)] * 2
    assert bench.device.sample().object_c == pytest.approx(35.2, abs=0.1)


def test_settings_that_do_not_hold_are_a_fault() -> None:
    """A control register that does not read back as written is found at the start."""
    bench = place()
    bench.bus.changes = [(CONTROL.to_bytes(2, "big"), 0, b"\x00\x00")]
    with pytest.raises(DeviceFault, match="control register holds 0x0000"):
        bench.device.start()


@pytest.mark.parametrize("code", [errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT])
def test_short_disturbance_is_retried(code: int) -> None:
    """Two failed transactions in a row are survived: the third answers."""
    bench = started()
    bench.bus.failures = [OSError(code, "disturbed")] * 2
    assert bench.error() < 0.1


def test_unstarted_is_a_fault() -> None:
    """A driver without calibration does not invent temperatures."""
    with pytest.raises(DeviceFault, match="not started"):
        place().device.sample()


@pytest.mark.parametrize("data", [b"\x80", b"\x80\x00\x00", b"\x80\x00\x00\x00\x00"])
def test_twin_takes_whole_words_only(data: bytes) -> None:
    """The twin does not acknowledge messages that are no address and word."""
    bench = place()
    with pytest.raises(OSError) as caught:
        bench.bus.i2c_rdwr(i2c_msg.write(ADDRESS, data))
    assert caught.value.errno == errno.EREMOTEIO


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
