#!/opt/gate-station/bin/python
"""Writes what a busy gate writes, for ever, and tells the host of each thing after its commit returned.

    traffic.py FOLDER full|normal SEED

Everything goes through the station's own journal, recorder, register, reserve and documents. Now and then another
program holds the file's write lock, so that the journal fails and the reserve is used. `normal` weakens the journal's
durability (PRAGMA synchronous = NORMAL): the control, which has to lose rows.

A line for the host is JSON: {"seq", "head"} the journal's end; {"kept": n} an override in the reserve or the journal.
"""

import itertools
import json
import os
import random
import sys
import time
from pathlib import Path

import apsw

from station.clock import SystemClock
from station.config import RetentionConfig
from station.core.documents import DocumentType, Role
from station.core.events import Kind
from station.core.model import Credential, Decision, Direction, Live, Outcome, PassClass, Status
from station.core.reasons import Reason
from station.documents import Documents
from station.inbox import Inbox
from station.journal import FILE, Journal
from station.payloads import decision_payload, entered_payload
from station.recorder import Recorder
from station.records import boot_id
from station.register import Memo, Register
from station.reserve import Reserve
from station.retention import Retention
from station.schema import SYNC_DDL
from sync.central.issuer import DocumentShelf
from sync.central.keys import Keyring
from sync.central.status_register import StatusRegister

DAY_S = 86_400
PORT = "/dev/virtio-ports/lab.ack"
BEHIND = 150
"""Central acknowledges with so many rows of delay; what it has may be evicted."""
OUTAGE_EVERY, EVICT_EVERY, DOCUMENT_EVERY = 80, 20, 15
OFFICE, SYNC = Path("/root/powercut-office"), Path("/root/powercut-sync")
"""Not on the disk whose power is cut."""
NOTHING = Memo((), lambda: None)


class Office:
    """Signs status lists, one newer than the other."""

    def __init__(self, folder):
        self.keyring, self.shelf, self.register = Keyring(folder), DocumentShelf(folder), StatusRegister(folder)
        self.roots = list(self.keyring.create_roots())
        now = int(time.time())
        scope = (now - 2 * DAY_S, now + 30 * DAY_S)
        self.keyring.create("passes", [Role.PASS], ["3206"], list(PassClass), scope)
        self.keyring.create("central", [Role.POLICY, Role.STATUS], ["3206"], [], scope)
        self.kid = self.keyring.key("passes").kid
        self.shelf.sign_trust(self.keyring, scope)

    def chunk(self, digest):
        path = self.shelf.folder / "chunks" / f"{digest.hex()}.bin"
        return path.read_bytes() if path.exists() else None

    def status_list(self, index):
        self.register.set(self.kid, self.register.allocate(self.kid), Status(index % 4))
        now = int(time.time())
        return self.shelf.sign_status(self.register, self.keyring.key("central"), (now - 60, now + DAY_S))


class Central:
    """What gate-sync would write of central's acknowledgements."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.database = apsw.Connection(str(folder / "sync.db"))
        self.database.execute(SYNC_DDL)

    def has(self, journal, up_to):
        for (head,) in journal.rows("SELECT hash FROM event WHERE seq = ?", (up_to,)):
            values = (journal.epoch, up_to, head, 0)
            columns = "epoch, prefix, head, acked_us"
            self.database.execute(f"INSERT OR REPLACE INTO delivered({columns}) VALUES (?, ?, ?, ?)", values)


class Gate:
    """One lane's records, and the people who go through it."""

    def __init__(self, folder, mode, seed):
        self.random, self.tell = random.Random(seed), Path(PORT).open("wb", buffering=0)  # noqa: SIM115 - for ever
        self.folder, self.clock = folder, SystemClock(require_sync=False)
        self.journal = Journal(folder, boot_id())
        if mode == "normal":
            self.journal._db.execute("PRAGMA synchronous = NORMAL")
        self.recorder = Recorder(self.journal, Reserve(folder), lambda _fault: None)
        self.register = Register(self.journal, has_peers=False)
        self.office, self.central = Office(OFFICE), Central(SYNC)
        self.retention = Retention(self.journal, Inbox(SYNC), RetentionConfig(evict_at=0.2))
        self.documents = Documents(self.journal, self.office.roots, "320611001001", self.office.chunk)
        self.documents.offer(DocumentType.TRUST, self.office.shelf.path(DocumentType.TRUST).read_bytes(), self.now())
        self.committed()

    def now(self):
        return self.clock.now()

    def committed(self):
        self.say(seq=self.journal.seq, head=self.journal.head.hex())

    def say(self, **row):
        self.tell.write(json.dumps(row).encode() + b"\n")

    def visit(self, number):
        """Somebody is let in and goes through, or does not."""
        live = Live(self.now().seconds) if number % 3 == 0 else None
        person = Credential(
            self.office.kid, self.random.randbytes(8), 0, 2**31, PassClass.RESIDENT, "320611001001",
            frozenset(Direction), household=self.random.randbytes(6), live=live,
        )  # fmt: skip
        decision = Decision(Outcome.GRANT, Reason.GRANTED, "welcome", None, person)
        seq = self.commit(
            Kind.DECISION, decision_payload("in", "in", decision), self.register.granted([person], self.now())
        )
        if number % 4:
            payload = entered_payload("in", seq, "in", (person,))
            self.commit(Kind.PASSAGE, payload, self.register.passed([person], Direction.IN, self.now()))
        else:
            self.commit(Kind.PASSAGE, {"lane": "in", "of": seq, "what": "no-entry"})
        if number % 7 == 0:
            payload = {"lane": "in", "cti": person.cti.hex(), "operator": "g07", "why": "tried"}
            self.commit(Kind.FORGIVEN, payload, self.register.forgiven(person, self.now()))

    def commit(self, kind, payload, memo=NOTHING):
        """As station/lane_record.py does: the event and the register's changes in one transaction."""
        seq = self.recorder.commit(kind, payload, self.now(), memo.changes)
        memo.take_effect()
        self.committed()
        return seq

    def document(self, number):
        self.documents.offer(DocumentType.STATUS, self.office.status_list(number), self.now())
        self.committed()

    def outage(self, number):
        """The journal fails for a while: overrides go to the reserve and from there into the journal."""
        other = apsw.Connection(str(self.folder / FILE))
        other.execute("BEGIN IMMEDIATE")
        for kept in (2 * number, 2 * number + 1):
            payload = {"lane": "in", "outcome": "grant", "reason": "override", "operator": "g07", "why": f"kept {kept}"}
            self.recorder.commit_or_reserve(Kind.OVERRIDE, payload, self.now())
            self.say(kept=kept, after=self.journal.seq)

        other.execute("ROLLBACK")
        other.close()
        self.recorder.probe(self.now())
        self.committed()

    def run(self, numbers):
        for number in numbers:
            self.visit(number)
            if number % DOCUMENT_EVERY == 0:
                self.document(number)
            if number % EVICT_EVERY == 0:
                self.central.has(self.journal, self.journal.seq - BEHIND)
                self.retention.evict(self.retention.look(), self.now())
                self.committed()
            if number % OUTAGE_EVERY == OUTAGE_EVERY // 2:
                self.outage(number // OUTAGE_EVERY)


def main():
    folder, mode, seed = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.umask(0o027)
    Gate(Path(folder), mode, int(seed)).run(itertools.count(1))


if __name__ == "__main__":
    main()
