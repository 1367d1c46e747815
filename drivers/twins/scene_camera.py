"""The camera twin: shows the scene "camera.NAME" of the twins' world, at the configured pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from drivers.twins.pacing import Pacer
from drivers.twins.scene import EMPTY, Scene, SceneError, render
from drivers.twins.world import World
from station.device_config import CameraConfig
from station.ports import DeviceFault, Frame


class SceneCamera:
    """A camera before which the world places scenes. Logs the first frame of each newly set scene to the world."""

    def __init__(self, name: str, config: CameraConfig, world: World) -> None:
        """`name`: the NAME of scene:NAME; the scene is followed from `open` to `close`."""
        self._name, self._config, self._world = name, config, world
        self._key = f"camera.{name}"
        self._forget: Callable[[], None] | None = None
        self._placed = deque[Any](maxlen=1)
        """What was placed since the last frame: a queue, because two equal scenes in a row are still two placings."""
        self._scene = EMPTY
        self._number = 0
        self._pacer = Pacer(config.fps)

    def open(self) -> None:
        """Begin to follow the world."""
        self.close()
        self._forget = self._world.on_change(self._hear)
        if not self._placed:
            self._placed.append(self._world.get(self._key))
        self._scene = EMPTY
        self._pacer = Pacer(self._config.fps)

    def _hear(self, key: str, value: Any) -> None:
        if key == self._key:
            self._placed.append(value)

    def read(self) -> Frame:
        """Render the next frame. Raises DeviceFault where the world holds no proper scene, naming what is wrong."""
        self._pacer.wait()
        fresh = [self._placed.pop()] if self._placed else []
        if fresh:
            self._scene, self._number = self._parse(fresh[0]), 0
        gray = render(self._scene, self._number)
        self._number += 1
        if gray.shape != (self._config.height, self._config.width):
            size = (self._config.width, self._config.height)
            gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
        frame = Frame(gray, time.monotonic_ns())
        if fresh and fresh[0] is not None:
            self._world.log(what="frame", camera=self._name, scene=self._scene.id, t=frame.captured_ns)
        return frame

    def _parse(self, description: object) -> Scene:
        try:
            return Scene.parse(description)
        except SceneError as error:
            device = f"camera scene:{self._name}"
            raise DeviceFault(
                device, str(error), f'Set "{self._key}" of the world to a proper scene or null'
            ) from error

    def close(self) -> None:
        """Stop following the world. May be called twice."""
        if self._forget is not None:
            self._forget()
            self._forget = None
