"""The command gate-central: the collector, and the office that makes keys, passes and documents."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm

from sync.central import (
    announce_commands,
    authority_commands,
    database_commands,
    document_commands,
    enrolment_commands,
    export_commands,
    key_commands,
    lost_commands,
    pass_commands,
    person_commands,
    phone_page,
    station_commands,
)
from sync.central.arguments import Commands, action, group
from sync.central.config import load
from sync.central.fleet import command as fleet_command
from sync.central.issuer import DocumentError
from sync.central.keys import KeyringError
from sync.central.serve import run as serve
from sync.config import ConfigError
from sync.notify import notify

OK, FAILED, BAD_USE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 failed, 2 wrong use or configuration."""
    options = _parser().parse_args(arguments)
    try:
        for line in options.run(options):
            print(line, flush=True)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_USE
    except (KeyringError, DocumentError, KeyError, ValueError, UnsupportedAlgorithm, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gate-central", description="The server end, and the office.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    served = action(commands, "serve", _serve, "collect events and publish documents until told to stop")
    document_commands.with_config(served)
    key_commands.add(commands)
    pass_commands.add(commands)
    document_commands.add(commands)
    announce_commands.add(commands)
    database_commands.add(commands)
    lost_commands.add(commands)
    person_commands.add(commands)
    authority_commands.add(commands)
    enrolment_commands.add(commands)
    station_commands.add(commands)
    export_commands.add(commands)
    fleet_command.add(commands)
    _phone_commands(commands)
    return parser


def _phone_commands(commands: Commands) -> None:
    phone = group(commands, "phone", "the page on which phones show their pass")
    write = action(phone, "write", _phone_write, "write the page's files for any web server")
    write.add_argument("folder", type=Path, metavar="DIR", help="folder to write to")
    hand_out = action(phone, "serve", _phone_serve, "serve the page until told to stop")
    hand_out.add_argument("--host", default=phone_page.HOST, help=f"address to listen on, default {phone_page.HOST}")
    hand_out.add_argument(
        "--port", type=int, default=phone_page.PORT, help=f"0: any free one; default {phone_page.PORT}"
    )


def _serve(options: argparse.Namespace) -> Iterable[str]:
    config = load(options.config)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def ready() -> None:
        notify("READY=1")
        logging.getLogger("central").info("ready")

    serve(config, stop, ready)
    return ()


def _phone_write(options: argparse.Namespace) -> Iterator[str]:
    yield from map(str, phone_page.write_page(options.folder))


def _phone_serve(options: argparse.Namespace) -> Iterable[str]:
    phone_page.serve_page(options.host, options.port, lambda url: print(url, flush=True))
    return ()
