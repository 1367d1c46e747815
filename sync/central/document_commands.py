"""gate-central policy, status and documents: what stations hold."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from station.core.credential import PREFIX, parse
from station.core.documents import DocumentType
from station.core.model import Rejected, Status
from sync.central.arguments import Commands, group, signing, valid, with_office
from sync.central.config import load
from sync.central.issuer import DocumentError, DocumentShelf, read_policy_source
from sync.central.keys import Keyring
from sync.central.office_trust import newest_bundle
from sync.central.publication import hand_over
from sync.central.status_register import StatusRegister
from sync.central.store import Store

DEFAULT_CONFIG = Path("/etc/gate-central/central.toml")


def add(commands: Commands) -> None:
    """Declare the commands."""
    sign = group(commands, "policy", "rules").add_parser("sign", help="sign a policy from its source")
    sign.add_argument("source", type=Path, help="TOML file, or JSON file whose name ends in .json")
    signing(sign, _policy_sign, days=30)
    status = group(commands, "status", "status lists")
    change = status.add_parser("set", help="set the status of a pass, then sign the lists")
    change.add_argument("status", choices=[s.name.lower().replace("_", "-") for s in Status])
    change.add_argument("text", help="the pass, or ISSUER-KID:INDEX")
    signing(change, _status_set, days=7)
    signing(status.add_parser("sign", help="sign the lists as they are (hourly)"), _status_sign, days=7)
    publish = group(commands, "documents", "what stations hold").add_parser(
        "publish", help="hand the newest documents to the publisher"
    )
    with_config(publish)
    publish.add_argument("--scope", default="all", help="all, or a 12-digit zone")
    with_office(publish, _publish)


def with_config(parser: argparse.ArgumentParser) -> None:
    """Let a command read the server end's configuration."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )


def _policy_sign(options: argparse.Namespace) -> Iterator[str]:
    shelf = DocumentShelf(options.office)
    source, key = read_policy_source(options.source), Keyring(options.office).key(options.key)
    shelf.sign_policy(source, key, valid(options.days))
    yield f"{shelf.path(DocumentType.POLICY)}: {DocumentType.POLICY} {shelf.seq(DocumentType.POLICY)}"


def _status_set(options: argparse.Namespace) -> Iterator[str]:
    kid, index = _entry(options.text, options.office)
    StatusRegister(options.office).set(kid, index, Status[options.status.upper().replace("-", "_")])
    yield from _status_sign(options)


def _entry(text: str, office: Path) -> tuple[bytes, int]:
    if not text.startswith(PREFIX):
        kid, _, index = text.partition(":")
        return bytes.fromhex(kid), int(index)
    verdict = parse(text, newest_bundle(office))
    if isinstance(verdict, Rejected):
        raise DocumentError(f"this is no pass of ours: {verdict.reason} ({verdict.detail})")
    if verdict.status_index is None:
        raise DocumentError("this pass carries no status index; it cannot be revoked before it expires")
    return verdict.kid, verdict.status_index


def _status_sign(options: argparse.Namespace) -> Iterator[str]:
    shelf = DocumentShelf(options.office)
    shelf.sign_status(StatusRegister(options.office), Keyring(options.office).key(options.key), valid(options.days))
    yield f"{shelf.path(DocumentType.STATUS)}: {DocumentType.STATUS} {shelf.seq(DocumentType.STATUS)}"


def _publish(options: argparse.Namespace) -> Iterator[str]:
    store = Store(load(options.config).database.url)
    try:
        store.open()
        for one in hand_over(options.office, store, options.scope):
            if one.type not in ("status-chunk", "status-delta"):
                number = "" if one.chunk in ("0", str(one.seq)) else f" of {one.chunk}"
                yield f"{one.type} {one.seq}{number} to {one.scope}"
    finally:
        store.close()
