"""The MLX90640 as a device: it reads its halves in time, and refuses what cannot be right."""

from __future__ import annotations

import errno

import pytest
from smbus2 import i2c_msg

from drivers.mlx90640.registers import CONTROL, EEPROM
from drivers.twins import mlx90640_factory
from station.ports import DeviceFault
from tests.contract.mlx90640_bench import ADDRESS, place, started

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
