"""Starts the camera worker of each lane, and another one where it died: a camera may die without the gate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from drivers.camera import open_camera
from drivers.decoder import make_decoder
from drivers.light import open_light
from drivers.reader import ReaderWorker
from drivers.twins.world import World
from station.config import LaneConfig
from station.mailbox import Mailbox
from station.ports import DeviceFault, Sighting
from station.screening import DeviceReport

log = logging.getLogger(__name__)


class CameraWatch:
    """The camera workers of a station; what they see and what ails them goes into the mailbox."""

    def __init__(
        self,
        lanes: Sequence[LaneConfig],
        mailbox: Mailbox,
        is_pass: Callable[[str], bool],
        pins: Any,
        world: World | None,
    ) -> None:
        """`is_pass` says whether a text is signed, from the workers' threads; `pins`: for the aiming lights."""
        self._lanes, self._mailbox, self._is_pass = lanes, mailbox, is_pass
        self._pins, self._world = pins, world
        self._readers: dict[str, ReaderWorker] = {}

    def mind(self) -> None:
        """Start the workers that do not run."""
        for lane in self._lanes:
            reader = self._readers.get(lane.id)
            if reader is not None and not reader.alive:
                log.error("the camera worker of lane %s died; starting another", lane.id)
                reader.stop()
                del self._readers[lane.id]
            if lane.id not in self._readers:
                self._start(lane)

    def stop(self) -> None:
        """End them all."""
        for reader in self._readers.values():
            reader.stop()

    def _start(self, lane: LaneConfig) -> None:
        """Start camera and decoder of a lane; a fault is shown, and minding tries again."""
        part = f"camera {lane.id}"

        def put(sighting: Sighting) -> None:
            """Keep the latest alone: nobody is served by what was held up before."""
            self._mailbox.put_latest(lane.id, sighting)

        def report(fault: DeviceFault | None) -> None:
            """Tell how the camera is."""
            self._mailbox.put(DeviceReport(part, fault))

        try:
            camera = open_camera(lane.camera, self._world)
            decoder = make_decoder(lane.camera.decoder, self._is_pass)
            light = open_light(lane.camera, self._pins, lane.id)
            reader = ReaderWorker(lane.id, camera, decoder, lane.camera, put, report, light)
        except DeviceFault as fault:
            report(fault)
            return
        report(None)  # what an earlier worker reported is over; this one speaks for itself
        reader.start()
        self._readers[lane.id] = reader
