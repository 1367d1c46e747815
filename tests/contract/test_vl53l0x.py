"""The range sensor: contract against the twin and, on request, the sensor on /dev/i2c-1; then start, times, faults."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.twins.vl53l0x import TwinBus
from drivers.vl53l0x import FARTHEST_MM, Vl53l0x, decode_timeout, encode_timeout, open_range_sensor
from station.device_config import RangeConfig
from station.ports import DeviceFault
from tests.contract.sensor_bench import Disturbed, Hours, Room, on_hardware

ADDRESS = 0x29


@dataclass(frozen=True)
class Bench:
    """A driver on a twin, both in the same room and time."""

    device: Vl53l0x
    bus: Disturbed
    room: Room
    hours: Hours


def place(**scene: Any) -> Bench:
    """Put a sensor before a scene, not yet started."""
    room, hours = Room("range.t", **({"mm": 450, "fault": None} | scene)), Hours()
    bus = Disturbed(TwinBus(room, "t", ADDRESS, hours.now, hours.wait))
    return Bench(Vl53l0x(bus, ADDRESS, "range sensor t", hours.wait, hours.now), bus, room, hours)


def started(**scene: Any) -> Bench:
    """Put a sensor before a scene and start it."""
    bench = place(**scene)
    bench.device.start()
    return bench


@pytest.fixture(params=["twin:t", pytest.param("i2c:1", marks=on_hardware("vl53l0x"))])
def sensor(request: pytest.FixtureRequest) -> Iterator[Vl53l0x]:
    """The twin before a person, or the real sensor before whatever is there."""
    room = Room("range.t", mm=450, fault=None)
    device = open_range_sensor(RangeConfig(bus=request.param), room)
    yield device
    device.close()


def test_range_is_plausible(sensor: Vl53l0x) -> None:
    """Ranges are whole millimetres within the sensor's reach, or None."""
    for _ in range(3):
        found = sensor.range_mm()
        assert found is None or (isinstance(found, int) and 0 <= found <= FARTHEST_MM)


def test_id_is_the_models(sensor: Vl53l0x) -> None:
    """The identification is ST's model id, and stays."""
    assert sensor.sensor_id().startswith("eeaa")
    assert sensor.sensor_id() == sensor.sensor_id()


def test_close_twice(sensor: Vl53l0x) -> None:
    """Closing a closed sensor is harmless."""
    sensor.close()
    sensor.close()


@pytest.mark.parametrize("distance", [40, 300, 800, 1150])
def test_range_follows_the_scene(distance: int) -> None:
    """What the world says is what is measured, within the noise of a few millimetres."""
    bench = started(mm=distance)
    assert bench.device.range_mm() == pytest.approx(distance, abs=10)


def test_person_comes_and_goes() -> None:
    """Nobody is None, too near is 0, and the same object follows without a new start."""
    bench = started(mm=None)
    assert bench.device.range_mm() is None
    bench.room.scene(mm=600)
    assert bench.device.range_mm() == pytest.approx(600, abs=10)
    bench.room.scene(mm=5)
    assert bench.device.range_mm() == 0
    bench.room.scene(mm=1900)
    assert bench.device.range_mm() is None


def test_range_beyond_the_data_sheet_is_nothing() -> None:
    """A range that the sensor calls complete but cannot have measured is not believed."""
    bench = started()
    bench.bus.changes = [(b"\x14", 10, (8190).to_bytes(2, "big"))]
    assert bench.device.range_mm() is None


def test_measurement_takes_its_budget() -> None:
    """One measurement takes 20 to 40 ms: the fine range got what the other steps leave of 33 ms."""
    bench = started()
    begun = bench.hours.now()
    bench.device.range_mm()
    assert 0.020 < bench.hours.now() - begun < 0.040


def test_unsteady_measurement_is_repeated() -> None:
    """What the sensor itself does not trust is measured again; where that does not help there is no range."""
    bench = started()
    bench.bus.changes = [(b"\x14", 0, bytes([8 << 3, 0]))]  # target centre check
    assert bench.device.range_mm() == pytest.approx(450, abs=10)
    bench.room.scene(fault="unsteady")
    begun = bench.hours.now()
    assert bench.device.range_mm() is None
    assert bench.hours.now() - begun > 0.060


