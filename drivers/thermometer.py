"""Opens the thermometer of a lane, of whichever family the configuration names."""

from __future__ import annotations

from drivers import mlx90614
from drivers.mlx90614 import Mlx90614
from drivers.mlx90640 import device as mlx90640
from drivers.mlx90640.device import Mlx90640
from drivers.twins.wires import WorldState
from station.device_config import ThermometerConfig


def open_thermometer(config: ThermometerConfig, world: WorldState | None) -> Mlx90614 | Mlx90640:
    """Return the configured thermometer, ready to sample: the device itself, or its twin in `world`.

    Beyond station.ports.Thermometer each has `sensor_id` and `emissivity`. Raises DeviceFault.
    """
    match config.model:
        case "mlx90614":
            return mlx90614.open_thermometer(config, world)
        case "mlx90640":
            return mlx90640.open_thermometer(config, world)
