"""gate-station camera tune: what the camera of a lane delivers, and what to do for better pictures.

The lane's own reader runs, as in the station, so that figures and exposure are those of the gate at work.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import msgspec

from drivers.camera import open_camera
from drivers.camera.quality import Quality, assess
from drivers.decoder import make_decoder
from drivers.decoder.zxing import scan
from drivers.light import open_light
from drivers.pins import factory
from drivers.reader import OPENING_S, ReaderWorker
from drivers.twins.world import World
from station.advice import Measured, advise
from station.config import Config, ConfigError, LaneConfig
from station.core.documents import open_trust
from station.core.model import Rejected, Text
from station.core.scan import is_signed
from station.ports import DeviceFault

REFRESH_S = 0.2
WARM_UP_S = 1.0
"""Before the first sample: the camera's automatic settles, and the pace becomes known."""

_CLEAR = "\x1b[H\x1b[J"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Sizes in pixels, costs in milliseconds, `exposure_us` and `gain` 0 where the camera does not tell."""

    lane: str
    width: int
    height: int
    fps: float
    acquire_ms: float
    decode_ms: float
    codes: int
    exposure_us: float
    gain: float
    quality: Quality
    advice: tuple[Text, ...]


class _Trouble:
    """The reader's present fault, for the thread that shows samples."""

    def __init__(self) -> None:
        self.fault: DeviceFault | None = None

    def report(self, fault: DeviceFault | None) -> None:
        """Take what the reader reports."""
        self.fault = fault


def tune(config: Config, lane_id: str, *, once: bool, as_json: bool, out: TextIO = sys.stdout) -> None:
    """Show samples until interrupted, or one. Raises ConfigError for an unknown lane, DeviceFault for a dead camera.

    The camera must be free: stop the station first.
    """
    lane = next((one for one in config.lane if one.id == lane_id), None)
    if lane is None:
        known = ", ".join(one.id for one in config.lane)
        raise ConfigError(f"there is no lane {lane_id!r} in the configuration; its lanes are: {known}")
    trouble = _Trouble()
    with _running(config, lane, trouble) as reader, contextlib.suppress(KeyboardInterrupt):
        _warm_up(reader, trouble)
        while True:
            sample = take(lane.id, reader)
            out.write(_line(sample) if as_json else _page(sample, trouble.fault, clear=out.isatty() and not once))
            out.flush()
            if once:
                return
            time.sleep(REFRESH_S)


@contextlib.contextmanager
def _running(config: Config, lane: LaneConfig, trouble: _Trouble) -> Iterator[ReaderWorker]:
    """Run the lane's reader; afterwards the camera is closed and the aiming light off."""
    with contextlib.ExitStack() as closing:
        world = World.connect(config.hardware.world) if config.hardware.world else None
        if world:
            closing.callback(world.close)
        light = None
        if lane.camera.light is not None:
            pins = factory(config.hardware)
            closing.callback(pins.close)
            light = open_light(lane.camera, pins, lane.id)
        camera = open_camera(lane.camera, world)
        decoder = make_decoder(lane.camera.decoder, _validator(config))
        reader = ReaderWorker(lane.id, camera, decoder, lane.camera, lambda _sighting: None, trouble.report, light)
        closing.callback(reader.stop)
        reader.start()
        yield reader


def _validator(config: Config) -> Callable[[str], bool]:
    """What the station would accept as a pass; nothing where the trust bundle is not here yet."""
    try:
        content = (config.paths.documents / "trust.cose").read_bytes()
    except OSError:
        return lambda _text: False
    bundle = open_trust(content, [bytes.fromhex(root) for root in config.trust.roots])
    return (
        (lambda _text: False)
        if isinstance(bundle, Rejected)
        else (lambda text: is_signed(text, bundle, config.station.zone))
    )


def _warm_up(reader: ReaderWorker, trouble: _Trouble) -> None:
    """Wait for decoded pictures of a settled camera. Raises the camera's fault where none come."""
    begun = time.monotonic()
    while reader.gauges.looked is None or reader.gauges.fps == 0 or time.monotonic() - begun < WARM_UP_S:
        if trouble.fault or time.monotonic() - begun > OPENING_S + 1:
            raise trouble.fault or DeviceFault("camera", "no picture comes", "Check its cable and power")
        threading.Event().wait(REFRESH_S / 4)


def take(lane: str, reader: ReaderWorker) -> Sample:
    """Take one sample of a running reader that has decoded a picture."""
    gauges, exposure = reader.gauges, reader.meter.exposure
    looked, newest = gauges.looked, gauges.newest
    assert looked is not None  # noqa: S101 - the warm-up has waited for both
    assert newest is not None  # noqa: S101
    if looked.codes:
        quality = assess(looked.cut.frame.gray, looked.codes)
    else:  # a symbol too small or too blurred to read is what a technician has to hear about
        quality = assess(newest.frame.gray, scan(newest.frame.gray, downscale=True).located)
    height, width = newest.whole
    measured = Measured(
        width, height, **{name: getattr(quality, name) for name in Measured.__slots__ if name in Quality.__slots__}
    )
    return Sample(
        lane,
        width,
        height,
        gauges.fps,
        gauges.acquire_ms,
        gauges.decode_ms,
        len(looked.codes),
        exposure.time_us if exposure else 0.0,
        exposure.gain if exposure else 0.0,
        quality,
        advise(measured),
    )


def _line(sample: Sample) -> str:
    """One JSON object, flat; numbers rounded to what can be told apart."""
    row = msgspec.to_builtins(sample)
    row |= row.pop("quality")
    shown = {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
    return json.dumps(shown, ensure_ascii=False) + "\n"


def _page(sample: Sample, fault: DeviceFault | None, *, clear: bool) -> str:
    """The terminal view of one sample."""
    seen = sample.quality
    rows = [
        ("通道 / lane", sample.lane),
        ("画面 / picture", f"{sample.width} x {sample.height}, {sample.fps:.1f} /s"),
        ("采集 / acquisition", f"{sample.acquire_ms:.2f} ms"),
        ("解码 / decoding", f"{sample.decode_ms:.2f} ms"),
        ("曝光 / exposure", _exposure(sample)),
        ("清晰度 / sharpness", f"{seen.sharpness:.0f}"),
        ("亮度 / mean gray", f"{seen.mean:.0f}, {seen.saturated:.1%} >= 250"),
        ("码 / codes", str(sample.codes)),
        ("模块 / module", f"{seen.module_px:.1f} px" if seen.module_px else "-"),
    ]
    lines = [f"{name:<22}{value}" for name, value in rows]
    lines += [f"-> {one['zh']} / {one['en']}" for one in sample.advice]
    if fault:
        lines.append(f"!! {fault}")
    return (_CLEAR if clear else "") + "\n".join(lines) + "\n" + ("" if clear else "\n")


def _exposure(sample: Sample) -> str:
    if not sample.exposure_us:
        return "-"
    return f"{sample.exposure_us / 1000:.1f} ms, x{sample.gain:.1f}"
