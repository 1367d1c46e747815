"""gate-station doctor: looks at everything the station needs and says what to do for each failure."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from drivers.camera import open_camera
from drivers.decoder import make_decoder
from drivers.loudspeaker import try_loudspeaker
from drivers.outputs import needed_pull
from drivers.pins import factory
from drivers.thermometer import open_thermometer
from drivers.twins.world import World
from drivers.vl53l0x import open_range_sensor
from station import guards
from station.clock import kernel_synced
from station.config import Config, LaneConfig
from station.core.baseline import Baseline, decode
from station.core.model import Text
from station.device_config import DoorConfig
from station.drift import ailment_of, calibration_of, figures
from station.journal import FILE
from station.lane_record import baseline_key
from station.ports import DeviceFault
from station.wording import text

EXAMPLE_ROOT = "gate-station example root"
"""The roots of systemd/station.toml are SHA-256 of this text and a number: keys that nobody has."""
SPARE_BYTES = 500 * 1024 * 1024
BOOT_CONFIG = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))
MODEL = Path("/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` is empty where all is well."""

    part: str
    good: bool
    found: str
    remedy: str = ""


Probe = Callable[[], str]


class Ailing(Exception):  # noqa: N818 - a finding, not an error
    """A probe found something wrong."""

    def __init__(self, found: str, remedy: str) -> None:
        """`found`: what is wrong; `remedy`: what to do."""
        super().__init__(found)
        self.found, self.remedy = found, remedy


def examine(config: Config) -> Iterator[Finding]:
    """Look at one thing after the other; the devices must not be in use (stop the service first)."""
    world: World | None = None
    if config.hardware.world:
        try:
            world = World.connect(config.hardware.world)
        except DeviceFault as fault:
            yield Finding("world", good=False, found=fault.problem, remedy=fault.remedy)
    for lane in config.lane:
        yield _finding(f"camera {lane.id}", lambda lane=lane: _camera(lane, world))  # type: ignore[misc]
        if lane.thermometer:
            yield _finding(f"thermometer {lane.id}", lambda lane=lane: _thermometer(lane, world))  # type: ignore[misc]
            yield _finding(f"calibration {lane.id}", lambda lane=lane: _calibration(lane, config))  # type: ignore[misc]
        if lane.range:
            yield _finding(f"range {lane.id}", lambda lane=lane: _range(lane, world))  # type: ignore[misc]
        if lane.door is not None:
            yield _finding(f"relay pull {lane.id}", lambda door=lane.door: _pull(door))  # type: ignore[misc]
    yield _finding("pins", lambda: _pins(config))
    yield _finding("pin release", _strict_gpiod)
    yield _finding("decoder", lambda: _decoder(config))
    if config.voice.enabled:
        yield _finding("loudspeaker", lambda: try_loudspeaker(config.voice))
    yield _finding("clock", _clock)
    yield _finding("disk", lambda: _disk(config.paths.state))
    yield _finding("journal", lambda: _journal(config.paths.state / FILE))
    yield _finding("roots", lambda: _roots(config))
    yield _finding("documents", lambda: _documents(config))
    yield _finding("guards", lambda: _guards(config.paths.guards))
    yield from _sync()
    if world:
        world.close()


def _finding(part: str, probe: Probe) -> Finding:
    try:
        return Finding(part, good=True, found=probe())
    except Ailing as ailing:
        return Finding(part, good=False, found=ailing.found, remedy=ailing.remedy)
    except DeviceFault as fault:
        return Finding(part, good=False, found=fault.problem, remedy=fault.remedy)


# --- devices ---------------------------------------------------------------------------------------------------------


def _camera(lane: LaneConfig, world: World | None) -> str:
    camera = open_camera(lane.camera, world)
    try:
        camera.open()
        gray = camera.read().gray
    finally:
        camera.close()
    return f"{lane.camera.source}: picture {gray.shape[1]} x {gray.shape[0]}, mean brightness {gray.mean():.0f} of 255"


def _thermometer(lane: LaneConfig, world: World | None) -> str:
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


def _calibration(lane: LaneConfig, config: Config) -> str:
    assert lane.thermometer is not None  # noqa: S101 - the caller has looked
    calibration, usual = calibration_of(lane.thermometer), _usual(config.paths.state / FILE, lane.id)
    today = dt.datetime.now(tz=dt.UTC).date()
    found = _both(figures(calibration, usual, today))
    if ailment := ailment_of(calibration, usual, today):
        raise Ailing(f"{_both(text(ailment.key))}: {found}", _both(text(ailment.key, "next")))
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


def _both(words: Text) -> str:
    return f"{words['zh']} / {words['en']}"


