"""The thermometer contract: one suite over every family, against the twins and, on request, sensors on /dev/i2c-1."""

from __future__ import annotations

import math
import queue
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from drivers.mlx90614 import Mlx90614
from drivers.mlx90640.device import Mlx90640
from drivers.thermometer import open_thermometer
from station.config import ConfigError, parse
from station.core.model import Band
from station.device_config import FIELD_OF_VIEW, ThermometerConfig
from station.ports import DeviceFault, ThermalSample
from station.screening import Screened, ScreeningWorker
from tests.contract.sensor_bench import Room, on_hardware

MODELS = ("mlx90614", "mlx90640")


@dataclass(frozen=True)
class Bench:
    """An open thermometer; `room` is what its twin stands in."""

    config: ThermometerConfig
    room: Room
    device: Mlx90614 | Mlx90640


def _open(config: ThermometerConfig) -> Bench:
    room = Room("thermometer.t", object_c=36.5, ambient_c=22.0, fault=None)
    return Bench(config, room, open_thermometer(config, room))


@pytest.fixture(params=MODELS)
def twin(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Each family's twin before a person."""
    bench = _open(ThermometerConfig(bus="twin:t", model=request.param))
    yield bench
    bench.device.close()


@pytest.fixture(
    params=[
        *[pytest.param((model, "twin:t"), id=f"{model}-twin") for model in MODELS],
        *[pytest.param((model, "i2c:1"), id=f"{model}-i2c", marks=on_hardware(model)) for model in MODELS],
    ]
)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Each family's twin, and each real sensor with whatever stands before it."""
    model, bus = request.param
    made = _open(ThermometerConfig(bus=bus, model=model))
    yield made
    made.device.close()


def test_sample_is_plausible(bench: Bench) -> None:
    """Object and ambient temperature come in degrees Celsius, within what a room and a person can have."""
    sample = bench.device.sample()
    assert isinstance(sample, ThermalSample)
    assert -20 < sample.object_c < 100
    assert -10 < sample.ambient_c < 60


def test_fill_is_a_share_or_unknown(bench: Bench) -> None:
    """A single pixel cannot tell what fills its view; an array tells a share of it, or that nothing stands out."""
    fill = bench.device.sample().fill
    assert fill is None or (bench.config.model == "mlx90640" and 0 < fill <= 1)


def test_samples_agree(bench: Bench) -> None:
    """Samples in a row are finite, and the sensor's own temperature does not jump."""
    samples = [bench.device.sample() for _ in range(3)]
    assert all(math.isfinite(value) for sample in samples for value in sample[:2])
    assert max(sample.ambient_c for sample in samples) - min(sample.ambient_c for sample in samples) < 1.0


def test_emissivity_is_readable(bench: Bench) -> None:
    """Every thermometer can say with which emissivity its temperatures are computed."""
    assert 0.1 <= bench.device.emissivity() <= 1.0


def test_id_is_readable(bench: Bench) -> None:
    """The factory's id is hexadecimal and does not change between two readings."""
    first = bench.device.sensor_id()
    assert len(first) == {"mlx90614": 16, "mlx90640": 12}[bench.config.model]
    assert int(first, 16) > 0
    assert bench.device.sensor_id() == first


def test_close_twice(bench: Bench) -> None:
    """Closing a closed thermometer is harmless."""
    bench.device.close()
    bench.device.close()


def test_closed_is_a_fault(twin: Bench) -> None:
    """A closed thermometer says so instead of measuring."""
    twin.device.close()
    with pytest.raises(DeviceFault, match="bus error"):
        twin.device.sample()


def test_temperature_follows_the_scene(twin: Bench) -> None:
    """What the world says is what is read, within a few standard deviations of the sensor's noise."""
    for face, ambient in ((38.4, 12.0), (35.0, 30.0)):
        twin.room.scene(object_c=face, ambient_c=ambient)
        # Two halves may have begun before.
        _, _, sample = (twin.device.sample() for _ in range(3))
        assert sample.object_c == pytest.approx(face, abs=0.3)
        assert sample.ambient_c == pytest.approx(ambient, abs=0.12)


@pytest.mark.parametrize(("fault", "says"), [("nack", "nothing answers"), ("stuck", "the bus is held")])
def test_fault_names_cause_and_remedy(twin: Bench, fault: str, says: str) -> None:
    """A silent sensor and a held bus become DeviceFaults with their own cause and something to do."""
    twin.room.scene(fault=fault)
    with pytest.raises(DeviceFault) as caught:
        twin.device.sample()
    assert says in caught.value.problem
    assert caught.value.device == "thermometer twin:t"
    assert caught.value.remedy.endswith(".")


def test_recovers_when_the_fault_ends(twin: Bench) -> None:
    """After a fault the same object reads again."""
    twin.room.scene(fault="nack")
    with pytest.raises(DeviceFault):
        twin.device.sample()
    twin.room.scene(fault=None)
    assert twin.device.sample().object_c == pytest.approx(36.5, abs=0.3)


def test_screening_takes_it(twin: Bench) -> None:
    """The station's screening worker gets a band out of either family within the time it gives the sensor."""
    self_heating = twin.config.seen.self_heating_c
    twin.room.scene(ambient_c=23.0 + self_heating, room_c=23.0)  # a room in which nothing is added to skin
    answers: queue.Queue[object] = queue.Queue()
    worker = ScreeningWorker("t", twin.config, lambda: open_thermometer(twin.config, twin.room), answers.put)
    worker.start()
    worker.request(7)
    given: list[object] = []
    while not any(isinstance(answer, Screened) for answer in given):
        given.append(answers.get(timeout=10))
    worker.stop()
    screened = next(answer for answer in given if isinstance(answer, Screened))
    assert (screened.token, screened.reading.band) == (7, Band.NORMAL)
    assert screened.reading.skin_c == pytest.approx(36.5, abs=0.3)


@pytest.mark.parametrize("model", MODELS)
def test_absent_bus_names_the_remedy(model: str) -> None:
    """A bus that the machine does not have becomes a DeviceFault that says how to switch I2C on."""
    with pytest.raises(DeviceFault, match=r"no /dev/i2c-250.*i2c_arm"):
        open_thermometer(ThermometerConfig(bus="i2c:250", model=model), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
def test_twin_without_world_is_a_fault(model: str) -> None:
    """A configured twin without a world is reported, not guessed."""
    with pytest.raises(DeviceFault, match="needs a world"):
        open_thermometer(ThermometerConfig(bus="twin:t", model=model), None)  # type: ignore[arg-type]


# --- the configuration ---------------------------------------------------------------------------------------------

ROOTS = ", ".join(f'"{digit * 64}"' for digit in "123")
LANE = f"""
trust = {{ roots = [{ROOTS}] }}
station = {{ id = "s", gate = "g", zone = "320611001001" }}
[[lane]]
id = "in"
direction = "in"
camera = {{ source = "v4l2:/dev/video0" }}
door = {{ relay = {{ pin = 17 }} }}
"""


def test_configured_families() -> None:
    """The model decides address and view unless they are given; a range sensor may stand beside it."""
    text = LANE + 'thermometer = { bus = "i2c:1", model = "mlx90640" }\nrange = { bus = "i2c:1" }'
    (lane,) = parse(text).lane
    assert lane.thermometer is not None
    assert lane.range is not None
    assert (lane.thermometer.bus_address, lane.range.address) == (0x33, 0x29)
    assert lane.thermometer.field_of_view == (110, 75)
    given = ThermometerConfig(bus="i2c:1", optics="xDCI", address=0x5B)
    assert (given.bus_address, given.field_of_view) == (0x5B, (5, 5))
    assert ThermometerConfig(bus="i2c:1").bus_address == 0x5A


@pytest.mark.parametrize(("model", "optics"), [("mlx90614", "array55"), ("mlx90640", "xCC")])
def test_optics_of_the_other_family_are_refused(model: str, optics: str) -> None:
    """A lens that the model is not made with is an error that names the key and the choices."""
    text = LANE + f'thermometer = {{ bus = "i2c:1", model = "{model}", optics = "{optics}" }}'
    with pytest.raises(ConfigError, match=rf"{optics} are not those of an {model}; choose from .*lane\[.*thermometer"):
        parse(text)


def test_narrower_letters_see_less() -> None:
    """The table has a view for every choice; without a choice the widest of the model is assumed."""
    assert FIELD_OF_VIEW["xAA"] > FIELD_OF_VIEW["xBA"] > FIELD_OF_VIEW["xCC"] > FIELD_OF_VIEW["xCH"]
    for model in MODELS:
        assumed = ThermometerConfig(bus="i2c:1", model=model).field_of_view  # type: ignore[arg-type]
        family = [view for name, view in FIELD_OF_VIEW.items() if name.startswith("array") == (model == "mlx90640")]
        assert assumed == max(family)
