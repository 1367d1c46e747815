"""Commands in the central database: counters that only rise, each published once, answers that stay."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from station.core import cose
from sync import wire
from sync.central.command_room import CommandRoom, is_answer
from sync.central.command_table import UNHEARD, Addressee, CommandTable, Order
from sync.central.store import Said, Store
from sync.mqtt import Received
from tests.sync.lab import KEY, KID, STATION, ZONE

FAR = 4_000_000_000
TO = Addressee(STATION, ZONE, 7, b"bootboot")
HELLO = wire.Hello(epoch=7, nonce=1, first_kept=1, next_seq=1, acked=0, head="0" * 64, zone=ZONE, boot_nonce="61" * 8)


def sign(counter: int) -> bytes:
    """Bytes that stand for a command."""
    return cose.sign1(b"%d" % counter, KID, KEY)


def order(verb: str = "ping", expires: int = FAR) -> Order:
    """What is commanded."""
    return Order(verb, {"lane": "in"}, expires, KID.hex())


def answer(number: str, outcome: str = "done", **more: object) -> wire.Response:
    """What a station says."""
    return wire.Response(id=number, outcome=outcome, **more)  # type: ignore[arg-type]


@pytest.fixture
def url(url: str) -> str:
    """A database of each kind with its tables."""
    store = Store(url)
    store.open()
    store.close()
    return url


@pytest.fixture
def table(url: str) -> Iterator[CommandTable]:
    """The tables."""
    made = CommandTable(url)
    yield made
    made.close()


class Broker:
    """Takes what is published, and hands out message ids while it is connected."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, int]] = []
        self.connected = True

    def publish(self, topic: str, payload: bytes, expiry_s: int) -> int | None:
        """Publish."""
        if not self.connected:
            return None
        self.sent.append((topic, payload, expiry_s))
        return len(self.sent)


# --- issued ----------------------------------------------------------------------------------------------------------


