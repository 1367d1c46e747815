"""Looks at everything the station needs, one thing after the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drivers.loudspeaker import try_loudspeaker
from drivers.twins.world import World
from station.config import Config
from station.doctor import device_probes, machine_probes
from station.doctor.findings import Finding, find
from station.held import held_at_start
from station.journal import FILE
from station.papers import paper_ailments
from station.ports import DeviceFault


def examine(config: Config) -> Iterator[Finding]:
    """Look at one thing after the other; the devices must not be in use (stop the service first)."""
    world: World | None = None
    if config.hardware.world:
        try:
            world = World.connect(config.hardware.world)
        except DeviceFault as fault:
            yield Finding("world", good=False, found=fault.problem, remedy=fault.remedy)
    for lane in config.lane:
        yield find(f"camera {lane.id}", partial(device_probes.camera, lane, world))
        if lane.thermometer:
            yield find(f"thermometer {lane.id}", partial(device_probes.thermometer, lane, world))
            yield find(f"calibration {lane.id}", partial(device_probes.calibration, lane, config))
        if lane.range:
            yield find(f"range {lane.id}", partial(device_probes.distance, lane, world))
        if lane.door is not None:
            yield find(f"relay pull {lane.id}", partial(device_probes.relay_pull, lane.door))
    yield find("pins", partial(device_probes.pins, config))
    yield find("pin release", device_probes.pin_release)
    yield find("decoder", partial(device_probes.decoder, config))
    if config.voice.enabled:
        yield find("loudspeaker", partial(try_loudspeaker, config.voice))
    yield find("program", machine_probes.program)
    yield find("disk", partial(machine_probes.disk, config.paths.state))
    yield find("journal", partial(machine_probes.journal, config.paths.state / FILE))
    yield find("roots", partial(machine_probes.roots, config))
    yield from papers(config)
    yield find("guards", partial(machine_probes.guard_list, config.paths.guards))
    yield from machine_probes.other_half()
    if world:
        world.close()


def papers(config: Config) -> Iterator[Finding]:
    """Judge clock and documents as the station does, as they are when it starts the next time."""
    held, now = held_at_start(config)
    ailments = paper_ailments(held, now)
    clock = ailments.pop("clock")
    yield find("clock", partial(machine_probes.clock, clock, now))
    yield find("documents", partial(machine_probes.documents, [one for one in ailments.values() if one], held))
