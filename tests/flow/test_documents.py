"""Documents in force: only what verifies and is newer, whatever the order, also across a restart."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import pytest

from station.core import cose
from station.core.documents import DocumentType
from station.core.events import Event, Kind, decode
from station.core.model import ClockState, Instant, Rejected
from station.core.ration import NOTED, WITHIN_US
from station.core.reasons import Reason
from station.documents import INBOX_MARK, Documents, Taken, Waiting
from station.inbox import Mark
from station.journal import Journal
from station.waiting import MOST_WAITING
from tests.core.issuing import ROOTS, STRANGER
from tests.demo.office import ZONE, Office

NOW = Instant(time.time_ns() // 1000 + 3_600_000_000, 5_000_000)
"""An hour after this file was read: the office signs when its first test begins, which may be many minutes later."""


class Shelf:
    """A station's documents over its journal, reopened at will."""

    def __init__(self, folder, office: Office) -> None:
        self.folder, self.office, self.chunks = folder, office, {}
        self.journal = Journal(folder, "boot-1")
        self.documents = self._open()

    def _open(self) -> Documents:
        roots = [bytes.fromhex(root) for root in self.office.roots]
        return Documents(self.journal, roots, ZONE, self.chunks.get)

    def restart(self) -> None:
        """Close and open everything, as a restart does."""
        self.journal.close()
        self.journal = Journal(self.folder, "boot-2")
        self.documents = self._open()

    def raw(self, kind: str) -> bytes:
        return (self.office.shelf.folder / f"{kind}.cose").read_bytes()

    def bring_chunks(self) -> None:
        """Let the chunks of the office's newest manifest arrive."""
        self.chunks.update({hashlib.sha256(chunk).digest(): chunk for _, chunk in self.office.shelf.chunks()})

    def results(self) -> list[object]:
        """The results of the recorded document events."""
        return [event.payload["result"] for event in self.events()]

    def events(self) -> list[Event]:
        """The recorded document events."""
        return [event for _, raw in self.journal.last(100) if (event := decode(raw)).kind == Kind.DOCUMENT]

    @property
    def mark(self) -> int:
        return Mark.recall(self.journal.state(INBOX_MARK)).row


@pytest.fixture
def shelf(tmp_path):
    """An empty station and an office with one of each document."""
    office = Office(tmp_path / "office")
    office.issue()
    office.sign_status()
    made = Shelf(tmp_path / "station", office)
    yield made
    made.journal.close()


def test_any_order_ends_with_all_in_force(shelf):
    """A broker hands retained documents out in any order: policy and list wait for the bundle that names their keys."""
    shelf.bring_chunks()
    assert isinstance(shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=1)), Rejected)
    assert isinstance(shelf.documents.offer("status", shelf.raw("status"), NOW, Mark(row=2)), Rejected)
    assert isinstance(shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=3)), Taken)
    assert set(shelf.documents.in_force) == {DocumentType.TRUST, DocumentType.POLICY, DocumentType.STATUS}
    assert shelf.mark == 3
    shelf.restart()
    assert set(shelf.documents.in_force) == {DocumentType.TRUST, DocumentType.POLICY, DocumentType.STATUS}
    assert shelf.documents.policy is not None


