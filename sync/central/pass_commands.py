"""gate-central pass and time-code: what people hold before a camera."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from station.core.credential import parse
from station.core.documents import Role
from station.core.model import Credential, Direction, Health, HealthCode, PassClass, Rejected
from sync.central import time_code
from sync.central.arguments import CLASSES, DAY_S, HOUR_S, Commands, action, group, with_office
from sync.central.cards import write_card
from sync.central.issuer import DocumentError, issue_pass
from sync.central.keyfiles import KeyringError
from sync.central.keys import Keyring
from sync.central.office_trust import newest_bundle
from sync.central.phone_key import pass_link, read_phone_key
from sync.central.status_register import StatusRegister

_HOUSEHOLD = re.compile(r"[0-9a-f]{12}")


def add(commands: Commands) -> None:
    """Declare the commands."""
    issue = group(commands, "pass", "passes").add_parser("issue", help="issue a pass as PNG, SVG and printable sheet")
    issue.add_argument("--key", required=True, metavar="NAME", help="issuing key")
    issue.add_argument("--class", dest="pass_class", required=True, choices=CLASSES, help="who holds it")
    issue.add_argument("--zone", required=True, help="home zone, 12 digits")
    issue.add_argument("--extra-zone", action="append", default=[], help="12 digits; may be repeated")
    issue.add_argument("--direction", choices=("in", "out", "both"), default="both", help="default: both")
    issue.add_argument("--gate", action="append", default=[], help="limit to this gate; may be repeated")
    issue.add_argument("--name", default="", help="masked name")
    issue.add_argument("--plate", default="", help="plate of a vehicle")
    issue.add_argument("--household", default="", help="pseudonym of the household, 12 hexadecimal digits")
    issue.add_argument("--health", choices=[c.name.lower() for c in HealthCode], help="health code, dated today")
    issue.add_argument("--phone-key", default="", help="key of the holder's phone, as its page shows it")
    issue.add_argument("--page", default="", metavar="URL", help="address of the phone page: prints the pass as a link")
    issue.add_argument("--from-hours", type=float, default=0.0, help="begin of validity from now, hours")
    length = issue.add_mutually_exclusive_group()
    length.add_argument("--days", type=float, default=30.0, help="length of validity")
    length.add_argument("--hours", type=float, help="length of validity, in place of days")
    issue.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder for the files; default: here")
    issue.add_argument("--file", default="pass", help="name of the files to write")
    with_office(issue, _issue)
    told = action(commands, "time-code", _time_code, "sign the time for a station whose clock is lost")
    told.add_argument("--key", required=True, metavar="NAME", help="key with the role guard")
    told.add_argument("--number", required=True, help="the number the station shows, 16 hexadecimal digits")
    told.add_argument("--out", type=Path, metavar="FILE", help="picture of the code to write, FILE.png")
    with_office(told, _time_code)


def _issue(options: argparse.Namespace) -> Iterator[str]:
    key = Keyring(options.office).key(options.key)
    begin = int(time.time() + options.from_hours * HOUR_S)
    length = options.days * DAY_S if options.hours is None else options.hours * HOUR_S
    both = frozenset(Direction)
    credential = Credential(
        kid=key.kid,
        cti=secrets.token_bytes(8),
        not_before=begin,
        expires=begin + round(length),
        pass_class=PassClass[options.pass_class.upper()],
        home_zone=options.zone,
        directions=both if options.direction == "both" else frozenset({Direction(options.direction)}),
        gates=frozenset(options.gate),
        extra_zones=frozenset(options.extra_zone),
        health=Health(HealthCode[options.health.upper()], begin // DAY_S) if options.health else None,
        name=options.name,
        household=_household(options.household),
        plate=options.plate,
        phone_key=read_phone_key(options.phone_key) if options.phone_key else None,
        status_index=StatusRegister(options.office).allocate(key.kid),
    )
    code = issue_pass(credential, key)
    _check_readable(options.office, code)
    for path in write_card(code, credential, options.out, options.file):
        _aside(path)
    yield code
    if options.page:
        yield pass_link(options.page, code)


def _household(digits: str) -> bytes | None:
    if digits and not _HOUSEHOLD.fullmatch(digits):
        raise DocumentError(
            f"--household {digits}: a household's pseudonym is 12 hexadecimal digits, 0 to 9 and a to f"
        )
    return bytes.fromhex(digits) if digits else None


def _check_readable(office: Path, code: str) -> None:
    """Refuse to hand out a pass that a gate would refuse, as far as the newest documents tell."""
    if isinstance(verdict := parse(code, newest_bundle(office)), Rejected):
        raise DocumentError(f"gates would refuse this pass: {verdict.reason} ({verdict.detail})")


def _time_code(options: argparse.Namespace) -> Iterator[str]:
    keyring = Keyring(options.office)
    record, number = keyring.record(options.key), time_code.read_number(options.number)
    if Role.GUARD not in record.roles:
        raise KeyringError(f"key {record.name} has not the role guard; make one: gate-central keys issuer --role guard")
    code = time_code.write(keyring.key(options.key), number, int(time.time()))
    time_code.check(code, newest_bundle(options.office), record.zones[0])
    if options.out:
        time_code.picture(code, options.out)
        _aside(options.out)
    yield code


def _aside(path: Path) -> None:
    """Name a file that was written, without mixing it with what is printed to be copied."""
    sys.stderr.write(f"{path}\n")
