"""The command gate-sync: run, status, doctor."""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import signal
import sys
import threading
from pathlib import Path

import apsw
import msgspec

from sync import doctor, enrol_command, status
from sync.agent import Agent
from sync.config import ConfigError, SyncConfig, load
from sync.notify import notify

DEFAULT_CONFIG = Path("/etc/gate-station/sync.toml")
FAILED, BAD_CONFIG = 1, 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gate-sync", description="Brings the station's journal to central.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "work until stopped"),
        ("status", "show the link, the queue and what is in force"),
        ("doctor", "find out what is wrong and what to do"),
        ("enrol", "get this station's certificate with a one-time code"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"default: {DEFAULT_CONFIG}")
        if name in {"doctor", "status"}:
            command.add_argument("--json", action="store_true", help="for machines")
        if name == "enrol":
            enrol_command.declare(command)
    return parser


def run(config: SyncConfig) -> int:
    """Work until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        agent = Agent(config)
    except (apsw.Error, OSError) as error:
        print(f"gate-sync: {config.paths.state} cannot be used ({error}); may this user write there?", file=sys.stderr)
        return FAILED
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()
        # Not agent.wake() here: the interrupted thread may hold the queue's lock.
        threading.Thread(target=agent.wake, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    agent.run(stop, lambda: notify("READY=1"))
    return 0


def show_status(config: SyncConfig, *, as_json: bool) -> int:
    """Print how the way to central is doing; the exit code is 0 where nobody has to do anything."""
    report = status.examine(config, dt.datetime.now(dt.UTC))
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        for line in status.lines(report, config):
            print(line)
    return FAILED if report.todo else 0


def show_doctor(config: SyncConfig, *, as_json: bool) -> int:
    """Print every check; the exit code is 0 where all are good."""
    checks = doctor.examine(config, dt.datetime.now(dt.UTC))
    if as_json:
        print(msgspec.json.encode({"checks": checks}).decode())
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.found}")
            if check.todo:
                print(f"     -> {check.todo}")
    return 0 if all(check.ok for check in checks) else FAILED


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 good, 1 failed, 2 the configuration cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        config = load(options.config)
    except ConfigError as error:
        print(f"gate-sync: {error}", file=sys.stderr)
        return BAD_CONFIG
    if options.command == "run":
        return run(config)
    if options.command == "status":
        return show_status(config, as_json=options.json)
    if options.command == "enrol":
        return enrol_command.main(config, options)
    return show_doctor(config, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
