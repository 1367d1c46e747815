"""Answers to commands go up until the broker has them; what the station has passed on is done here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from station.schema import BOOT_NONCE
from sync import logs, wire
from sync.commands import AGAIN_S, AnswerDesk
from sync.outbox import JournalError, Outbox
from sync.store import MAX_COMMANDS, SyncStore
from tests.sync.lab import Journal, until

NUMBER = "00112233445566ff"


class Desk:
    """An answer desk over the two real files; the connection remembers what it was given."""

    def __init__(self, folder: Path, collect: Callable[[int], list[str]] = lambda minutes: [f"{minutes} min"]) -> None:
        self.folder = folder
        self.journal = Journal(folder / "station" / "journal.db")
        self.store = SyncStore(folder / "sync")
        self.outbox = Outbox(folder / "station" / "journal.db")
        self.asked: list[tuple[int, int]] = []
        self.hellos = 0
        self._collect = collect
        self.now = 100.0
        self.begin()

    def begin(self) -> None:
        """Start gate-sync's half anew."""
        self.sent: list[tuple[str, wire.Response]] = []
        self.broken = False
        self.desk = AnswerDesk(self.outbox, self.store, self._resend, self._greet, lambda: None, self._collect)
        self.desk.work(self.now)  # it runs before there is a connection
        self.desk.connected(self._publish)

    def _resend(self, first: int, last: int) -> str:
        self.asked.append((first, last))
        return "they go"

    def _greet(self) -> None:
        self.hellos += 1

    def _publish(self, leaf: str, payload: bytes, _content_type: str) -> int | None:
        if self.broken:
            return None
        self.sent.append((leaf, wire.decode(payload, wire.Response)))
        return len(self.sent)

    def answer(self, **changes: object) -> None:
        """Let the station have answered a command."""
        body = {"outcome": "done", "reason": "", "verb": "ping", "counter": 1, "detail": "", "arguments": {}} | changes
        self.station("INSERT INTO answer(command, body) VALUES (?, ?)", (NUMBER, json.dumps(body)))

    def station(self, sql: str, values: tuple[object, ...] = ()) -> None:
        """Do something in journal.db as the station."""
        self.journal._db.execute(sql, values)

    def work(self, seconds: float = 0.0) -> None:
        """Let the loop come round."""
        self.now += seconds
        self.desk.work(self.now)

    def puback(self, mid: int, reason: int = 0) -> None:
        """Let the broker answer."""
        self.desk.published(mid, reason, self.now)

    def close(self) -> None:
        """Close the files."""
        self.desk.close()
        self.outbox.close()
        self.store.close()
        self.journal.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A connected desk."""
    made = Desk(tmp_path)
    yield made
    made.close()


# --- on their way up -------------------------------------------------------------------------------------------------


def test_answers_go_one_after_the_other(desk: Desk) -> None:
    """The second waits for the PUBACK of the first; each carries its command's number in topic and text."""
    desk.answer(verb="ping")
    desk.answer(outcome="refused", reason="command-expired", verb="", counter=7, detail="late")
    desk.work()
    desk.work()
    assert [leaf for leaf, _ in desk.sent] == [f"rsp/{NUMBER}"]
    desk.puback(1)
    desk.work()
    _, told = desk.sent[1]
    assert (told.id, told.outcome, told.reason, told.counter) == (NUMBER, "refused", "command-expired", 7)
    desk.puback(2)
    desk.work()
    assert len(desk.sent) == 2


def test_until_the_puback_an_answer_is_sent_again(desk: Desk) -> None:
    """A lost connection, a kill, a refusal and a broker without subscribers: it is sent again, and then no more."""
    desk.answer()
    desk.work()
    desk.desk.disconnected()
    desk.work()
    desk.desk.connected(desk._publish)
    desk.work()
    assert len(desk.sent) == 2
    for reason in (wire.NO_SUBSCRIBER, 0x97):
        desk.puback(len(desk.sent), reason)
        before = len(desk.sent)
        desk.work(AGAIN_S / 2)
        assert len(desk.sent) == before
        desk.work(AGAIN_S / 2)
        assert len(desk.sent) == before + 1
    desk.begin()
    desk.work()
    desk.puback(1)
    desk.begin()
    desk.work()
    assert desk.sent == []


