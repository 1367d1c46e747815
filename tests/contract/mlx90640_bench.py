"""A driver on the MLX90640's twin: in one room, in one time that passes only by waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.mlx90640.device import Mlx90640
from drivers.twins import heat
from drivers.twins.mlx90640 import TwinBus
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