def _pins(config: Config) -> str:
    factory(config.hardware).close()
    return f"{config.hardware.pins} can be opened"


def _boot_settings() -> list[str] | None:
    for path in BOOT_CONFIG:
        if path.exists():
            return [line.split("#")[0].strip() for line in path.read_text(errors="replace").splitlines()]
    return None


def _range(lane: LaneConfig, world: World | None) -> str:
    assert lane.range is not None  # noqa: S101 - the caller has looked
    device = open_range_sensor(lane.range, world)
    try:
        distance = device.range_mm()
        found = f"vl53l0x {device.sensor_id()}"
    finally:
        device.close()
    return f"{found}, nothing within its range" if distance is None else f"{found}, {distance} mm"


def _strict_gpiod() -> str:
    settings = _boot_settings()
    if settings is None or not MODEL.exists():
        return "no Raspberry Pi: nothing to set"
    if any("strict_gpiod" in line for line in settings):
        return "strict_gpiod is set: a released pin falls back to its pull"
    raise Ailing(
        "this kernel keeps the last level of a released pin: after a crash the relay could stay energised",
        "Add the line  dtparam=strict_gpiod  to /boot/firmware/config.txt and restart the machine.",
    )


def _pull(door: DoorConfig) -> str:
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


def _decoder(config: Config) -> str:
    names = {lane.camera.decoder for lane in config.lane}
    for name in names:
        make_decoder(name)
    return ", ".join(sorted(names))


# --- machine ---------------------------------------------------------------------------------------------------------


def _clock() -> str:
    if kernel_synced():
        return "synchronised"
    raise Ailing(
        "the kernel says the clock is not synchronised",
        "Run: timedatectl set-ntp true; without a network fit a real-time clock (dtoverlay=i2c-rtc,ds3231).",
    )


def _disk(folder: Path) -> str:
    here = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(here).free
    if free < SPARE_BYTES:
        raise Ailing(f"{here}: {free >> 20} MiB free", f"Free at least {SPARE_BYTES >> 20} MiB or use a larger card.")
    if not os.access(here, os.W_OK):
        raise Ailing(f"{here} cannot be written by this user", "Run: sudo gate-station doctor")
    return f"{here}: {free >> 20} MiB free"


def _journal(path: Path) -> str:
    if not path.exists():
        return f"{path} will be made at the first start"
    try:
        db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        result = db.execute("PRAGMA quick_check(1)").get
        count = db.execute("SELECT count(*) FROM event").get
        db.close()
    except apsw.Error as error:
        raise Ailing(
            f"{path}: {error}", "At its next start the station sets the file aside; keep it for central."
        ) from error
    if result != "ok":
        raise Ailing(f"{path}: {result}", "At its next start the station sets the file aside; keep it for central.")
    quarantined = list(path.parent.glob(f"{path.name}.quarantine-*"))
    aside = f"; {len(quarantined)} damaged file(s) set aside" if quarantined else ""
    return f"{count} events, sound{aside}"


def _documents(config: Config) -> str:
    folder = config.paths.documents
    missing = [name for name in ("trust.cose", "policy.cose", "status.cose") if not (folder / name).exists()]
    if missing and not (config.paths.state / FILE).exists():
        raise Ailing(
            f"{folder}: {', '.join(missing)} missing", "Copy them from the office; until then the guard decides."
        )
    return f"{folder}: {3 - len(missing)} of 3 provisioned"


def _roots(config: Config) -> str:
    examples = {hashlib.sha256(f"{EXAMPLE_ROOT} {number}".encode()).hexdigest() for number in (1, 2, 3)}
    if examples & set(config.trust.roots):
        raise Ailing("the roots are those of the example", "Put the office's three roots into [trust] roots.")
    return "three roots"


def _guards(path: Path) -> str:
    try:
        names = guards.load(path)
        mode = stat.filemode(path.stat().st_mode)
    except (guards.GuardsError, OSError) as error:
        raise Ailing(str(error), "Run: gate-station guard add NAME") from error
    if not names:
        raise Ailing(f"{path}: nobody can sign in", "Run: gate-station guard add NAME")
    return f"{len(names)} can sign in ({mode})"


def _sync() -> Iterator[Finding]:
    """Ask the other half, which alone knows broker and certificates."""
    try:
        command = [str(Path(sys.executable).with_name("gate-sync")), "doctor", "--json"]
        answer = subprocess.run(command, capture_output=True, timeout=30, check=False)
        rows = json.loads(answer.stdout)["checks"]
        yield from (Finding(row["name"], row["ok"], row["found"], row["todo"]) for row in rows)
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        yield Finding("sync", good=False, found=f"gate-sync gives no answer ({error})", remedy="Run: gate-sync doctor")