def test_what_waits_is_not_forgotten_by_a_restart(shelf):
    """While a manifest waits for chunks, the inbox is not marked as read beyond it."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=1))
    assert shelf.documents.offer("status", shelf.raw("status"), NOW, Mark(row=2)) == Waiting(1)
    shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=3))
    assert shelf.mark == 1
    shelf.bring_chunks()
    assert shelf.documents.retry(NOW) == [Taken(DocumentType.STATUS, 1)]
    assert shelf.documents.statuses is not None


def judgements(monkeypatch, of) -> list[object]:
    """Return a list to which every verification of a document from now on is added."""
    made: list[object] = []
    judge = of._consider
    monkeypatch.setattr(of, "_consider", lambda arrived, now: made.append(arrived.kind) or judge(arrived, now))
    return made


def test_what_waits_is_not_judged_every_second(shelf, monkeypatch):
    """Verifying costs time that the gate thread has not: what waits is judged once for each bundle, set or chunk."""
    shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=1))
    shelf.documents.offer("status", shelf.raw("status"), NOW, Mark(row=2))
    made = judgements(monkeypatch, shelf.documents)
    for _ in range(5):
        shelf.documents.retry(NOW)
    assert made == []
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=3))
    shelf.documents.retry(NOW)
    assert made == ["trust", "policy", "status"]
    made.clear()
    for _ in range(5):
        shelf.documents.retry(NOW)
    assert made == []
    shelf.bring_chunks()
    assert shelf.documents.retry(NOW) == [Taken(DocumentType.STATUS, 1)]
    assert made == ["status"]


def test_stuffed_bundles_do_not_stall_the_gate(shelf, monkeypatch):
    """However many bundles of strange signatures a broker sends, few wait, and none is verified a second time."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=1))
    for number in range(2, 40):
        strange = [(root.kid, STRANGER.private) for root in ROOTS] * 2
        shelf.documents.offer("trust", cose.sign(b"%d" % number, strange), NOW, Mark(row=number))
    made = judgements(monkeypatch, shelf.documents)
    shelf.documents.retry(NOW)
    assert made == []
    assert shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=40)) == Taken(DocumentType.POLICY, 1)
    shelf.documents.retry(NOW)
    assert made.count("trust") == MOST_WAITING
    stuffed = cose.sign(b"stuffed", [(STRANGER.kid, STRANGER.private)] * (cose.MOST_SIGNATURES + 1))
    refused = shelf.documents.offer("trust", stuffed, NOW, Mark(row=41))
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.DOCUMENT_MALFORMED


def test_a_document_under_a_wrong_name_does_not_stand_in_its_own_way(shelf):
    """A broker that hands out the policy as a list first does not keep it out by that."""
    shelf.documents.offer("status", shelf.raw("policy"), NOW, Mark(row=1))
    shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=2))
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=3))
    assert DocumentType.POLICY in shelf.documents.in_force


def test_what_waits_is_looked_for_in_a_new_file(shelf):
    """When sync.db is made anew, what waits arrives there once more, and is not marked as read in that file either."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(b"one", 1))
    shelf.documents.offer("status", shelf.raw("status"), NOW, Mark(b"one", 2))
    shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(b"two", 1))
    shelf.documents.offer("status", shelf.raw("status"), NOW, Mark(b"two", 2))
    shelf.documents.offer("nonsense", b"", NOW, Mark(b"two", 3))
    assert Mark.recall(shelf.journal.state(INBOX_MARK)) == Mark(b"two", 1)
    shelf.bring_chunks()
    shelf.documents.retry(NOW)
    assert Mark.recall(shelf.journal.state(INBOX_MARK)) == Mark(b"two", 3)


def test_an_older_manifest_never_overtakes_a_newer_one(shelf):
    """Of two waiting manifests the newer ends in force, whichever came first; the older is refused as rollback."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=1))
    older = shelf.raw("status")
    shelf.office.issue()
    shelf.office.sign_status()
    newer = shelf.raw("status")
    shelf.documents.offer("status", newer, NOW, Mark(row=2))
    shelf.documents.offer("status", older, NOW, Mark(row=3))
    shelf.bring_chunks()
    shelf.documents.retry(NOW)
    assert shelf.documents.in_force[DocumentType.STATUS].seq == 2
    shelf.restart()
    assert shelf.documents.in_force[DocumentType.STATUS].seq == 2


