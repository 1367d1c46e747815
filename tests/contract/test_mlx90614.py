"""The MLX90614: packet error codes, its EEPROM, and what it alone can say; test_thermometer.py has the contract."""

import errno
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbus2 import i2c_msg

from drivers import i2c, mlx90614
from drivers.mlx90614 import Mlx90614, celsius, open_thermometer, pec
from drivers.twins.mlx90614 import TwinBus, _crc8
from station.device_config import ThermometerConfig
from station.ports import DeviceFault
from tests.contract.sensor_bench import Room, on_hardware

ADDRESS = 0x5A


def room(**scene) -> Room:
    """A world with a person before the sensor."""
    return Room("thermometer.t", **({"object_c": 36.5, "ambient_c": 22.0, "fault": None} | scene))


class CountingBus(TwinBus):
    """A twin that counts transactions and lets the first ones fail."""

    failures: list[OSError] = []  # noqa: RUF012 - set per instance
    transactions = 0

    def i2c_rdwr(self, *i2c_msgs):
        """Fail as long as failures are left."""
        self.transactions += 1
        if self.failures:
            raise self.failures.pop(0)
        super().i2c_rdwr(*i2c_msgs)


def twin(where: Room, bus_class=TwinBus) -> tuple[Mlx90614, TwinBus]:
    """A driver on a twin, and the twin's bus."""
    bus = bus_class(where, "t", ADDRESS)
    return Mlx90614(bus, ADDRESS, "thermometer t"), bus


@pytest.fixture(params=["twin:t", pytest.param("i2c:1", marks=on_hardware("mlx90614"))])
def thermometer(request) -> Iterator[Mlx90614]:
    """The twin in a room with a person, or the real sensor with whatever stands before it."""
    device = open_thermometer(ThermometerConfig(bus=request.param), room())
    yield device
    device.close()


def test_id_and_config_are_readable(thermometer):
    """The factory's id is 64 bits; the configuration word is not blank."""
    assert len(bytes.fromhex(thermometer.sensor_id())) == 8
    assert thermometer.config() not in {0x0000, 0xFFFF}


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        ("b407b5d23a", 0x30),  # data sheet 8.4.4, read word of TOBJ1
        ("b42207c8", 0x48),  # data sheet 8.4.4, write word 0xC807 to 0x22
        ("002e0000", 0x6F),  # application note 390119061402, erasing 0x0E
        ("002e5a00", 0xE1),  # application note, writing 0x5A to 0x0E
    ],
)
def test_pec_worked_examples(packet, code):
    """Driver and twin compute the codes that Melexis prints in data sheet and application note."""
    assert pec(bytes.fromhex(packet)) == code
    assert _crc8(bytes.fromhex(packet)) == code


@given(st.binary(max_size=12))
def test_two_pecs_agree(data):
    """The driver's and the twin's independent CRC-8 agree on every message."""
    assert pec(data) == _crc8(data)


@given(st.binary(min_size=5, max_size=5), st.integers(0, 47))
def test_one_wrong_bit_is_noticed(data, bit):
    """Every single flipped bit of a five byte transaction and its code is detected."""
    wire = int.from_bytes(data + bytes([pec(data)]), "big") ^ 1 << bit
    spoilt = wire.to_bytes(6, "big")
    assert pec(spoilt[:5]) != spoilt[5]


def test_reads_as_one_combined_transaction():
    """Command and reply travel in one transaction with three bytes read, the code among them."""
    seen = []

    class Spy(TwinBus):
        def i2c_rdwr(self, *i2c_msgs):
            seen.append([(m.flags, m.len) for m in i2c_msgs])
            super().i2c_rdwr(*i2c_msgs)

    twin(room(), Spy)[0].read_word(0x07)
    assert seen == [[(0, 1), (1, 3)]]


def test_temperature_follows_the_scene():
    """What the world says is what is read, within a few standard deviations of the sensor's noise."""
    here = room(object_c=38.4, ambient_c=-12.0)
    device, _ = twin(here)
    thing, ambient, fill = device.sample()
    assert fill is None
    assert thing == pytest.approx(38.4, abs=0.3)
    assert ambient == pytest.approx(-12.0, abs=0.12)
    here.scene(object_c=36.0)
    assert device.sample()[0] == pytest.approx(36.0, abs=0.3)