def test_counters_rise_per_station_whoever_issues(url: str) -> None:
    """Four offices issue at one time to two stations: no counter is given twice, none is left out."""
    tables = [CommandTable(url) for _ in range(4)]

    def work(one: CommandTable) -> None:
        for _ in range(5):
            for station in ("east", "west"):
                one.issue(Addressee(station, ZONE, 7, b""), order(), lambda c, s=station: sign(c) + s.encode())

    threads = [threading.Thread(target=work, args=(one,)) for one in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with tables[0].reading() as db:
        rows = db.execute(sa.text("SELECT station, counter FROM command ORDER BY station, counter")).all()
    assert [tuple(row) for row in rows] == [(name, n) for name in ("east", "west") for n in range(1, 21)]
    for one in tables:
        one.close()


def test_a_restored_database_learns_how_far_the_station_is(table: CommandTable) -> None:
    """A refusal tells the station's counter; the next command goes on beyond it."""
    first = table.issue(TO, order(), sign)
    table.answer(STATION, answer(first, "refused", reason="command-replayed", counter=41))
    table.issue(TO, order(), sign)
    with table.reading() as db:
        assert db.execute(sa.text("SELECT max(counter) FROM command")).scalar_one() == 42


def test_what_cannot_be_signed_is_not_stored(table: CommandTable) -> None:
    """Where signing raises, no row and no counter is left behind."""

    def refuse(_counter: int) -> bytes:
        raise ValueError("it would refuse")

    with pytest.raises(ValueError, match="it would refuse"):
        table.issue(TO, order(), refuse)
    assert table.waiting(0) == []


def test_stations_are_known_by_their_hello(url: str, table: CommandTable) -> None:
    """Zone, journal and boot's number come from hello; a station that only sent tele cannot be commanded."""
    store = Store(url)
    store.open()
    store.note_stations([Said(STATION, "hello", wire.encode(HELLO).decode(), alive=True)])
    store.note_stations([Said("silent", "tele", "{}", alive=True)])
    store.close()
    assert table.addressees() == [
        Addressee(STATION, ZONE, 7, b"a" * 8),
        Addressee("silent", "", None, b""),
    ]


# --- on their way ----------------------------------------------------------------------------------------------------


def test_two_collectors_publish_a_command_once(table: CommandTable) -> None:
    """Whoever is first takes it to the broker, with as long a life as the command has; so too where both saw it."""
    number = table.issue(TO, order(), sign)
    assert [table.claim(number), table.claim(number)] == [True, False]
    table.give_back([number])
    broker, rooms = Broker(), [CommandRoom(table) for _ in range(2)]
    for room in rooms:
        room.look(broker.publish, 1.0)
    ((topic, payload, expiry),) = broker.sent
    assert (topic, payload) == (wire.down(STATION, "cmd"), sign(1))
    assert 1 <= expiry <= FAR


def test_what_expired_is_not_published(table: CommandTable) -> None:
    """A command that waited too long for a collector stays where it is."""
    table.issue(TO, order(expires=1), sign)
    broker = Broker()
    CommandRoom(table).look(broker.publish, 1.0)
    assert broker.sent == []


def test_after_a_lost_connection_a_command_is_sent_again(table: CommandTable) -> None:
    """Without a PUBACK nobody knows: it goes out once more, and stations take each command once."""
    number = table.issue(TO, order(), sign)
    broker, room = Broker(), CommandRoom(table)
    room.look(broker.publish, 1.0)
    room.connected()
    broker.connected = False
    room.look(broker.publish, 2.0)
    broker.connected = True
    room.look(broker.publish, 3.0)
    room.look(broker.publish, 4.0)
    assert [payload for _, payload, _ in broker.sent] == [sign(1)] * 2
    room.published(2, 0)
    room.connected()
    room.look(broker.publish, 5.0)
    assert len(broker.sent) == 2
    (issued,) = table.issued([number])
    assert (issued.published, issued.outcome) == (True, "")


def test_a_station_that_is_not_connected_is_said(table: CommandTable) -> None:
    """The broker's "nobody listens" becomes an outcome; an answer that comes all the same takes its place."""
    number = table.issue(TO, order(), sign)
    broker, room = Broker(), CommandRoom(table)
    room.look(broker.publish, 1.0)
    room.published(1, wire.NO_SUBSCRIBER)
    assert table.issued([number])[0].outcome == UNHEARD
    assert table.answer(STATION, answer(number))
    assert table.issued([number])[0].outcome == "done"


# --- answered --------------------------------------------------------------------------------------------------------


def received(topic: str, payload: bytes) -> Received:
    """A message as the connection hands it over."""
    return Received(None, topic, payload, wire.JSON_TYPE, 1, 1, False)  # type: ignore[arg-type]


def test_answers_find_their_command_and_no_other(table: CommandTable, caplog: pytest.LogCaptureFixture) -> None:
    """Only the station that was commanded answers; rubbish, other topics and other numbers change nothing."""
    number = table.issue(TO, order(), sign)
    room = CommandRoom(table)
    good = wire.encode(answer(number, detail="well"))
    for station, payload in (("gate-west-1", good), (STATION, b"{"), (STATION, wire.encode(answer("0" * 16)))):
        room.take(received(f"gs/1/{station}/up/rsp/{number}", payload))
    assert table.issued([number])[0].outcome == ""
    assert len(caplog.records) == 2
    room.take(received(f"gs/1/{STATION}/up/rsp/{number}", good))
    assert (table.issued([number])[0].outcome, table.issued([number])[0].detail) == ("done", "well")
    assert is_answer(received(f"gs/1/{STATION}/up/rsp/{number}", b""))
    assert not is_answer(received(f"gs/1/{STATION}/up/rsp/{number}/more", b""))
    assert not is_answer(received(f"gs/1/{STATION}/up/log", b""))


def test_whatever_a_station_writes_can_be_stored(table: CommandTable) -> None:
    """A control character that a database does not take is left out of reason, detail and text; the rest is kept."""
    number = table.issue(TO, order(), sign)
    assert table.answer(STATION, answer(number, "failed", reason="un\0known", detail="\0why", text="a\0\x1b\nb"))
    (issued,) = table.issued([number])
    assert (issued.outcome, issued.reason, issued.detail) == ("failed", "unknown", "why")
    assert issued.texts == ("a\x1b\nb",)


@pytest.mark.parametrize("fault", [sa.exc.DataError, sa.exc.IntegrityError, OverflowError])
def test_an_answer_no_database_takes_is_let_go(
    table: CommandTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: type[Exception]
) -> None:
    """It is named in the log once for the station and counts as taken: it would hinder every collector for ever."""
    error = fault("no") if fault is OverflowError else fault("UPDATE", {}, Exception("no"))  # type: ignore[call-arg]

    def refuse(*_: object) -> bool:
        raise error

    monkeypatch.setattr(CommandTable, "answer", refuse)
    room, number = CommandRoom(table), "0" * 16
    for _ in range(2):
        room.take(received(f"gs/1/{STATION}/up/rsp/{number}", wire.encode(answer(number))))
    assert len(caplog.records) == 1
    assert STATION in caplog.text


def test_no_station_can_exhaust_its_counters(table: CommandTable) -> None:
    """A counter that leaves no room for the next one is no answer; the farthest that is, leaves the office room."""
    number = table.issue(TO, order(), sign)
    with pytest.raises(wire.WireError, match="malformed"):
        wire.decode(wire.encode(answer(number, counter=2**63 - 1)), wire.Response)
    table.answer(STATION, wire.decode(wire.encode(answer(number, counter=2**53)), wire.Response))
    assert table.issue(TO, order(), sign)


def test_what_was_done_stays_done(table: CommandTable) -> None:
    """A refusal of the same bytes, sent once more by somebody, does not hide that it was carried out."""
    number = table.issue(TO, order(), sign)
    table.answer(STATION, answer(number))
    table.answer(STATION, answer(number, "refused", reason="command-retained"))
    assert (table.issued([number])[0].outcome, table.issued([number])[0].reason) == ("done", "")


def test_texts_count_when_all_parts_are_there(table: CommandTable) -> None:
    """Parts may come in any order and twice; until the last the command has no outcome for the operator."""
    number = table.issue(TO, order("collect-logs"), sign)
    for part, text in ((2, "b\0"), (1, "a"), (2, "b")):
        assert table.issued([number])[0].texts == ()
        assert table.issued([number])[0].outcome == ""
        table.answer(STATION, answer(number, part=part, parts=3, text=text))
    table.answer(STATION, answer(number, part=3, parts=3, text="c"))
    (issued,) = table.issued([number])
    assert (issued.outcome, issued.texts) == ("done", ("a", "b", "c"))
