"""A sync.db or journal.db made anew, whatever the clock said: what arrives is taken, and no command a second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.core.documents import DocumentType
from station.core.reasons import Reason
from station.guard_screen import Condition
from station.health import Ailment
from station.papers import paper_ailments
from sync.store import SyncStore
from tests.core.commanding import command_rows
from tests.core.issuing import NOW, document_raw, rule, table, trust_raw
from tests.flow.command_bench import CommandBench
from tests.flow.signed_papers import chunk, status_raw

YEAR_US = 366 * 86_400_000_000
BEHIND, RIGHT, AHEAD = NOW * 1_000_000 - YEAR_US, NOW * 1_000_000, NOW * 1_000_000 + YEAR_US


class Card:
    """A gate whose sync.db is gate-sync's own; what is written into it comes as from the broker."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self._monkeypatch = CommandBench(folder), monkeypatch
        self.store: SyncStore | None = None
        self.new_sync(RIGHT)

    def new_sync(self, clock_us: int) -> None:
        """Damage sync.db, and let gate-sync begin a new one while the machine's clock says `clock_us`."""
        self.bench.sync.close()
        self._monkeypatch.setattr("sync.store.now_us", lambda: clock_us)
        for path in self.bench.folder.glob("sync.db*"):
            path.unlink()
        (self.bench.folder / "sync.db").write_bytes(b"not a database, " * 512)
        self.store = SyncStore(self.bench.folder)
        self.bench.sync = self.store._connection
        self.bench.hear_of_central()

    def new_journal(self) -> None:
        """Damage journal.db, and let the station begin a new one."""
        self.bench._release()
        for suffix in ("", "-wal"):
            (self.bench.folder / f"journal.db{suffix}").write_bytes(b"not a database, " * 512)
        self.bench._open("boot-2")
        assert self.bench.journal.quarantined
        self.bench.hear_of_central()

    def publish(self, seq: int) -> None:
        """Let the broker hand out everything that it retains."""
        policy = document_raw("policy", table(rule(id="welcome")), seq=seq)
        documents = {
            "policy": policy,
            "status": status_raw(chunk(), seq=seq),
            "status-chunk": chunk(),
            "trust": trust_raw(command_rows(), seq=seq),
        }
        assert self.store is not None
        for kind, raw in documents.items():
            self.store.put_document(f"gs/1/doc/all/{kind}/0", kind, raw)

    def holds(self, seq: int) -> bool:
        """Let the gate look, and say whether these documents are in force."""
        for _ in range(3):
            self.bench.tend()
        in_force = self.bench.gate._documents.in_force
        kinds = (DocumentType.TRUST, DocumentType.POLICY, DocumentType.STATUS)
        return [in_force[kind].seq for kind in kinds if kind in in_force] == [seq] * 3


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    """A gate that has taken documents number 2 and three commands from a sync.db."""
    made = Card(tmp_path, monkeypatch)
    made.publish(2)
    assert made.holds(2)
    for _ in range(3):
        assert made.bench.command("ping")["outcome"] == "done"
    yield made
    made.bench.close()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("clock_us", [BEHIND, RIGHT, AHEAD])
def test_a_new_sync_db_is_heard(card: Card, clock_us: int, restart: bool) -> None:
    """Made while the clock is behind, right or ahead: documents and commands in the new file are taken."""
    card.new_sync(clock_us)
    if restart:
        card.bench.restart()
    card.publish(3)
    assert card.holds(3)
    assert card.bench.command("open-once", lane="in")["outcome"] == "done"
    card.new_sync(RIGHT)
    card.publish(4)
    assert card.holds(4)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("clock_us", [BEHIND, RIGHT, AHEAD])
def test_what_was_taken_before_is_taken_once(card: Card, clock_us: int, restart: bool) -> None:
    """Through a new file the same documents are no event, and the same command is refused as a replay."""
    raw = card.bench.raw("open-once", lane="in")
    card.bench.receive(raw)
    card.bench.tend()
    assert card.bench.open("in")
    card.new_sync(clock_us)
    card.bench.restart()  # the door is shut again
    if restart:
        card.bench.restart()
    before = len(card.bench.journal.last(1000))
    card.publish(2)
    card.bench.receive(raw)
    assert card.holds(2)
    assert not card.bench.open("in")
    assert card.bench.told()[-1] == ("refused", Reason.COMMAND_REPLAYED)
    assert len(card.bench.journal.last(1000)) == before + 1


@pytest.mark.parametrize("clock_us", [BEHIND, RIGHT, AHEAD])
def test_both_files_anew(card: Card, clock_us: int) -> None:
    """A new journal reads the inbox from its beginning, the old file's as a new one's; old commands are not its own."""
    raw = card.bench.raw("open-once", lane="in")
    card.new_journal()
    assert card.holds(2)
    card.new_sync(clock_us)
    card.publish(3)
    assert card.holds(3)
    card.bench.receive(raw)
    card.bench.tend()
    assert card.bench.told()[-1] == ("refused", Reason.COMMAND_OTHER_EPOCH)
    assert not card.bench.open("in")


def test_a_new_journal_has_the_last_good_documents(card: Card) -> None:
    """Long out of date and in force, they are in force in the new journal, too, and shown as out of date in both."""
    card.bench.clock.move(YEAR_US / 1e6)
    assert card.holds(2)
    before = paper_ailments(card.bench.gate._documents, card.bench.clock.now())
    assert before["policy"] == Ailment("health-policy-stale", Condition.DEGRADED)
    card.new_journal()
    assert card.holds(2)
    assert paper_ailments(card.bench.gate._documents, card.bench.clock.now()) == before
