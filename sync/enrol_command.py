"""gate-sync enrol: what the technician at the gate types, and what they are told."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sync import enrolment_code
from sync.config import SyncConfig
from sync.enrolment import Enrolled, as_owner_of, enrol, put_roots
from sync.enrolment_client import EndpointError, RefusedError
from sync.enrolment_code import CodeError
from sync.identity import AUTHORITY, CERTIFICATE, KEY, IdentityError, IdentityFolder

STATION_CONFIG = Path("/etc/gate-station/station.toml")
CLOCK_S = 60.0
"""A clock that is further off is mentioned."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("code", nargs="?", help="what gate-central enrol open printed; asked for where it is left out")
    parser.add_argument("--url", required=True, metavar="https://HOST:PORT", help="the enrolment endpoint of central")
    parser.add_argument(
        "--station-config", type=Path, default=STATION_CONFIG, metavar="FILE", help="where the roots are written"
    )


def run(config: SyncConfig, options: argparse.Namespace) -> Iterator[str]:
    """Enrol this station and return lines to print. Raises EnrolmentFailedError."""
    text = options.code or getpass.getpass("Enrolment code: ")
    try:
        code = enrolment_code.read(text)
        config.paths.state.mkdir(parents=True, exist_ok=True)
        folder = IdentityFolder(config.paths.state)
        with as_owner_of(config.paths.state):
            done = enrol(config.station, folder, code, options.url, time.time())
    except (CodeError, EndpointError, RefusedError, IdentityError, OSError) as error:
        raise EnrolmentFailedError(str(error)) from error
    yield f"This is station {done.identity.station} in zone {done.identity.where.zone}."
    yield f"Certificate good until {done.identity.certificate.not_valid_after_utc:%Y-%m-%d}; it is renewed by itself."
    yield from _roots(options.station_config, done)
    yield from _clock(done)
    yield from _tls(config, folder)
    yield "Now: sudo systemctl restart gate-station gate-sync, then gate-sync status"


class EnrolmentFailedError(Exception):
    """The station was not enrolled. The message says why and what to do."""


def _roots(path: Path, done: Enrolled) -> Iterator[str]:
    try:
        yield put_roots(path, done.identity.roots)
    except (ValueError, OSError) as error:
        lines = "".join(f'\n    "{key.hex()}",' for key in done.identity.roots)
        told = str(error) if isinstance(error, ValueError) else f"{error}; the roots, they match the code:{lines}"
        yield f"{path}: {told}"


def _clock(done: Enrolled) -> Iterator[str]:
    if abs(done.clock_off_s) > CLOCK_S:
        behind = "behind" if done.clock_off_s > 0 else "ahead of"
        hours = abs(done.clock_off_s) / 3600
        yield f"This machine's clock is {hours:.1f} hours {behind} central's. Central tells the station the time"
        yield "as soon as it is connected; set the clock, or fit a real-time clock, all the same."


def _tls(config: SyncConfig, folder: IdentityFolder) -> Iterator[str]:
    tls = config.broker.tls
    if tls is None or tls.cert != folder.current / CERTIFICATE:
        yield "In sync.toml, [broker.tls] must be:"
        for name, file in (("ca", AUTHORITY), ("cert", CERTIFICATE), ("key", KEY)):
            yield f'    {name} = "{folder.current / file}"'


def main(config: SyncConfig, options: argparse.Namespace) -> int:
    """Do it; return the exit status: 0 done, 1 failed."""
    try:
        for line in run(config, options):
            print(line, flush=True)  # noqa: T201 - a command
    except EnrolmentFailedError as error:
        print(f"gate-sync: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0
