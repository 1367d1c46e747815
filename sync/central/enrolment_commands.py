"""gate-central enrol and enrolment: codes for new stations, and the endpoint that takes them."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import logging
import sys
import time
from collections.abc import Iterator

import segno

from sync import enrolment_code
from sync.central import authority as authorities
from sync.central.arguments import Commands, action, group
from sync.central.authority_commands import enrolment_of, open_table
from sync.central.broker_config import check_station
from sync.central.certificate_table import Known, Opened
from sync.central.config import load
from sync.central.document_commands import with_config
from sync.central.enrolment_server import serve
from sync.central.root_file import read_roots
from sync.notify import notify

log = logging.getLogger("central.enrolment")
_ZONE_DIGITS = 12


def add(commands: Commands) -> None:
    """Declare the commands."""
    enrol = group(commands, "enrol", "let new stations in")
    opened = action(enrol, "open", _open, "print a one-time code for a new station, good for 24 hours")
    with_config(opened)
    opened.add_argument("station", metavar="STATION", help="the id it gets: small letters, digits, hyphens")
    opened.add_argument("--zone", required=True, help="12-digit area code of the compound behind it")
    listed = action(enrol, "list", _list, "show who has a certificate, and until when")
    with_config(listed)
    endpoint = group(commands, "enrolment", "the endpoint where stations get their certificates")
    with_config(action(endpoint, "serve", _serve, "serve it until told to stop"))


def _open(options: argparse.Namespace) -> Iterator[str]:
    config = load(options.config)
    enrolment = enrolment_of(config, options.config)
    check_station(options.station)
    if not (len(options.zone) == _ZONE_DIGITS and options.zone.isascii() and options.zone.isdigit()):
        raise ValueError(f"--zone {options.zone}: an area code has 12 digits")
    roots = enrolment_code.roots_fingerprint(read_roots(enrolment.roots))
    authority = enrolment_code.authority_fingerprint(authorities.load(enrolment.authority).der)
    secret, now_s = enrolment_code.new_secret(), int(time.time())
    table = open_table(config)
    try:
        table.open_code(secret, Opened(options.station, options.zone), now_s, enrolment_code.VALID_S)
    finally:
        table.close()
    text = enrolment_code.write(enrolment_code.Code(secret, authority, roots, now_s))
    drawn = io.StringIO()
    segno.make_qr(text, error="l").terminal(drawn, compact=True)
    yield f"Station {options.station}, zone {options.zone}. Good once, until {_day(now_s + enrolment_code.VALID_S)}:"
    yield drawn.getvalue().rstrip("\n")
    yield text
    yield f"On the station: sudo gate-sync enrol CODE --url https://HOST:{enrolment.port}"
    yield "Whoever has the code can become this station: hand it over in person, or by a way you trust."


def _list(options: argparse.Namespace) -> Iterator[str]:
    table = open_table(load(options.config))
    try:
        for one in table.newest():
            yield _line(one, time.time())
    finally:
        table.close()


def _line(one: Known, now_s: float) -> str:
    if one.revoked_s is not None:
        state = f"revoked {_day(one.revoked_s)}"
    elif one.ends_s < now_s:
        state = f"ended {_day(one.ends_s)}; the station renews it when it is switched on"
    else:
        state = f"good until {_day(one.ends_s)}"
    return f"{one.name} ({one.role}{' ' if one.zone else ''}{one.zone}): {state}"


def _day(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _serve(options: argparse.Namespace) -> Iterator[str]:
    config = load(options.config)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    enrolment, table = enrolment_of(config, options.config), open_table(config)

    def ready(url: str) -> None:
        notify("READY=1")
        log.info("ready at %s", url)

    try:
        serve(enrolment, table, ready)
    finally:
        table.close()
    yield from ()
