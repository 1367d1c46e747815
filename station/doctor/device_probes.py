"""Looks at the devices: each probe says what it found, or raises Ailing or DeviceFault with what to do."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import apsw

from drivers.camera import open_camera
from drivers.decoder import make_decoder
from drivers.outputs import needed_pull
from drivers.pins import factory
from drivers.thermometer import open_thermometer
from drivers.twins.world import World
from drivers.vl53l0x import open_range_sensor
from station.config import Config, LaneConfig
from station.core.baseline import Baseline, decode
from station.device_config import DoorConfig
from station.doctor.findings import Ailing, both
from station.drift import ailment_of, calibration_of, figures
from station.journal import FILE
from station.lane_record import baseline_key
from station.wording import text

BOOT_CONFIG = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))
MODEL = Path("/proc/device-tree/model")


def camera(lane: LaneConfig, world: World | None) -> str:
    """Take one picture."""
    device = open_camera(lane.camera, world)
    try:
        device.open()
        gray = device.read().gray
    finally:
        device.close()
    return f"{lane.camera.source}: picture {gray.shape[1]} x {gray.shape[0]}, mean brightness {gray.mean():.0f} of 255"


def thermometer(lane: LaneConfig, world: World | None) -> str:
    """Take one reading; the emissivity in the sensor must be the configured one."""
    assert lane.thermometer is not None  # noqa: S101 - the caller has looked
    device = open_thermometer(lane.thermometer, world)
    try:
        target, ambient, fill = device.sample()
        found = f"{lane.thermometer.model} {device.sensor_id()}, object {target:.1f} C, ambient {ambient:.1f} C"
        found += "" if fill is None else f", {fill:.0%} of the view"
        emissivity = device.emissivity()
    finally:
        device.close()
    if abs(emissivity - lane.thermometer.emissivity) > 0.005:  # noqa: PLR2004 - half of the last digit people write
        raise Ailing(
            f"{found}; emissivity is {emissivity:.3f}, the configuration says {lane.thermometer.emissivity}",
            f"Run: gate-station emissivity {lane.id}  (then switch the sensor off and on)",
        )
    return found


def calibration(lane: LaneConfig, config: Config) -> str:
    """Compare the dated calibration with today and with the lane's usual readings."""
    assert lane.thermometer is not None  # noqa: S101 - the caller has looked
    dated, usual = calibration_of(lane.thermometer), _usual(config.paths.state / FILE, lane.id)
    today = dt.datetime.now(tz=dt.UTC).date()
    found = both(figures(dated, usual, today))
    if ailment := ailment_of(dated, usual, today):
        raise Ailing(f"{both(text(ailment.key))}: {found}", both(text(ailment.key, "next")))
    return found


def _usual(path: Path, lane: str) -> Baseline:
    """Return what the journal knows of a lane's usual readings; nothing where it cannot be read (see `_journal`)."""
    try:
        db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        stored = db.execute("SELECT value FROM state WHERE key = ?", (baseline_key(lane),)).get
        db.close()
    except apsw.Error:
        return Baseline()
    return decode(stored)


def pins(config: Config) -> str:
    """Open the pins and let them go."""
    factory(config.hardware).close()
    return f"{config.hardware.pins} can be opened"


def _boot_settings() -> list[str] | None:
    for path in BOOT_CONFIG:
        if path.exists():
            return [line.split("#")[0].strip() for line in path.read_text(errors="replace").splitlines()]
    return None


def distance(lane: LaneConfig, world: World | None) -> str:
    """Measure one distance."""
    assert lane.range is not None  # noqa: S101 - the caller has looked
    device = open_range_sensor(lane.range, world)
    try:
        distance = device.range_mm()
        found = f"vl53l0x {device.sensor_id()}"
    finally:
        device.close()
    return f"{found}, nothing within its range" if distance is None else f"{found}, {distance} mm"


def pin_release() -> str:
    """Look whether the kernel lets a pin fall back to its pull when its process dies."""
    settings = _boot_settings()
    if settings is None or not MODEL.exists():
        return "no Raspberry Pi: nothing to set"
    if any("strict_gpiod" in line for line in settings):
        return "strict_gpiod is set: a released pin falls back to its pull"
    raise Ailing(
        "this kernel keeps the last level of a released pin: after a crash the relay could stay energised",
        "Add the line  dtparam=strict_gpiod  to /boot/firmware/config.txt and restart the machine.",
    )


def relay_pull(door: DoorConfig) -> str:
    """Look whether the relay's pin rests at the level that leaves the relay off while the machine starts."""
    relay, pull = door.relay, needed_pull(door.relay)
    settings, wanted = _boot_settings(), f"gpio={relay.pin}=p{pull[0]}"
    found = f"active-{relay.active} relay on pin {relay.pin} needs pull-{pull}"
    if settings is None or not MODEL.exists():
        return f"{found} (no Raspberry Pi: nothing to look at)"
    if any(
        line.startswith(f"gpio={relay.pin}=") and f"p{pull[0]}" in line.split("=")[2].split(",") for line in settings
    ):
        return f"{found}; set at boot"
    # BCM2835 datasheet table 6-31: pins 0 to 8 are pulled up at reset, 9 to 27 down.
    if pull == ("up" if relay.pin <= 8 else "down"):  # noqa: PLR2004
        return f"{found}; the chip's own at reset"
    raise Ailing(
        f"{found}, but the chip's own at reset is the other: the relay would click while the machine starts",
        f"Add the line  {wanted}  to /boot/firmware/config.txt, fit a 10 kOhm resistor, or use another pin.",
    )


def decoder(config: Config) -> str:
    """Make each decoder that a lane names."""
    names = {lane.camera.decoder for lane in config.lane}
    for name in names:
        make_decoder(name)
    return ", ".join(sorted(names))