def test_range_ends_are_the_data_sheets():
    """The first and last temperature words convert to the data sheet's -70.01 and 382.19 C."""
    assert celsius(0x27AD) == pytest.approx(-70.01, abs=0.001)
    assert celsius(0x7FFF) == pytest.approx(382.19, abs=0.001)


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        ({"fault": "nack"}, "nothing answers at address 0x5a"),
        ({"fault": "pec"}, "packet error code"),
        ({"fault": "stuck"}, "the bus is held"),
        ({"fault": "error-flag"}, "error flag"),
        ({"object_c": -200}, "outside -70.01..382.19"),
        ({"ambient_c": 130}, "outside -40.0..125.0"),
    ],
)
def test_fault_names_cause_and_remedy(scene, says):
    """Each fault of bus or sensor becomes a DeviceFault with its own cause and something to do."""
    with pytest.raises(DeviceFault) as caught:
        twin(room(**scene))[0].sample()
    assert says in caught.value.problem
    assert caught.value.device == "thermometer t"
    assert caught.value.remedy.endswith(".")


def test_recovers_when_the_fault_ends():
    """After a fault the same object reads again."""
    here = room(fault="pec")
    device, _ = twin(here)
    with pytest.raises(DeviceFault):
        device.sample()
    here.scene(fault=None)
    assert device.sample()[0] == pytest.approx(36.5, abs=0.3)


@pytest.mark.parametrize("code", [errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT])
def test_short_disturbance_is_retried(code):
    """Two failed transactions in a row are survived: the third answers."""
    device, bus = twin(room(), CountingBus)
    bus.failures = [OSError(code, "disturbed")] * 2
    assert device.sample()[0] == pytest.approx(36.5, abs=0.3)
    assert bus.transactions == 4


def test_retries_are_bounded():
    """A lasting disturbance is tried exactly the budgeted number of times, no more."""
    device, bus = twin(room(fault="nack"), CountingBus)
    with pytest.raises(DeviceFault, match="after 3 of 3 attempts"):
        device.read_word(0x07)
    assert bus.transactions == i2c.ATTEMPTS


def test_slow_failures_use_up_the_time_budget():
    """When one attempt takes longer than the budget (a held bus), no second one begins."""
    bus = CountingBus(room(fault="stuck"), "t", ADDRESS)
    ticks = iter([0.0, 1.1])
    device = Mlx90614(bus, ADDRESS, "thermometer t", clock=lambda: next(ticks))
    with pytest.raises(DeviceFault, match="after 1 of 3 attempts"):
        device.read_word(0x07)
    assert bus.transactions == 1


def test_other_errors_are_not_retried():
    """An error that waiting cannot cure (a closed bus) is reported at once, as a DeviceFault."""
    device, bus = twin(room(), CountingBus)
    bus.close()
    with pytest.raises(DeviceFault, match="bus error"):
        device.read_word(0x07)
    assert bus.transactions == 1


def test_emissivity_is_erased_then_written():
    """A new emissivity reads back, the linked calibration cell is untouched, the same value is not rewritten."""
    device, bus = twin(room())
    calibration = bus.cells[0x2F]
    assert device.write_emissivity(0.98) is True
    assert device.emissivity() == pytest.approx(0.98, abs=1 / 65535)
    assert bus.cells[0x2F] == calibration
    assert device.write_emissivity(0.98) is False


def test_emissivity_waits_for_the_cell():
    """A driver that does not give the cell its time is found out by the comparison."""
    bus = TwinBus(room(), "t", ADDRESS)
    hasty = Mlx90614(bus, ADDRESS, "thermometer t", sleep=lambda _seconds: None)
    with pytest.raises(DeviceFault, match="emissivity cell 0x24"):
        hasty.write_emissivity(0.5)


def test_twin_garbles_a_cell_that_was_not_erased():
    """Writing over old content mixes both, as in the real cell: erasing first is necessary."""
    device, bus = twin(room())
    bus.cells[0x24] = 0x0F0F
    device._write_word(0x24, 0xF000)
    device._link.sleep(mlx90614.EEPROM_WRITE_S)
    assert device.read_word(0x24) == 0xFF0F


@pytest.mark.parametrize("value", [0.05, 1.01, -1.0, float("nan")])
def test_emissivity_out_of_range_is_refused(value):
    """Values that no surface has are refused before the EEPROM is touched."""
    device, bus = twin(room(), CountingBus)
    with pytest.raises(ValueError, match="outside"):
        device.write_emissivity(value)
    assert bus.transactions == 0


def test_twin_refuses_a_write_with_a_wrong_code():
    """The sensor does not acknowledge a packet whose code is wrong, and keeps its cell."""
    _, bus = twin(room())
    with pytest.raises(OSError) as caught:
        bus.i2c_rdwr(i2c_msg.write(ADDRESS, [0x24, 0, 0, 0]))
    assert caught.value.errno == errno.EREMOTEIO
    assert bus.cells[0x24] == 0xFFFF


def test_twin_noise_is_repeatable_and_small():
    """Two sensors of one seed read the same; the values scatter, by less than half a degree."""
    first, second = ([device.sample() for _ in range(50)] for device in (twin(room())[0], twin(room())[0]))
    assert first == second
    objects = [sample.object_c for sample in first]
    assert 0 < max(objects) - min(objects) < 0.5
