"""The command gate-station."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from drivers.light import drive_dark
from drivers.mlx90614 import open_thermometer
from drivers.outputs import drive_safe
from drivers.pins import factory
from drivers.twins.world import World
from station import __version__, guards, pass_show, policy_cli, visitor_request, voice_cli
from station.config import Config, ConfigError, load
from station.core import scan
from station.core.model import Rejected
from station.export import ExportError, events, write_csv, write_jsonl
from station.held import believed_keys
from station.journal import JournalFault
from station.ports import DeviceFault
from station.simulation import command as simulation
from station.visitor_key import VisitorKeyError

DEFAULT_CONFIG = Path("/etc/gate-station/station.toml")
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
OK, FAILED, BAD_USE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 failed, 2 wrong use or configuration."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_USE
    except (DeviceFault, JournalFault, ExportError, VisitorKeyError, guards.GuardsError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gate-station", description="The gate station's daemon and its tools.")
    parser.add_argument("--version", action="version", version=f"gate-station {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument(
            "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
        )
        sub.set_defaults(run=run)
        return sub

    command("run", _run, "run the station until it is told to stop (SIGTERM)")
    command("check-config", _check_config, "read the configuration and say what is wrong with it")
    command("doctor", _doctor, "look at every part and say what to do").add_argument(
        "--json", action="store_true", help="for machines"
    )
    decode = command("decode", _decode, "read the codes of pictures")
    decode.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="picture files or folders of them")
    decode.add_argument("--json", action="store_true", help="one JSON object per picture")
    export = command("export", _export, "write the journal as CSV or JSON lines")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default: csv")
    export.add_argument("--since", type=int, default=1, metavar="SEQ", help="first event; default: 1")
    _camera_commands(command("camera", _no_action, "look through the cameras"))
    _pass_commands(command("pass", _no_action, "look at passes"))
    policy_cli.add_actions(command("policy", _no_action, "check, explain and try policies"))
    _guard_commands(command("guard", _no_action, "who may sign in at the guard screen"))
    _visitor_key_commands(command("visitor-key", _no_action, "the station's own key, for visitors' passes"))
    voice_cli.add_actions(command("voice", _no_action, "the loudspeaker: render its sentences, and try it"))
    simulation.add_arguments(command("simulate", simulation.run, simulation.ABOUT))
    command("safe-outputs", _safe_outputs, "drive every output to its safe level (ExecStopPost)")
    emissivity = command("emissivity", _emissivity, "write the configured emissivity into the thermometer of a lane")
    emissivity.add_argument("lane")
    return parser


def _camera_commands(parser: argparse.ArgumentParser) -> None:
    about = "show what a lane's camera delivers and what to do for better pictures (stop the station first)"
    tuning = parser.add_subparsers(required=True, metavar="ACTION").add_parser("tune", help=about, description=about)
    tuning.add_argument("lane")
    tuning.add_argument("--once", action="store_true", help="one sample, then end")
    tuning.add_argument("--json", action="store_true", help="one JSON object per sample")
    tuning.set_defaults(run=_camera_tune)


def _pass_commands(parser: argparse.ArgumentParser) -> None:
    show = parser.add_subparsers(required=True, metavar="ACTION").add_parser("show", help="take a pass apart")
    show.add_argument("code", help="the text of a QR code, or a picture of one")
    show.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="trust bundle; default: the station's own, or the configured folder's",
    )
    show.set_defaults(run=_pass_show)


def _guard_commands(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, about in (
        ("add", _guard_add, "add a guard or set a new PIN (asked for, or one line on standard input)"),
        ("duress", _guard_duress, "set a guard's duress PIN (asked for, or one line); an empty one takes it away"),
        ("remove", _guard_remove, "remove a guard"),
        ("list", _guard_list, "list the guards"),
    ):
        action = actions.add_parser(name, help=about, description=about)
        action.set_defaults(run=run)
        if name != "list":
            action.add_argument("name")


def _visitor_key_commands(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, tell, about in (
        ("new", visitor_request.new, "make a new key; print the request for the office as text and as a code"),
        ("show", visitor_request.show, "print the request for the key that is there"),
    ):
        actions.add_parser(name, help=about, description=about).set_defaults(run=_visitor_key, tell=tell)


def _no_action(_options: argparse.Namespace) -> int:
    return BAD_USE


# --- the daemon ------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    from station.daemon import Station  # noqa: PLC0415 - safe-outputs must not wait for cameras and screen to load

    config = load(options.config)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    station = Station(config, lambda: load(options.config))
    try:
        station.run(stop, lambda url: logging.getLogger("station").info("ready; guard screen at %s", url))
    finally:
        station.close()
    return OK


def _check_config(options: argparse.Namespace) -> int:
    config = load(options.config)
    lanes = ", ".join(f"{lane.id} ({lane.direction})" for lane in config.lane)
    print(f"{options.config}: good. Station {config.station.id} at gate {config.station.gate}, lanes: {lanes}")
    return OK


def _doctor(options: argparse.Namespace) -> int:
    from station.doctor.examination import examine  # noqa: PLC0415 - as in _run

    findings = []
    for finding in examine(load(options.config)):
        findings.append(finding)
        if not options.json:
            print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.part}: {finding.found}")
            if finding.remedy:
                print(f"      -> {finding.remedy}")
    if options.json:
        print(json.dumps([{"part": f.part, "good": f.good, "found": f.found, "remedy": f.remedy} for f in findings]))
    return OK if all(finding.good for finding in findings) else FAILED


def _camera_tune(options: argparse.Namespace) -> int:
    from station.tune import tune  # noqa: PLC0415 - as in _run

    tune(load(options.config), options.lane, once=options.once, as_json=options.json)
    return OK


def _safe_outputs(options: argparse.Namespace) -> int:
    config = load(options.config)
    pins = factory(config.hardware)  # never closed: a kernel that keeps levels keeps the safe ones
    faults = drive_safe(config, pins) + drive_dark(config, pins)
    for fault in faults:
        print(fault, file=sys.stderr)
    return FAILED if faults else OK


def _emissivity(options: argparse.Namespace) -> int:
    config = load(options.config)
    lane = next((lane for lane in config.lane if lane.id == options.lane), None)
    if lane is None or lane.thermometer is None:
        raise ConfigError(f"{options.config}: lane {options.lane!r} has no thermometer")
    if lane.thermometer.model != "mlx90614":
        print(f"an {lane.thermometer.model} keeps no emissivity: the configured one is used in the calculation")
        return OK
    device = open_thermometer(lane.thermometer, _world(config))
    changed = device.write_emissivity(lane.thermometer.emissivity)
    device.close()
    print("written; switch the sensor off and on" if changed else "it holds this value already")
    return OK


def _world(config: Config) -> World | None:
    return World.connect(config.hardware.world) if config.hardware.world else None


# --- pictures and passes ---------------------------------------------------------------------------------------------


def _pictures(paths: list[Path]) -> list[Path]:
    found = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
        if not inside:
            print(f"{path}: no picture in this folder", file=sys.stderr)
        found += inside or [path]
    return found


def _decode(options: argparse.Namespace) -> int:
    from drivers.decoder import read_still  # noqa: PLC0415 - as in _run

    failed = False
    for path in _pictures(options.pictures):
        began = time.perf_counter()
        try:
            codes, problem = read_still(path), ""
        except DeviceFault as fault:
            codes, problem = [], str(fault)
        spent = (time.perf_counter() - began) * 1000
        failed |= not codes
        if options.json:
            row: dict[str, object] = {"file": str(path), "texts": [code.text for code in codes]}
            row |= {
                "quads": [code.quad for code in codes],
                "stage": codes[0].stage if codes else "",
                "ms": round(spent, 2),
                "problem": problem,
            }
            print(json.dumps(row, ensure_ascii=False))
        elif codes:
            print("\n".join(f"{path}: {code.text}" for code in codes))
        else:
            print(f"{path}: {problem or 'no code could be read in this picture'}", file=sys.stderr)
    return FAILED if failed else OK


def _export(options: argparse.Namespace) -> int:
    write = write_csv if options.format == "csv" else write_jsonl
    write(events(load(options.config).paths.state, options.since), sys.stdout)
    return OK


def _pass_show(options: argparse.Namespace) -> int:
    from drivers.decoder import read_still  # noqa: PLC0415 - as in _run

    config = load(options.config)
    code = options.code
    if not code.startswith(scan.OUR_PREFIXES) and os.path.isfile(code):  # noqa: PTH113 - a text too long is no file
        found = read_still(Path(code))
        if not found:
            print(f"{code}: no code could be read in this picture", file=sys.stderr)
            return FAILED
        code = found[0].text
    bundle, judged_by = believed_keys(config, options.trust)
    reading = scan.read(code, bundle, config.station.zone)
    print("\n".join([*pass_show.lines(reading, int(time.time())), f"keys from      {judged_by}"]))
    return FAILED if isinstance(reading, Rejected) else OK


# --- the station's own key -------------------------------------------------------------------------------------------


def _visitor_key(options: argparse.Namespace) -> int:
    print(options.tell(load(options.config)))
    return OK


# --- guards ----------------------------------------------------------------------------------------------------------


def _asked(what: str) -> str:
    return getpass.getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline().strip()


def _guard_add(options: argparse.Namespace) -> int:
    guards.add(load(options.config).paths.guards, options.name, _asked("PIN (6 to 12 digits)"))
    print(f"{options.name} can sign in")
    return OK


def _guard_duress(options: argparse.Namespace) -> int:
    pin = _asked("Duress PIN (6 to 12 digits, no slip of the finger away from the PIN; empty: none)")
    guards.set_duress(load(options.config).paths.guards, options.name, pin)
    print(f"the duress PIN of {options.name} is {'set' if pin else 'taken away'}")
    return OK


def _guard_remove(options: argparse.Namespace) -> int:
    guards.remove(load(options.config).paths.guards, options.name)
    print(f"{options.name} can no longer sign in")
    return OK


def _guard_list(options: argparse.Namespace) -> int:
    for name in guards.load(load(options.config).paths.guards):
        print(name)
    return OK
