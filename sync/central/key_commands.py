"""gate-central keys: roots and their rotation, issuing keys, trust bundle, delegation, withdrawal."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from station.core.documents import DocumentType, Role, kid_of
from station.core.model import PassClass
from sync.central.arguments import CLASSES, DAY_S, HOUR_S, Commands, group, signing, valid, with_office
from sync.central.delegation import EVERYWHERE, LONGEST_HOURS, RequestError, ZoneBook, read_request, refusal, zone_of
from sync.central.issuer import DocumentShelf, read_fields
from sync.central.keyfiles import KeyringError
from sync.central.keys import Keyring
from sync.central.office_trust import newest_bundle
from sync.central.status_register import StatusRegister

ROOTS_DAYS = 7300
"""A station that comes out of a drawer after years must still find every step of the succession good."""
_KID = re.compile(r"[0-9a-f]{8}")


def add(commands: Commands) -> None:
    """Declare the commands."""
    keys = group(commands, "keys", "roots, issuing keys, trust bundle, withdrawal")
    with_office(keys.add_parser("roots", help="make the three offline roots"), _roots)
    rotate = keys.add_parser("rotate", help="make the next three roots; stations follow by themselves")
    rotate.add_argument("--days", type=int, default=365, help="validity of the new trust bundle, default 365")
    with_office(rotate, _rotate)
    _issuer_command(keys)
    with_office(keys.add_parser("personal", help="make the key that opens sealed names and plates"), _personal)
    trust = keys.add_parser("trust", help="sign a trust bundle that names every key, with two roots")
    trust.add_argument("--days", type=int, default=365, help="validity, default 365")
    with_office(trust, _trust)
    _delegate_command(keys)
    revoke = keys.add_parser("revoke", help="withdraw a key at all gates, then sign the status lists")
    revoke.add_argument("name", help="name of the key, its id, or the station of a delegated key")
    revoke.add_argument("--undo", action="store_true", help="take the withdrawal back")
    signing(revoke, _revoke, days=7)


def _issuer_command(keys: Commands) -> None:
    make = keys.add_parser("issuer", help="make a key with roles and scope")
    make.add_argument("name", help="name of the key's file")
    make.add_argument(
        "--role", action="append", required=True, choices=[role.value for role in Role], help="may be repeated"
    )
    make.add_argument("--zone", action="append", metavar="PREFIX", help="area code prefix; default: everywhere")
    make.add_argument(
        "--class", dest="classes", action="append", choices=CLASSES, help="classes it may issue; repeated"
    )
    make.add_argument("--days", type=int, default=730, help="validity, default 730")
    with_office(make, _issuer)


def _delegate_command(keys: Commands) -> None:
    delegate = keys.add_parser("delegate", help="let a station sign its own visitors' passes for a day")
    delegate.add_argument("request", help="what gate-station visitor-key new printed (EV1:...), in quotes")
    delegate.add_argument("--key", required=True, metavar="NAME", help="pass key for class visitor")
    delegate.add_argument("--hours", type=float, default=24.0, help="validity, at most 24; default 24")
    delegate.add_argument("--zone", help="zone of the station, 12 digits; default: the key's, where it has but one")
    with_office(delegate, _delegate)


# --- roots -----------------------------------------------------------------------------------------------------------


def _roots(options: argparse.Namespace) -> Iterator[str]:
    yield "The stations' configuration, [trust] roots:"
    for public in Keyring(options.office).create_roots():
        yield f'    "{public.hex()}",'
    yield f"Keep {options.office / 'roots'} offline; two of the three files sign a trust bundle."


def _rotate(options: argparse.Namespace) -> Iterator[str]:
    keyring, shelf = Keyring(options.office), DocumentShelf(options.office)
    sets = keyring.root_sets
    before = sets.current().number
    number = sets.rotate(valid(ROOTS_DAYS)).number
    yield f"{sets.document(number)}: roots {number}, signed by two of roots {before} and two of roots {number}"
    shelf.sign_trust(keyring, valid(options.days))
    yield f"{shelf.path(DocumentType.TRUST)}: trust {shelf.seq(DocumentType.TRUST)}, signed with roots {number}"
    yield "What to do now:"
    yield f"  1. Take {sets.folder(number)} offline, its three files to separate places."
    yield f"  2. gate-central documents publish --office {options.office}"
    yield f"     A station without a network gets a copy of {shelf.folder}."
    yield f"  3. Wait until every station says that roots {number} are in force (column station.hello at central)."
    yield f"  4. Then destroy {sets.folder(before)}, wherever its files are: nobody needs them any more."
    yield "Leave [trust] roots of the stations, also of new ones, as they are: the succession begins there."


def _trust(options: argparse.Namespace) -> Iterator[str]:
    shelf = DocumentShelf(options.office)
    shelf.sign_trust(Keyring(options.office), valid(options.days))
    yield f"{shelf.path(DocumentType.TRUST)}: {DocumentType.TRUST} {shelf.seq(DocumentType.TRUST)}"


def _personal(options: argparse.Namespace) -> Iterator[str]:
    key = Keyring(options.office).personal
    key.create()
    yield f"{key.path}: opens the personal fields that stations seal; keep it offline, and a copy of it"
    yield f"Now: gate-central keys trust --office {options.office}, then publish it."
    yield "Before that no station keeps names or plates at all."


# --- issuing keys ----------------------------------------------------------------------------------------------------


def _issuer(options: argparse.Namespace) -> Iterator[str]:
    roles = [Role(role) for role in options.role]
    classes = [PassClass[name.upper()] for name in options.classes or []]
    begin, end = valid(options.days)
    record = Keyring(options.office).create(options.name, roles, options.zone or [""], classes, (begin - DAY_S, end))
    yield f"key {record.name}, kid {record.kid}; sign a new trust bundle: gate-central keys trust"


def _delegate(options: argparse.Namespace) -> Iterator[str]:
    if not 0 < options.hours <= LONGEST_HOURS:
        raise RequestError(
            f"--hours {options.hours:g}: a delegation lasts more than 0 and at most {LONGEST_HOURS} hours"
        )
    keyring, shelf = Keyring(options.office), DocumentShelf(options.office)
    request, record = read_request(options.request), keyring.record(options.key)
    scope = options.zone or zone_of(record.zones)
    trust = newest_bundle(options.office)

    def refused(raw: bytes) -> str:
        zone = record.zones[0] if scope == EVERYWHERE else scope
        verdict = refusal(raw, trust, request.station, zone)
        return f"{verdict.reason} ({verdict.detail})" if verdict else ""

    shelf.sign_delegation(request, keyring.key(options.key), valid(options.hours * HOUR_S / DAY_S), refused)
    ZoneBook(options.office).note(request.station, scope)
    kid = kid_of(request.public).hex()
    yield f"{shelf.delegation(request.station)}: station {request.station} may admit visitors for {options.hours:g} h"
    yield f"Its key is {kid}; withdraw it with: gate-central keys revoke {request.station}"
    yield f"Now: gate-central documents publish --office {options.office}"


# --- withdrawal ------------------------------------------------------------------------------------------------------


def _revoke(options: argparse.Namespace) -> Iterator[str]:
    keyring, shelf, register = Keyring(options.office), DocumentShelf(options.office), StatusRegister(options.office)
    kid, key = _kid(options.name, keyring, shelf), keyring.key(options.key)
    if kid == key.kid:
        raise KeyringError(f"key {options.key} cannot withdraw itself; sign with another key that has the role status")
    (register.restore if options.undo else register.revoke)(kid)
    shelf.sign_status(register, key, valid(options.days))
    status = f"{DocumentType.STATUS} {shelf.seq(DocumentType.STATUS)}"
    yield f"{shelf.path(DocumentType.STATUS)}: {status}"
    what = "counts again" if options.undo else "is withdrawn: gates refuse what it signs, passes issued before included"
    yield f"From {status} on key {kid.hex()} {what}. Now: gate-central documents publish --office {options.office}"


def _kid(name: str, keyring: Keyring, shelf: DocumentShelf) -> bytes:
    for record in keyring.records():
        if record.name == name:
            return bytes.fromhex(record.kid)
    if re.fullmatch(r"[a-z0-9-]{1,40}", name) and (path := shelf.delegation(name)).exists():
        return kid_of(read_fields(path)["pub"])
    if _KID.fullmatch(name):
        return bytes.fromhex(name)
    raise KeyringError(f"{name!r} is no key of {keyring.office / 'keys.json'}, no station with a delegation, no key id")
