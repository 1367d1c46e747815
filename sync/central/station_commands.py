"""gate-central command: one signed command for each station of a zone, and what became of it.

The office signs and writes into the database; a collector takes it to the broker and the answers back, so this program
needs neither the broker nor a certificate, and the collector needs no command key.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from station.core import command as commands
from station.core import cose
from station.core.command import Recipient, Verb
from station.core.documents import Role, TrustBundle
from station.core.model import Direction, Instant, Rejected
from sync.central.arguments import Commands, group, with_office
from sync.central.command_table import UNHEARD, Addressee, CommandTable, Issued, Order
from sync.central.config import load
from sync.central.database_commands import with_database
from sync.central.document_commands import with_config
from sync.central.keyfiles import KeyringError, SigningKey
from sync.central.keys import Keyring
from sync.central.office_trust import newest_bundle
from sync.central.store import Store

GRACE_S = 5.0
"""How long answers are waited for after the command has expired: it may have been taken in the last second."""
LOGS_S = 40.0
"""How long a station may take to read its logs."""
POLL_S = 0.2
EARLY_S = 5
_HEAD = ("station", "counter", "outcome", "why")
_ABOUT = {
    Verb.OPEN_ONCE: "let somebody through one lane",
    Verb.LOCK_DOWN: "refuse entry to everybody, until release; the way out stays open",
    Verb.RELEASE: "end a lock-down",
    Verb.ANNOUNCE: "say a text once, now",
    Verb.RELOAD: "read the station's configuration anew",
    Verb.RESEND_RANGE: "let rows of the journal be sent again",
    Verb.PING: "ask for an answer",
    Verb.COLLECT_LOGS: "fetch the log of the last minutes",
}


class CommandError(ValueError):
    """The command cannot be given, or some station has not done it. The message says why."""


def add(subcommands: Commands) -> None:
    """Declare the commands."""
    verbs = group(subcommands, "command", "signed commands to stations")
    for verb, about in _ABOUT.items():
        parser = verbs.add_parser(verb.value, help=about, description=about)
        with_config(parser)
        with_office(parser, _command)
        parser.set_defaults(verb=verb)
        parser.add_argument("--key", required=True, metavar="NAME", help="signing key, with the role command")
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--station", action="append", metavar="ID", help="may be repeated")
        whom.add_argument("--zone", metavar="PREFIX", help="all stations whose area code begins so")
        whom.add_argument("--all", action="store_true", help="every station")
        parser.add_argument(
            "--expires", type=int, default=60, metavar="SECONDS", help="how long it may be taken, default 60"
        )
        _add_arguments(verb, parser)


def _add_arguments(verb: Verb, parser: argparse.ArgumentParser) -> None:
    if verb is Verb.OPEN_ONCE:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--lane", metavar="ID")
        which.add_argument("--direction", choices=[way.value for way in Direction])
    elif verb is Verb.ANNOUNCE:
        parser.add_argument("--zh", metavar="TEXT", help="what is said in Chinese")
        parser.add_argument("--en", metavar="TEXT", help="what is said in English")
    elif verb is Verb.RESEND_RANGE:
        parser.add_argument("--first", type=int, required=True, metavar="SEQ")
        parser.add_argument("--last", type=int, required=True, metavar="SEQ")
    elif verb is Verb.COLLECT_LOGS:
        parser.add_argument("--minutes", type=int, default=10, help="1 to 1440, default 10")
        parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="folder for STATION.log")


def _arguments(options: argparse.Namespace) -> dict[str, object]:
    match options.verb:
        case Verb.OPEN_ONCE:
            return {"lane": options.lane} if options.lane else {"direction": options.direction}
        case Verb.ANNOUNCE:
            return {"texts": {name: text for name in ("zh", "en") if (text := getattr(options, name))}}
        case Verb.RESEND_RANGE:
            return {"first": options.first, "last": options.last}
        case Verb.COLLECT_LOGS:
            return {"minutes": options.minutes}
        case _:
            return {}


def _command(options: argparse.Namespace) -> Iterator[str]:
    if not 1 <= options.expires <= commands.LONGEST_LIFE_S - EARLY_S:
        raise CommandError(f"--expires {options.expires}: 1 to {commands.LONGEST_LIFE_S - EARLY_S} seconds")
    key = _key(options)
    url = load(options.config).database.url

    def work(_: str) -> Iterator[str]:
        store = Store(url)
        try:
            store.open()
        finally:
            store.close()
        table = CommandTable(url)
        try:
            yield from _carry_out(options, key, table)
        finally:
            table.close()

    return with_database(work, options)


def _key(options: argparse.Namespace) -> SigningKey:
    keyring = Keyring(options.office)
    record = keyring.record(options.key)
    if Role.COMMAND not in record.roles:
        raise KeyringError(
            f"key {options.key} has no role command; make one with: gate-central keys issuer NAME --role command"
        )
    return keyring.key(options.key)


def _carry_out(options: argparse.Namespace, key: SigningKey, table: CommandTable) -> Iterator[str]:
    known = table.addressees()
    chosen = _chosen(options, known)
    order = Order(options.verb.value, _arguments(options), int(time.time()) + options.expires, key.kid.hex())
    numbers, unsent = _issue(options, key, order, chosen, table)
    patience = GRACE_S + (LOGS_S if options.verb is Verb.COLLECT_LOGS else 0)
    found = _await(table, numbers, order.expires + patience)
    yield from _table(found, unsent)
    yield from _texts(found, options)
    if options.zone and (unplaced := [to.station for to in known if not to.zone]):
        yield f"not asked, for they have not told their zone: {', '.join(unplaced)}"
    undone = len(unsent) + sum(one.outcome != "done" for one in found)
    if undone:
        raise CommandError(f"{undone} of {len(chosen)} stations have not done it")


def _issue(
    options: argparse.Namespace, key: SigningKey, order: Order, chosen: Iterable[Addressee], table: CommandTable
) -> tuple[list[str], dict[str, str]]:
    """Issue the order to each station; return the commands' numbers, and of the others why they get none."""
    trust = newest_bundle(options.office)
    numbers, unsent = list[str](), dict[str, str]()
    for to in chosen:
        if to.epoch is None:
            unsent[to.station] = "it has never said hello"
            continue
        try:
            numbers.append(table.issue(to, order, _signer(trust, key, order, to)))
        except CommandError as error:
            unsent[to.station] = str(error)
    return numbers, unsent


