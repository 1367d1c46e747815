"""The command gate-central: the collector, and the office that makes keys, passes and documents."""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm

from station.core.credential import parse
from station.core.documents import DocumentType, Role, open_trust
from station.core.model import Credential, Direction, Health, HealthCode, PassClass, Rejected, Status
from sync.central.cards import write_card
from sync.central.config import load
from sync.central.issuer import DocumentError, DocumentShelf, issue_pass, read_policy_source
from sync.central.keys import Keyring, KeyringError
from sync.central.serve import run as serve
from sync.central.status_register import StatusRegister
from sync.central.store import Store
from sync.config import ConfigError
from sync.notify import notify

DEFAULT_CONFIG = Path("/etc/gate-central/central.toml")
DAY_S = 86_400
OK, FAILED, BAD_USE = 0, 1, 2
CLASSES = [pass_class.name.lower() for pass_class in PassClass]

Run = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names no public type


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 failed, 2 wrong use or configuration."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_USE
    except (KeyringError, DocumentError, KeyError, ValueError, UnsupportedAlgorithm, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gate-central", description="The server end, and the office.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    served = _action(commands, "serve", _serve, "collect events and publish documents until told to stop")
    served.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    _key_commands(commands)
    _pass_commands(commands)
    sign = _office(commands, "policy", "rules").add_parser("sign", help="sign a policy from its TOML source")
    sign.add_argument("source", type=Path, help="TOML file")
    _signing(sign, _policy_sign, days=30)
    status = _office(commands, "status", "status lists")
    change = status.add_parser("set", help="set the status of a pass, then sign the lists")
    change.add_argument("status", choices=[s.name.lower().replace("_", "-") for s in Status])
    change.add_argument("text", help="the pass, or ISSUER-KID:INDEX")
    _signing(change, _status_set, days=7)
    _signing(status.add_parser("sign", help="sign the lists as they are (hourly)"), _status_sign, days=7)
    documents = _office(commands, "documents", "what stations hold")
    publish = documents.add_parser("publish", help="hand the newest documents to the publisher")
    publish.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    publish.add_argument("--scope", default="all", help="all, or a 12-digit zone")
    _with_office(publish, _publish)
    return parser


def _action(commands: Commands, name: str, run: Run, about: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(run=run)
    return parser


def _office(commands: Commands, name: str, about: str) -> Commands:
    return commands.add_parser(name, help=about, description=about).add_subparsers(required=True, metavar="ACTION")


def _with_office(parser: argparse.ArgumentParser, run: Run) -> None:
    parser.add_argument("--office", type=Path, required=True, metavar="DIR", help="folder with keys and documents")
    parser.set_defaults(run=run)


def _signing(parser: argparse.ArgumentParser, run: Run, days: int) -> None:
    _with_office(parser, run)
    parser.add_argument("--key", required=True, metavar="NAME", help="signing key")
    parser.add_argument("--days", type=int, default=days, help=f"validity, default {days}")


def _key_commands(commands: Commands) -> None:
    keys = _office(commands, "keys", "roots, issuing keys, trust bundle")
    _with_office(keys.add_parser("roots", help="make the three offline roots"), _keys_roots)
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
    _with_office(make, _keys_issuer)
    trust = keys.add_parser("trust", help="sign a trust bundle that names every key, with two roots")
    trust.add_argument("--days", type=int, default=365, help="validity, default 365")
    _with_office(trust, _keys_trust)


def _pass_commands(commands: Commands) -> None:
    issue = _office(commands, "pass", "passes").add_parser("issue", help="issue a pass as PNG, SVG and printable sheet")
    issue.add_argument("--key", required=True, metavar="NAME", help="issuing key")
    issue.add_argument("--class", dest="pass_class", required=True, choices=CLASSES, help="who holds it")
    issue.add_argument("--zone", required=True, help="home zone, 12 digits")
    issue.add_argument("--extra-zone", action="append", default=[], help="12 digits; may be repeated")
    issue.add_argument("--direction", choices=("in", "out", "both"), default="both", help="default: both")
    issue.add_argument("--gate", action="append", default=[], help="limit to this gate; may be repeated")
    issue.add_argument("--name", default="", help="masked name")
    issue.add_argument("--plate", default="", help="plate of a vehicle")
    issue.add_argument("--health", choices=[c.name.lower() for c in HealthCode], help="health code, dated today")
    issue.add_argument("--from-hours", type=float, default=0.0, help="begin of validity from now, hours")
    issue.add_argument("--days", type=float, default=30.0, help="length of validity")
    issue.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder for the files; default: here")
    issue.add_argument("--file", default="pass", help="name of the files to write")
    _with_office(issue, _pass_issue)


# --- serving ---------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    config = load(options.config)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def ready() -> None:
        notify("READY=1")
        logging.getLogger("central").info("ready")

    serve(config, stop, ready)
    return OK


# --- keys ------------------------------------------------------------------------------------------------------------


def _valid(days: float) -> tuple[int, int]:
    now = int(time.time())
    return now, now + round(days * DAY_S)


def _keys_roots(options: argparse.Namespace) -> int:
    print("The stations' configuration, [trust] roots:")
    for public in Keyring(options.office).create_roots():
        print(f'    "{public.hex()}",')
    print(f"Keep {options.office / 'roots'} offline; two of the three files sign a trust bundle.")
    return OK


def _keys_issuer(options: argparse.Namespace) -> int:
    roles = [Role(role) for role in options.role]
    classes = [PassClass[name.upper()] for name in options.classes or []]
    begin, end = _valid(options.days)
    record = Keyring(options.office).create(options.name, roles, options.zone or [""], classes, (begin - DAY_S, end))
    print(f"key {record.name}, kid {record.kid}; sign a new trust bundle: gate-central keys trust")
    return OK


def _keys_trust(options: argparse.Namespace) -> int:
    shelf = DocumentShelf(options.office)
    shelf.sign_trust(Keyring(options.office), _valid(options.days))
    return _made(shelf, DocumentType.TRUST)


def _made(shelf: DocumentShelf, kind: DocumentType) -> int:
    print(f"{shelf.path(kind)}: {kind} {shelf.seq(kind)}")
    return OK


# --- passes ----------------------------------------------------------------------------------------------------------


def _pass_issue(options: argparse.Namespace) -> int:
    key = Keyring(options.office).key(options.key)
    begin = int(time.time() + options.from_hours * 3600)
    health = Health(HealthCode[options.health.upper()], begin // DAY_S) if options.health else None
    both = frozenset(Direction)
    credential = Credential(
        kid=key.kid,
        cti=secrets.token_bytes(8),
        not_before=begin,
        expires=begin + round(options.days * DAY_S),
        pass_class=PassClass[options.pass_class.upper()],
        home_zone=options.zone,
        directions=both if options.direction == "both" else frozenset({Direction(options.direction)}),
        gates=frozenset(options.gate),
        extra_zones=frozenset(options.extra_zone),
        health=health,
        name=options.name,
        plate=options.plate,
        status_index=StatusRegister(options.office).allocate(key.kid),
    )
    code = issue_pass(credential, key)
    _check_readable(options.office, code)
    for path in write_card(code, credential, options.out, options.file):
        print(path, file=sys.stderr)
    print(code)
    return OK


def _read_back(office: Path, code: str) -> Credential | Rejected:
    """Read a pass as a gate with the newest trust bundle does."""
    path = DocumentShelf(office).path(DocumentType.TRUST)
    if not path.exists():
        raise DocumentError(f"{path} does not exist; sign a trust bundle first: gate-central keys trust")
    bundle = open_trust(path.read_bytes(), Keyring(office).public_roots())
    return bundle if isinstance(bundle, Rejected) else parse(code, bundle)


def _check_readable(office: Path, code: str) -> None:
    """Refuse to hand out a pass that a gate would refuse, as far as the newest trust bundle tells."""
    if isinstance(verdict := _read_back(office, code), Rejected):
        raise DocumentError(f"gates would refuse this pass: {verdict.reason} ({verdict.detail})")


# --- documents -------------------------------------------------------------------------------------------------------


def _policy_sign(options: argparse.Namespace) -> int:
    shelf = DocumentShelf(options.office)
    source, key = read_policy_source(options.source), Keyring(options.office).key(options.key)
    shelf.sign_policy(source, key, _valid(options.days))
    return _made(shelf, DocumentType.POLICY)


def _status_set(options: argparse.Namespace) -> int:
    kid, index = _entry(options.text, options.office)
    StatusRegister(options.office).set(kid, index, Status[options.status.upper().replace("-", "_")])
    return _status_sign(options)


def _entry(text: str, office: Path) -> tuple[bytes, int]:
    if not text.startswith("EP1:"):
        kid, _, index = text.partition(":")
        return bytes.fromhex(kid), int(index)
    verdict = _read_back(office, text)
    if isinstance(verdict, Rejected):
        raise DocumentError(f"this is no pass of ours: {verdict.reason} ({verdict.detail})")
    if verdict.status_index is None:
        raise DocumentError("this pass carries no status index; it cannot be revoked before it expires")
    return verdict.kid, verdict.status_index


def _status_sign(options: argparse.Namespace) -> int:
    shelf = DocumentShelf(options.office)
    shelf.sign_status(StatusRegister(options.office), Keyring(options.office).key(options.key), _valid(options.days))
    return _made(shelf, DocumentType.STATUS)


def _publish(options: argparse.Namespace) -> int:
    shelf, store = DocumentShelf(options.office), Store(load(options.config).database.url)
    store.open()
    for name, chunk in shelf.chunks():  # before the manifest that names them
        store.put_document("status-chunk", options.scope, name, shelf.seq(DocumentType.STATUS), chunk)
    for kind in DocumentType:
        if shelf.path(kind).exists():
            store.put_document(kind.value, options.scope, "0", shelf.seq(kind), shelf.path(kind).read_bytes())
            print(f"{kind} {shelf.seq(kind)} to {options.scope}")
    return OK