def test_without_a_connection_it_waits(desk: Desk) -> None:
    """A message that could not be handed to the connection is not taken for sent."""
    desk.answer()
    desk.broken = True
    desk.work()
    desk.broken = False
    desk.work(AGAIN_S)
    assert len(desk.sent) == 1


def test_a_damaged_answer_holds_nobody_up(desk: Desk) -> None:
    """What cannot be read is left out and said once; the answers behind it go."""
    for body in ("", "[]", '{"outcome": "done"}', '{"outcome": 1, "reason": 2, "verb": 3, "counter": "x"}'):
        desk.station("INSERT INTO answer(command, body) VALUES (?, ?)", (NUMBER, body))
    desk.answer(verb="ping")
    desk.work()
    assert [told.verb for _, told in desk.sent] == ["ping"]


def test_another_stream_has_answers_of_its_own(desk: Desk) -> None:
    """After a quarantine numbers begin anew; the answers of the new journal are sent all the same."""
    desk.answer()
    desk.work()
    desk.puback(1)
    desk.station("UPDATE stream SET epoch = epoch + 1")
    desk.work()
    assert len(desk.sent) == 2


# --- what is passed on -----------------------------------------------------------------------------------------------


def test_a_range_is_handed_to_the_uplink(desk: Desk) -> None:
    """The rows are asked for once, and the answer tells what became of it."""
    desk.answer(outcome="passed-on", verb="resend-range", arguments={"first": 3, "last": 9})
    desk.work()
    assert desk.asked == [(3, 9)]
    (told,) = (told for _, told in desk.sent)
    assert (told.outcome, told.detail) == ("done", "they go")


def test_logs_come_in_parts_and_are_done_when_all_are_there(tmp_path: Path) -> None:
    """Three parts are three messages; the next answer waits for the last of their PUBACKs."""
    desk = Desk(tmp_path, lambda minutes: [f"{minutes} a", "b", "c"])
    desk.answer(outcome="passed-on", verb="collect-logs", arguments={"minutes": 7})
    desk.answer()
    desk.work()
    until(lambda: desk.work() or desk.sent, what="the logs")
    assert [(told.part, told.parts, told.text) for _, told in desk.sent] == [(1, 3, "7 a"), (2, 3, "b"), (3, 3, "c")]
    for mid in (2, 1):
        desk.puback(mid)
        desk.work()
    assert len(desk.sent) == 3
    desk.desk.disconnected()  # a link that breaks now must not lose the third part
    desk.desk.connected(desk._publish)
    until(lambda: desk.work() or len(desk.sent) > 3, what="the logs, again")
    assert [(told.part, told.text) for _, told in desk.sent[3:]] == [(1, "7 a"), (2, "b"), (3, "c")]
    for mid in (4, 5, 6):
        desk.puback(mid)
    desk.work()
    assert len(desk.sent) == 7
    desk.close()


# --- once at most ----------------------------------------------------------------------------------------------------

PASSED_ON = [("resend-range", {"first": 3, "last": 9}), ("collect-logs", {"minutes": 7})]


@pytest.fixture
def done(tmp_path: Path) -> Iterator[tuple[Desk, list[str]]]:
    """A desk, and what it has carried out."""
    did = list[str]()
    made = Desk(tmp_path, lambda minutes: did.append("collect-logs") or [f"{minutes} min"])
    made._resend = lambda *_: did.append("resend-range") or "they go"  # type: ignore[method-assign]
    made.begin()
    yield made, did
    made.close()


def pass_on(desk: Desk, verb: str, arguments: dict[str, int]) -> None:
    """Let the station pass a command on, and wait for its answer to be sent."""
    before = len(desk.sent)
    desk.answer(outcome="passed-on", verb=verb, arguments=arguments)
    until(lambda: desk.work() or len(desk.sent) > before, what="the answer")