def test_rollback_is_refused_across_a_restart(shelf):
    """An older policy is refused with its reason and recorded; the newer one stays in force."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW)
    old = shelf.raw("policy")
    shelf.documents.offer("policy", old, NOW)
    shelf.office.sign_policy("control")
    shelf.documents.offer("policy", shelf.raw("policy"), NOW)
    shelf.restart()
    refused = shelf.documents.offer("policy", old, NOW)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.DOCUMENT_ROLLBACK
    assert shelf.documents.policy.level(ZONE) == "control"
    assert shelf.results()[-1] == "document-rollback"


def test_a_wrong_chunk_is_not_taken_for_the_right_one(shelf):
    """Only bytes with the hash that the manifest names count; until they come, the manifest waits."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW)
    shelf.bring_chunks()
    for digest in shelf.chunks:
        shelf.chunks[digest] = b"x" * 16384
    assert shelf.documents.offer("status", shelf.raw("status"), NOW) == Waiting(1)


def test_documents_of_a_withdrawn_key_stay_and_say_so(shelf):
    """A bundle without the policy's key turns nobody away: the last good policy stays, marked, also after a restart."""
    shelf.bring_chunks()
    for kind in ("trust", "policy", "status"):
        shelf.documents.offer(kind, shelf.raw(kind), NOW)
    keyring = shelf.office.keyring
    records = [record for record in keyring.records() if record.name != "central"]
    keyring.records = lambda: records
    now = int(time.time())
    shelf.documents.offer("trust", shelf.office.shelf.sign_trust(keyring, (now, now + 100_000)), NOW)
    assert shelf.documents.withdrawn(DocumentType.POLICY)
    shelf.restart()
    assert shelf.documents.policy is not None
    assert shelf.documents.withdrawn(DocumentType.POLICY)


def test_a_lost_clock_takes_signed_documents_and_learns_from_them(shelf):
    """A station that does not know the time takes what is signed; its date is at least a floor."""
    lost = replace(NOW, wall_us=1_000_000, state=ClockState.LOST)
    assert isinstance(shelf.documents.offer("trust", shelf.raw("trust"), lost), Taken)
    assert shelf.documents.signed_us > 1_700_000_000_000_000


def test_rubbish_does_not_fill_the_journal(shelf):
    """However much is refused, an hour's journal holds a few refusals and one number; good documents are taken."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW, Mark(row=1))
    before = shelf.journal.seq
    for number in range(500):
        assert isinstance(shelf.documents.offer("nonsense", b"%d" % number, NOW, Mark(row=2 + number)), Rejected)
    assert shelf.journal.seq == before + NOTED
    assert shelf.documents.offer("policy", shelf.raw("policy"), NOW, Mark(row=502)) == Taken(DocumentType.POLICY, 1)
    assert shelf.mark == 502
    hour = replace(NOW, mono_us=NOW.mono_us + WITHIN_US)
    for _ in range(3):
        shelf.documents.retry(hour)
    (told,) = [event.payload for event in shelf.events() if "count" in event.payload]
    assert told == {"result": "refused", "count": 500 - NOTED}
    shelf.documents.offer("nonsense", b"once more", hour)
    assert shelf.results()[-1] == "document-out-of-role"


def test_what_is_only_counted_is_read_up_to_all_the_same(shelf):
    """With the hour's number it is also kept how far the inbox is read, so that a restart does not begin before it."""
    for number in range(1, 101):
        shelf.documents.offer("nonsense", b"%d" % number, NOW, Mark(row=number))
    assert shelf.mark == NOTED
    shelf.documents.retry(replace(NOW, mono_us=NOW.mono_us + WITHIN_US))
    assert shelf.mark == 100


@pytest.mark.parametrize("kind", ["trust", "policy", "status", "nonsense", "status-chunk"])
@pytest.mark.parametrize("raw", [b"", b"x", b"\x00" * 5000, b"\xd2\x84"])
def test_rubbish_is_refused_and_recorded(shelf, kind, raw):
    """Whatever arrives under whatever name is refused with a reason of its own, recorded, and nothing is raised."""
    shelf.documents.offer("trust", shelf.raw("trust"), NOW)
    assert isinstance(shelf.documents.offer(kind, raw, NOW, Mark(row=9)), Rejected)
    assert str(shelf.results()[-1]).startswith("document-")
