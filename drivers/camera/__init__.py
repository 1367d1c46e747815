"""The cameras of a lane, by the configured source: v4l2:PATH, csi:N, file:VIDEO, dir:FOLDER or scene:NAME.

Every camera hands out gray pictures (uint8, shape (height, width)) stamped with time.monotonic_ns() when taken.
"""

from __future__ import annotations

from typing import Any

import cv2

from drivers.camera.csi import CsiCamera
from drivers.camera.recorded import FolderCamera, VideoCamera
from drivers.camera.v4l2 import V4l2Camera
from drivers.twins.scene_camera import SceneCamera
from drivers.twins.world import World
from station.device_config import CameraConfig
from station.ports import Camera, DeviceFault

__all__ = ["open_camera"]


def _quiet() -> None:
    """OpenCV would repeat its warnings with every attempt; a DeviceFault is told once. 4.11 and 4.14 name it apart."""
    opencv: Any = cv2  # its type stubs know only the newest name
    silence = getattr(opencv, "setLogLevel", None) or opencv.utils.logging.setLogLevel
    silence(0)


def open_camera(config: CameraConfig, world: World | None) -> Camera:
    """Return the camera of the configured source; its own `open` starts the device.

    `world`: the twins' world, for scene:NAME only. Raises DeviceFault for a source that cannot exist.
    """
    _quiet()
    kind, _, where = config.source.partition(":")
    match kind:
        case "v4l2":
            return V4l2Camera(where, config)
        case "csi":
            return CsiCamera(where, config)
        case "file":
            return VideoCamera(where, config)
        case "dir":
            return FolderCamera(where, config)
        case "scene" if world is not None:
            return SceneCamera(where, config, world)
        case "scene":
            problem = "this camera is a twin, and no world for it was given"
            remedy = "Set hardware.world to the socket of the twins' world, or name a real camera"
        case _:
            problem = "the source is of no known kind"
            remedy = "Use v4l2:/dev/video0, csi:0, file:VIDEO, dir:FOLDER or scene:NAME"
    raise DeviceFault(f"camera {config.source}", problem, remedy)