@pytest.mark.parametrize(("verb", "arguments"), PASSED_ON)
@pytest.mark.parametrize("what", ["stream", "sync.db", "kill"])
def test_nothing_is_carried_out_twice(
    done: tuple[Desk, list[str]], tmp_path: Path, verb: str, arguments: dict[str, int], what: str
) -> None:
    """A new stream and a new sync.db send old answers again, as data; a kill before the PUBACK is an interruption."""
    desk, did = done
    pass_on(desk, verb, arguments)
    match what:
        case "stream":
            desk.puback(1)
            desk.station("UPDATE stream SET epoch = epoch + 2")
        case "sync.db":
            desk.puback(1)
            desk.store.close()
            desk.store = SyncStore(tmp_path / "another")
            desk.begin()
        case "kill":
            desk.begin()
    before = len(desk.sent)
    until(lambda: desk.work() or len(desk.sent) > before, what="the old answer")
    assert did == [verb]
    _, told = desk.sent[-1]
    assert (told.id, told.outcome, told.reason) == (NUMBER, "interrupted", "command-interrupted")
    desk.puback(len(desk.sent))
    pass_on(desk, verb, arguments)
    assert did == [verb, verb], "a new command is carried out"
    assert desk.sent[-1][1].outcome == "done"


@pytest.mark.parametrize(("verb", "arguments"), PASSED_ON)
def test_a_refusal_or_a_broken_link_carries_nothing_out_again(
    done: tuple[Desk, list[str]], verb: str, arguments: dict[str, int]
) -> None:
    """Nobody listens for a while, then the link breaks: the same answer goes again and again."""
    desk, did = done
    pass_on(desk, verb, arguments)
    for _ in range(3):
        desk.puback(len(desk.sent), wire.NO_SUBSCRIBER)
        desk.work(AGAIN_S)
    desk.desk.disconnected()
    desk.desk.connected(desk._publish)
    desk.work()
    assert did == [verb]
    assert [told for _, told in desk.sent] == [desk.sent[0][1]] * 5
    desk.puback(len(desk.sent))
    desk.work(AGAIN_S)
    assert len(desk.sent) == 5


def test_a_journal_that_cannot_be_read_in_between_is_an_interruption(done: tuple[Desk, list[str]]) -> None:
    """Nobody knows how far it came: it is not tried again, and the answers behind it go."""
    desk, _ = done

    def fail(_first: int, _last: int) -> str:
        raise JournalError("torn")

    desk._resend = fail  # type: ignore[method-assign]
    desk.begin()
    desk.answer(outcome="passed-on", verb="resend-range", arguments={"first": 1, "last": 2})
    with pytest.raises(JournalError):
        desk.work()
    desk.work()
    assert [told.outcome for _, told in desk.sent] == ["interrupted"]


# --- more that is passed on ------------------------------------------------------------------------------------------


def test_logs_that_cannot_be_read_are_a_failure_with_a_reason(tmp_path: Path) -> None:
    """Without journalctl the answer says so."""
    desk = Desk(tmp_path, lambda minutes: logs.collect(minutes, str(tmp_path / "no-such-journalctl")))
    desk.answer(outcome="passed-on", verb="collect-logs", arguments={"minutes": 7})
    desk.work()
    until(lambda: desk.work() or desk.sent, what="the failure")
    (told,) = (told for _, told in desk.sent)
    assert (told.outcome, told.reason) == ("failed", "command-impossible")
    assert "systemd-journal" in told.detail
    desk.close()


def test_a_new_start_of_the_station_is_told(desk: Desk) -> None:
    """Central must know the number of this start: when it changes, hello is said once more."""
    for nonce, hellos in ((b"one-----", 0), (b"one-----", 0), (b"two-----", 1), (b"two-----", 1)):
        desk.station("INSERT OR REPLACE INTO state VALUES (?, ?)", (BOOT_NONCE, nonce))
        desk.work()
        assert desk.hellos == hellos
    assert desk.outbox.boot_nonce() == b"two-----".hex()


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_a_command_delivered_twice_is_kept_once(tmp_path: Path) -> None:
    """QoS 1 may deliver twice; retained and not are two, for one of them must be refused. Few are kept."""
    store = SyncStore(tmp_path)
    assert store.put_command(b"open", retained=False)
    assert not store.put_command(b"open", retained=False)
    assert store.put_command(b"open", retained=True)
    for number in range(2 * MAX_COMMANDS):
        store.put_command(b"%d" % number, retained=False)
    database: apsw.Connection = store._connection
    kept = [raw for (raw,) in database.execute("SELECT raw FROM command ORDER BY id")]
    assert kept == [b"%d" % number for number in range(MAX_COMMANDS, 2 * MAX_COMMANDS)]
    store.close()
