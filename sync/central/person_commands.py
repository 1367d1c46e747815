"""gate-central person: what the gates know of one person; found, handed out, erased. Needs the office's offline key."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from station.core.sealing import Personal, SealError, open_key, unseal
from sync.central.arguments import Commands, action, group
from sync.central.database_commands import opened, with_database
from sync.central.document_commands import with_config
from sync.central.export_files import shown
from sync.central.person_table import Known
from sync.central.personal_key import read_personal
from sync.central.store import Store

Work = Callable[[Store, "Unmasking"], Iterator[str]]


class Unmasking:
    """Opens what stations sealed. Each station's keys are opened once."""

    def __init__(self, store: Store, private: X25519PrivateKey) -> None:
        self._store, self._private = store, private
        self._keys: dict[str, list[bytes]] = {}
        self.shut = 0
        """How many could not be opened."""

    def open(self, known: Known) -> Personal:
        """Return what is known of the person; nothing where it was erased or does not open."""
        if known.sealed is None:
            return Personal()
        for key in self._keys_of(known.station):
            try:
                return unseal(key, known.sealed)
            except SealError:
                continue
        self.shut += 1
        return Personal()

    def _keys_of(self, station: str) -> list[bytes]:
        if station not in self._keys:
            self._keys[station] = list(self._opened(self._store.run_keys(station)))
        return self._keys[station]

    def _opened(self, sealed: list[bytes]) -> Iterator[bytes]:
        for one in sealed:
            try:
                yield open_key(one, self._private)
            except SealError:
                continue  # sealed for an office key before or after this one


def add(commands: Commands) -> None:
    """Declare the commands."""
    person = group(commands, "person", "what the gates know of one person; needs the office's key for personal fields")
    for name, work, about in (
        ("find", _find, "list the pass ids of a plate or masked name"),
        ("export", _export, "write everything that is known under a pass id to a file, as JSON lines"),
        ("erase", _erase, "erase name and plate of a pass id; the events stay, and their chain"),
    ):
        with_config(parser := action(person, name, _with_store(work), about))
        parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="the office's personal.key")
        if name == "find":
            parser.add_argument("--plate", help="number plate, whole")
            parser.add_argument("--name", help="masked name, as on the pass")
        else:
            parser.add_argument("cti", metavar="PASS", help="pass id, 16 hexadecimal digits")
        if name == "export":
            parser.add_argument("file", type=Path, metavar="FILE", help="new, for its owner alone to read")


def _with_store(work: Callable[[Store, Unmasking, argparse.Namespace], Iterator[str]]) -> Callable[..., Iterator[str]]:
    def run(options: argparse.Namespace) -> Iterator[str]:
        private = read_personal(options.key)

        def at(url: str) -> Iterator[str]:
            with opened(url) as store:
                unmasking = Unmasking(store, private)
                yield from work(store, unmasking, options)
                if unmasking.shut:
                    yield f"{unmasking.shut} events were sealed for another key: give that one too, in a second run"

        return with_database(at, options)

    return run


def _find(store: Store, unmasking: Unmasking, options: argparse.Namespace) -> Iterator[str]:
    found: dict[str, int] = {}
    for known in store.with_fields():
        personal = unmasking.open(known)
        if personal and options.plate in (None, personal.plate) and options.name in (None, personal.name):
            cti = str(known.event.payload.get("cti"))
            found[cti] = found.get(cti, 0) + 1
    for cti, count in found.items():
        yield f"{cti} {count} events"
    if not found:
        yield "nobody: no event knows of such a person"


def _export(store: Store, unmasking: Unmasking, options: argparse.Namespace) -> Iterator[str]:
    lines = []
    for known in store.with_fields():
        event = known.event
        if event.payload.get("cti") == options.cti:
            personal, time = unmasking.open(known), shown(event.wall_us, UTC)
            told = {"time": time, "station": known.station, "name": personal.name, "plate": personal.plate}
            line = json.dumps(told | dict(event.payload) | told, ensure_ascii=False) + "\n"  # ours first, and for good
            lines.append((time is None, event.wall_us, line))
    descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # Half a character, which a payload may hold and UTF-8 does not, is written as JSON's escape.
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(line for *_, line in sorted(lines))
    yield f"{options.file}: {len(lines)} events"


def _erase(store: Store, _unmasking: Unmasking, options: argparse.Namespace) -> Iterator[str]:
    places = [known.place for known in store.with_fields() if known.event.payload.get("cti") == options.cti]
    yield f"{store.erase(places)} of {len(places)} events had name or plate; they are erased"
    yield "Stations keep their sealed copies until their events are evicted; a restore of this database brings back"
    yield "what it held then: run this command again after one."