def test_slow_bus_still_measures() -> None:
    """At a tenth of the clock everything takes longer, and the answer is the same."""
    assert started(fault="slow").device.range_mm() == pytest.approx(450, abs=10)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nack", "nothing answers at address 0x29"),
        ("stuck", "the bus is held"),
        ("memory", "its memory names no SPADs"),
        ("spads", "only 1 of 7 reference SPADs are good"),
        ("no-data", "the calibration of the laser's voltage does not end within 0.2 s"),
    ],
)
def test_fault_at_the_start(fault: str, says: str) -> None:
    """Each fault of bus, memory, pixels or laser stops the start with its own cause and something to do."""
    with pytest.raises(DeviceFault) as caught:
        started(fault=fault)
    assert says in caught.value.problem
    assert caught.value.device == "range sensor t"
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nack", "nothing answers"),
        ("stuck", "the bus is held"),
        ("laser", "its laser failed its own test"),
        ("no-data", "a measurement does not end"),
    ],
)
def test_fault_while_measuring(fault: str, says: str) -> None:
    """A fault that comes later is a DeviceFault too, within the time limits, and ends when the fault ends."""
    bench = started()
    bench.room.scene(fault=fault)
    begun = bench.hours.now()
    with pytest.raises(DeviceFault, match=says):
        bench.device.range_mm()
    assert bench.hours.now() - begun < 0.5
    bench.room.scene(fault=None)
    assert bench.device.range_mm() == pytest.approx(450, abs=10)


def test_other_model_is_refused() -> None:
    """Whatever else answers at the address is not started."""
    bench = place()
    bench.bus.changes = [(b"\xc0", 0, b"\xea")]
    with pytest.raises(DeviceFault, match="model id is 0xea"):
        bench.device.start()


def test_error_instead_of_a_range_is_a_fault() -> None:
    """The error bits of the interrupt status are not mistaken for a finished measurement."""
    bench = started()
    bench.bus.changes = [(b"\x13", 0, b"\x1c")]
    with pytest.raises(DeviceFault, match="an error instead of a range"):
        bench.device.range_mm()


def test_short_disturbance_is_retried() -> None:
    """Two failed transactions in a row are survived: the third answers."""
    bench = started()
    bench.bus.failures = [OSError(errno.EREMOTEIO, "disturbed")] * 2
    assert bench.device.range_mm() == pytest.approx(450, abs=10)


@pytest.mark.parametrize(
    ("left_out", "says"),
    [
        (b"\xb0", None),  # the reference SPADs
        (b"\x01\x01", 3),  # the step of the voltage calibration
        (b"\x91", "a measurement does not end"),  # the stop variable
    ],
)
def test_twin_finds_out_a_start_that_leaves_something_out(left_out: bytes, says: object) -> None:
    """Without the SPADs there is no range, without calibration or stop variable a fault: the twin is no yes-man."""
    bench = place()
    carry_out = bench.bus.i2c_rdwr

    def forgetful(*messages: Any) -> None:
        written = bytes(messages[0])
        changed = left_out + bytes(len(written) - len(left_out)) if left_out == b"\x91" else None
        if len(messages) == 1 and written.startswith(left_out):
            if changed is None:
                return
            messages[0].buf[1] = b"\x00"
        carry_out(*messages)

    bench.bus.i2c_rdwr = forgetful  # type: ignore[method-assign]
    if says is None:
        bench.device.start()
        assert bench.device.range_mm() is None
    else:
        with pytest.raises(DeviceFault, match=f"device error {says}" if says == 3 else str(says)):
            bench.device.start()
            bench.device.range_mm()


@given(st.integers(1, 0xFFFF))
def test_timeouts_round_down_to_what_fits(periods: int) -> None:
    """Encoding loses less than one part in 128, never more time than was given."""
    kept = decode_timeout(encode_timeout(periods))
    assert periods * (1 - 1 / 128) <= kept <= periods


@pytest.mark.parametrize(("register", "periods"), [(0x0096, 151), (0x01FE, 509), (0x0000, 1), (0x03FF, 2041)])
def test_timeout_registers(register: int, periods: int) -> None:
    """Registers of ST's tuning mean mantissa times a power of two, plus one, and encode back."""
    assert decode_timeout(register) == periods
    assert decode_timeout(encode_timeout(periods)) == periods


def test_absent_bus_names_the_remedy() -> None:
    """A bus that the machine does not have becomes a DeviceFault that says how to switch I2C on."""
    with pytest.raises(DeviceFault, match=r"no /dev/i2c-250.*i2c_arm"):
        open_range_sensor(RangeConfig(bus="i2c:250"), None)


def test_twin_without_world_is_a_fault() -> None:
    """A configured twin without a world is reported, not guessed."""
    with pytest.raises(DeviceFault, match="needs a world"):
        open_range_sensor(RangeConfig(bus="twin:t"), None)