def _chosen(options: argparse.Namespace, known: list[Addressee]) -> list[Addressee]:
    by_name = {to.station: to for to in known}
    if options.station:
        if unknown := [name for name in options.station if name not in by_name]:
            raise CommandError(f"central has never heard of {', '.join(unknown)}; is the name right?")
        return [by_name[name] for name in dict.fromkeys(options.station)]
    chosen = [to for to in known if options.all or to.zone.startswith(options.zone)]
    if not chosen:
        raise CommandError("no station is meant; see the table station of the central database")
    return chosen


def _signer(trust: TrustBundle, key: SigningKey, order: Order, to: Addressee) -> Callable[[int], bytes]:
    """Return what signs the command under a counter; it raises CommandError where the station would refuse it."""

    def sign(counter: int) -> bytes:
        now = int(time.time())
        here = Recipient(to.station, to.zone, to.epoch or 0, counter, to.boot_nonce)
        times = (now - EARLY_S, order.expires)
        content = commands.payload(here, secrets.token_bytes(commands.ID_LENGTH), times, order.verb, order.arguments)
        raw = cose.sign1(content, key.kid, key.private)
        before = Recipient(to.station, to.zone, to.epoch or 0, counter - 1, to.boot_nonce)
        verdict = commands.open_command(raw, trust, before, Instant(now * 1_000_000, 0))
        if isinstance(verdict, Rejected):
            raise CommandError(f"it would refuse: {verdict.reason}: {verdict.detail}")
        return raw

    return sign


def _await(table: CommandTable, numbers: list[str], until: float) -> list[Issued]:
    """Wait until all have answered, or none can any more."""
    while True:
        found = table.issued(numbers)
        if all(one.outcome for one in found) or time.time() > until:
            return found
        time.sleep(POLL_S)


def _table(found: Iterable[Issued], unsent: Mapping[str, str]) -> Iterator[str]:
    rows = [_HEAD]
    rows += [(one.station, str(one.counter), *_said(one)) for one in found]
    rows += [(station, "-", "not sent", why) for station, why in unsent.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _said(one: Issued) -> tuple[str, str]:
    if one.outcome == UNHEARD:
        return "no answer", "it was not connected"
    if not one.outcome:
        return "no answer", "it may have been taken" if one.published else "no collector is running"
    return one.outcome, ": ".join(part for part in (one.reason, one.detail) if part)


def _texts(found: Iterable[Issued], options: argparse.Namespace) -> Iterator[str]:
    for one in found:
        if one.texts:
            path = options.into / f"{one.station}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(one.texts), encoding="utf-8")
            yield str(path)
