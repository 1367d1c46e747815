"""What central tells the gates of a site of each other's passages, on SQLite and PostgreSQL: nothing doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import msgspec
import pytest
import sqlalchemy as sa

from station.core import events, peers
from station.core.documents import KeyEntry, Role, TrustBundle
from station.core.events import Kind
from station.core.model import ClockState, Direction, Instant
from station.core.passback import Passage
from station.core.peers import PeerNotice, open_notice
from station.payloads import entered_payload
from sync import wire
from sync.central import tables
from sync.central.collector import Collector
from sync.central.config import SiteConfig
from sync.central.inbound import read
from sync.central.keyfiles import SigningKey
from sync.central.passages import passages
from sync.central.site_desk import FUTURE_US, KEEP_US, SILENT_US, SiteDesk
from sync.central.site_round import SiteRound
from sync.central.store import Offer, Said, Store, offer
from sync.mqtt import Received
from tests.core.issuing import credential
from tests.sync.lab import KEY, KID, ZONE

EAST, WEST, NORTH, FAR, ALONE = "gate-east-1", "gate-west-1", "gate-north-1", "far-1", "lonely-1"
SITES = (
    SiteConfig(name="garden", stations=(EAST, WEST, NORTH)),
    SiteConfig(name="harbour", stations=(FAR, "far-2")),
)
NOW_US = 1_750_000_000_000_000
SECOND_US = 1_000_000
PERSON = credential()
FRIEND = credential(cti=bytes.fromhex("ffffffffffffffff"), household=None)
TRUST = TrustBundle(
    envelope=None,  # type: ignore[arg-type] - not asked for
    keys={KID: KeyEntry(KID, KEY.public_key(), frozenset({Role.ACK}), ("3206",), frozenset(), 0, 2**40)},
)


def entered(
    wall_us: int = NOW_US,
    people: Iterable[object] = (PERSON,),
    clock: ClockState = ClockState.TRUSTED,
    direction: str = "in",
    kind: Kind = Kind.PASSAGE,
    **changes: object,
) -> tuple[Instant, Kind, dict[str, object]]:
    """A passage as a station records it, changed."""
    payload = entered_payload("in", 7, direction, tuple(people)) | changes  # type: ignore[arg-type]
    return Instant(wall_us, 1, clock), kind, payload


Row = tuple[Instant, Kind, dict[str, object]]


def raw(row: Row, seq: int = 1) -> bytes:
    """The event's bytes."""
    return events.encode(seq, row[0], "b", row[1], row[2])


class Town:
    """Central with two sites, and what it sends to whom."""

    def __init__(self, store: Store) -> None:
        self.store, self.now_us, self.sent = store, NOW_US, list[tuple[str, bytes]]()
        self.desk = SiteDesk(SITES, store, SigningKey(KID, KEY), lambda: self.now_us)
        seal = lambda ack: wire.seal_ack(ack, KID, KEY)  # noqa: E731 - the one line of what serve passes
        self.collector = Collector(store, seal, credit=9, retry_ms=1, sites=self.desk)
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._nonces = count(1)

    def batch(self, station: str, *rows: Row) -> Offer:
        """The next batch of a station's journal."""
        seq, head = self._heads.get(station, (0, events.GENESIS))
        raws = [raw(row, seq + n) for n, row in enumerate(rows, 1)]
        last = head
        for one in raws:
            last = events.chain(last, one)
        self._heads[station] = (seq + len(rows), last)
        batch = wire.Batch(
            epoch=5,
            first_seq=seq + 1,
            n=len(raws),
            prev_hash=head.hex(),
            last_hash=last.hex(),
            events=[msgspec.Raw(one) for one in raws],
        )
        return offer(station, batch)

    def report(self, station: str, *rows: Row) -> None:
        """Let a station send events."""
        self.take(station, self.batch(station, *rows))

    def take(self, station: str, one: Offer) -> None:
        """Let the collector take a batch."""
        self.flush((station, "log", wire.encode_batch(one.batch), wire.BATCH_TYPE))

    def greet(self, station: str, nonce: int = 0) -> None:
        """Let a station say hello."""
        hello = wire.Hello(epoch=5, nonce=nonce or next(self._nonces), first_kept=0, next_seq=1, acked=0, head="0" * 64)
        self.flush((station, "hello", wire.encode(hello), wire.JSON_TYPE))
        self.sent += self.desk.answers()

    def minute(self) -> None:
        """Let a minute's notice go out."""
        for message in self.desk.every_minute():
            self.sent.append(message)  # one by one, as serve sends them: the next may raise

    def flush(self, *messages: tuple[str, str, bytes, str]) -> None:
        """Let the collector take messages (station, leaf, payload, content type) together."""
        link: object = None
        received = [
            Received(link, wire.up(station, leaf), payload, kind, 1, 1, retained=False)  # type: ignore[arg-type]
            for station, leaf, payload, kind in messages
        ]
        self.collector.flush(list(map(read, received)), lambda topic, payload: self.sent.append((topic, payload)))

    def heard(self, site: str = "garden") -> dict[str, list[PeerNotice]]:
        """Return (and forget) the notices sent, by station, each verified as a station does."""
        found: dict[str, list[PeerNotice]] = {}
        for topic, payload in self.sent:
            _, _, station, _, leaf = topic.split("/")
            if leaf == "peer":
                notice = open_notice(payload, TRUST, site, ZONE)
                assert isinstance(notice, PeerNotice), notice
                found.setdefault(station, []).append(notice)
        self.sent.clear()
        return found

    def seen(self, station: str, ago_us: int) -> None:
        """Set when a station was last heard from."""
        self.store.note_stations([Said(station, "state", "online", alive=True)])
        with self.store.reading() as db:
            c = tables.station.c
            db.execute(sa.update(tables.station).where(c.id == station).values(last_seen_us=self.now_us - ago_us))


@pytest.fixture
def town(url: str) -> Iterator[Town]:
    """Central on each kind of database, its first round done: every gate has been told everything."""
    store = Store(url, [station for site in SITES for station in site.stations])
    store.open()
    found = Town(store)
    found.minute()
    found.sent.clear()
    yield found
    store.close()


def went(*times_us: int) -> list[Passage]:
    """The person's passages at these times."""
    assert PERSON.household
    return [Passage(PERSON.cti, PERSON.household, Direction.IN, us // SECOND_US * SECOND_US) for us in times_us]


def told(notices: Iterable[PeerNotice]) -> list[Passage]:
    """All passages of notices."""
    return [passage for notice in notices for passage in notice.passages]


# --- reading the events ----------------------------------------------------------------------------------------------


def test_who_went_through_is_read_from_the_stations_own_bytes() -> None:
    """A passage recorded by the station's own code gives each person with pseudonym, household, way and time."""
    assert passages(raw(entered())) == went(NOW_US)
    both = passages(raw(entered(people=(PERSON, FRIEND), direction="out")))
    assert [(p.cti, p.household, p.direction) for p in both] == [
        (PERSON.cti, PERSON.household, Direction.OUT),
        (FRIEND.cti, None, Direction.OUT),
    ]


@pytest.mark.parametrize(
    "row",
    [
        entered(clock=ClockState.LOST),
        entered(kind=Kind.DECISION),
        entered(what="not-entered"),
        entered(direction="up"),
        entered(dir=None),
        entered(who="somebody"),
        entered(who=[]),
        entered(who=[{"cti": "a1b2c3d4e5f60718"}] * 3),
        entered(who=["a1b2c3d4e5f60718"]),
        entered(who=[{"cti": "A1B2C3D4E5F60718"}]),
        entered(who=[{"cti": "a1b2"}]),
        entered(who=[{"cti": 5}]),
        entered(who=[{"cti": "a1b2c3d4e5f60718", "household": "0102"}]),
        entered(who=[{"cti": "a1b2c3d4e5f60718", "household": 7}]),
        entered(who=[{"cti": "a1b2c3d4e5f60718"}, {"cti": "?"}]),
        entered(wall_us=0),
        entered(wall_us=2**63),
        entered(wall_us=2**70),
        entered(people=()),
    ],
    ids=repr,
)
def test_what_is_doubtful_is_not_told(row: Row) -> None:
    """Whatever is not exactly a passage of known people at a known time gives nobody, and raises nothing."""
    assert passages(raw(row)) == []


@pytest.mark.parametrize("garbage", [b'"who"', b'["who"]', b'[1,2,3,"b","c",5,"passage",{"who":[]}', b'\xff"who"'])
def test_garbage_tells_of_nobody(garbage: bytes) -> None:
    """Bytes that are no event give nobody."""
    assert passages(garbage) == []


# --- at once ---------------------------------------------------------------------------------------------------------


def test_the_other_gates_of_the_site_hear_at_once(town: Town) -> None:
    """A committed passage goes to every other gate of its site, not to its own, not to other sites."""
    town.report(EAST, entered(), entered(kind=Kind.DECISION), entered(NOW_US + SECOND_US, (FRIEND,)))
    heard = town.heard()
    assert set(heard) == {WEST, NORTH}
    for notices in heard.values():
        assert len(notices) == 1
        assert told(notices) == [
            *went(NOW_US),
            Passage(FRIEND.cti, None, Direction.IN, NOW_US + SECOND_US),
        ]
        assert notices[0].issued == NOW_US // SECOND_US
    town.report(FAR, entered())
    assert set(town.heard("harbour")) == {"far-2"}


def test_a_gate_without_a_site_is_nobodys_business(town: Town) -> None:
    """Passages of other gates are neither told nor kept in the table."""
    town.report(ALONE, entered())
    assert town.heard() == {}
    assert town.store.passages([ALONE], 0) == []


def test_the_news_leave_behind_the_commit_and_the_acknowledgement(town: Town) -> None:
    """When a notice is sent, the acknowledgement has been sent before and the passage is in the database."""
    town.report(EAST, entered())
    assert [topic.rsplit("/", 1)[1] for topic, _ in town.sent] == ["ack", "peer", "peer"]
    assert town.store.passages([EAST], 0) == went(NOW_US)


def test_what_comes_twice_is_told_once(town: Town) -> None:
    """A batch that is sent again, because its acknowledgement was lost, brings no second notice."""
    one = town.batch(EAST, entered())
    town.take(EAST, one)
    assert told(town.heard()[WEST]) == went(NOW_US)
    town.take(EAST, one)
    assert town.heard() == {}


def test_a_fork_tells_nothing(town: Town) -> None:
    """Rows that contradict what is held are not committed, and so nobody hears of them."""
    town.report(EAST, entered(kind=Kind.DECISION))
    town.heard()
    other = Town(town.store)
    town.take(EAST, other.batch(EAST, entered(NOW_US + SECOND_US), entered(NOW_US + 2 * SECOND_US)))
    assert town.heard() == {}
    assert town.store.passages([EAST], 0) == []


def test_a_clock_that_runs_ahead_is_not_believed(town: Town) -> None:
    """A passage from the future would stay somebody's last for long; one older than eight days counts for nothing."""
    at = [NOW_US + FUTURE_US + SECOND_US, NOW_US + FUTURE_US, NOW_US - KEEP_US, NOW_US - KEEP_US - SECOND_US]
    town.report(EAST, *(entered(us) for us in at))
    assert told(town.heard()[WEST]) == went(*at[1:3])
    town.greet(WEST)
    assert told(town.heard()[WEST]) == went(at[2], at[1])


def test_a_time_no_database_holds_hinders_nobody(town: Town) -> None:
    """A passage at a time beyond every clock is committed like any other event, and nobody is told of it."""
    town.report(EAST, entered(2**63), entered(NOW_US))
    assert told(town.heard()[WEST]) == went(NOW_US)
    with town.store.reading() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(tables.event)).scalar_one() == 2


# --- hello -----------------------------------------------------------------------------------------------------------


def test_hello_brings_the_last_eight_days_of_the_others(town: Town) -> None:
    """A gate that comes back hears everything of the others, oldest first, and nothing of itself or of other sites."""
    town.report(EAST, entered(NOW_US - 3 * SECOND_US))
    town.report(NORTH, entered(NOW_US - 5 * SECOND_US))
    town.report(WEST, entered(NOW_US - 4 * SECOND_US))
    town.report(FAR, entered(NOW_US - 9 * SECOND_US))
    town.sent.clear()
    town.greet(WEST)
    heard = town.heard()
    assert set(heard) == {WEST}
    assert told(heard[WEST]) == went(NOW_US - 5 * SECOND_US, NOW_US - 3 * SECOND_US)


def test_hello_repeated_is_answered_once_per_connection(town: Town) -> None:
    """A hello sent again for want of its acknowledgement brings the days once, unless central itself was cut off."""
    town.report(EAST, entered())
    town.sent.clear()
    for _ in range(3):
        town.greet(WEST, nonce=77)
    assert len(town.heard()[WEST]) == 1
    town.desk.connected()
    town.greet(WEST, nonce=77)
    assert len(town.heard()[WEST]) == 1
    town.greet(WEST, nonce=78)
    assert len(town.heard()[WEST]) == 1


def test_many_passages_are_told_in_pieces_that_stations_take(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """No notice carries more passages than a station accepts, and together they are complete."""
    monkeypatch.setattr(peers, "MOST_PASSAGES", 4)
    times = [NOW_US - n * SECOND_US for n in range(9)]
    town.report(EAST, *(entered(us) for us in times))
    notices = town.heard()[WEST]
    assert [len(notice.passages) for notice in notices] == [4, 4, 1]
    assert told(notices) == went(*times)


# --- what is owed ----------------------------------------------------------------------------------------------------


def _gone(*_: object) -> None:
    raise sa.exc.OperationalError("COMMIT", {}, Exception("gone"))


@pytest.mark.parametrize("method", ["note_stations", "note_lost", "reject"])
def test_what_was_committed_is_told_although_something_after_it_failed(
    town: Town, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Given again, the batch is only a duplicate; its passages are told all the same, once."""
    batch = town.batch(EAST, entered())
    hello = wire.Hello(epoch=5, nonce=1, first_kept=9, next_seq=9, acked=0, head="0" * 64)
    messages = [
        (EAST, "log", wire.encode_batch(batch.batch), wire.BATCH_TYPE),
        (ALONE, "hello", wire.encode(hello), wire.JSON_TYPE),
        (ALONE, "tele", b"rubbish", wire.JSON_TYPE),
    ]
    monkeypatch.setattr(Store, method, _gone)
    with pytest.raises(sa.exc.OperationalError):
        town.flush(*messages)
    assert town.heard() == {}
    monkeypatch.undo()
    for _ in range(2):
        town.flush(*messages)
    assert {station: told(notices) for station, notices in town.heard().items()} == {
        WEST: went(NOW_US),
        NORTH: went(NOW_US),
    }


def test_what_was_committed_alone_is_told_although_the_next_could_not_be(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed one by one, a batch is owed to the other gates as soon as it is in the database."""
    messages = [
        (station, "log", wire.encode_batch(town.batch(station, entered(people=people)).batch), wire.BATCH_TYPE)
        for station, people in ((EAST, (PERSON,)), (NORTH, (FRIEND,)))
    ]
    commit = Store.commit_batches

    def picky(self: Store, offers: list[Offer], asked: Iterable[tuple[str, int]] = ()) -> object:
        if len(offers) > 1:
            raise OverflowError
        if any(one.station == NORTH for one in offers):
            _gone()
        return commit(self, offers, asked)

    monkeypatch.setattr(Store, "commit_batches", picky)
    with pytest.raises(sa.exc.OperationalError):
        town.flush(*messages)
    monkeypatch.undo()
    town.flush(*messages)
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    heard = town.heard()
    assert told(heard[NORTH]) == went(NOW_US)
    assert {passage.cti for passage in told(heard[WEST])} == {PERSON.cti, FRIEND.cti}


def _lost_answer(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the next COMMIT end with an error, although it has done its work."""
    commit, left = Store.commit_batches, [1]

    def unsteady(self: Store, offers: list[Offer], asked: Iterable[tuple[str, int]] = ()) -> object:
        standing = commit(self, offers, asked)
        left[0] -= 1
        if left[0] == 0:
            raise error
        return standing

    monkeypatch.setattr(Store, "commit_batches", unsteady)


LOST = sa.exc.OperationalError("COMMIT", {}, Exception("the connection was lost"))


def test_a_commit_whose_answer_is_lost_is_told_before_that_there_were_none(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given again, its batch is a duplicate, and nobody knows any more that its passages were never told."""
    town.minute()
    town.sent.clear()
    message = (EAST, "log", wire.encode_batch(town.batch(EAST, entered()).batch), wire.BATCH_TYPE)
    _lost_answer(monkeypatch, LOST)
    with pytest.raises(sa.exc.OperationalError):
        town.flush(message)
    town.flush(message)
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    heard = town.heard()
    assert {station: [len(notice.passages) for notice in notices] for station, notices in heard.items()} == {
        EAST: [0],
        WEST: [1, 0],
        NORTH: [1, 0],
    }


def test_a_round_tells_the_site_anew_after_such_a_commit(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the doubt is not the whole; that there were none is said after the rest alone."""
    town.report(WEST, entered(NOW_US - SECOND_US, (FRIEND,)))
    town.sent.clear()
    town.desk.connected()
    going = town.desk.every_minute()
    assert next(going)[0] == wire.down(EAST, "peer")
    _lost_answer(monkeypatch, LOST)
    message = (EAST, "log", wire.encode_batch(town.batch(EAST, entered()).batch), wire.BATCH_TYPE)
    with pytest.raises(sa.exc.OperationalError):
        town.flush(message)
    town.flush(message)
    town.sent += going
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    heard = town.heard()
    assert {station: [len(notice.passages) for notice in notices] for station, notices in heard.items()} == {
        EAST: [1, 0],
        WEST: [1, 0],
        NORTH: [2, 0],
    }


def test_a_commit_whose_answer_is_lost_is_its_own_sites_business(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gates of the other site hear no eight days again, nor twice in a round that is under way."""
    town.report(FAR, entered(NOW_US - SECOND_US, (FRIEND,)))
    town.sent.clear()
    town.desk.connected()
    going = town.desk.every_minute()
    town.sent += [next(going) for _ in range(4)]
    assert [topic for topic, _ in town.sent][-1] == wire.down("far-2", "peer")
    _lost_answer(monkeypatch, LOST)
    message = (EAST, "log", wire.encode_batch(town.batch(EAST, entered()).batch), wire.BATCH_TYPE)
    with pytest.raises(sa.exc.OperationalError):
        town.flush(message)
    town.flush(message)
    town.sent.clear()
    town.sent += [*going, *town.desk.answers(), *town.desk.every_minute()]
    harbour = [pair for pair in town.sent if "far" in pair[0]]
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert told(town.heard()[WEST]) == went(NOW_US)
    town.sent = harbour
    assert all(told(notices) == [] for notices in town.heard("harbour").values())


def test_a_lost_commit_of_hellos_raises_no_doubt(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """It brought no passage, so nobody is told eight days again."""
    town.report(WEST, entered(NOW_US - SECOND_US, (FRIEND,)))
    town.sent.clear()
    _lost_answer(monkeypatch, LOST)
    with pytest.raises(sa.exc.OperationalError):
        town.greet(ALONE)
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert all(told(notices) == [] for notices in town.heard().values())


def test_a_batch_that_no_database_takes_raises_no_doubt(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was refused, so nothing of it is committed; or one station could have all gates told eight days for ever."""
    town.report(WEST, entered(NOW_US - SECOND_US, (FRIEND,)))
    town.minute()
    town.sent.clear()
    _lost_answer(monkeypatch, sa.exc.DataError("INSERT", {}, Exception("no")))
    town.greet(ALONE)
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert all(told(notices) == [] for notices in town.heard().values())


def test_a_new_connection_begins_with_everything(town: Town) -> None:
    """What the connection before may have lost, or a collector that was killed, is told before "there were none"."""
    town.seen(EAST, SECOND_US)
    town.report(EAST, entered(), entered(NOW_US + SECOND_US))
    town.report(WEST, entered(NOW_US + 2 * SECOND_US))
    town.sent.clear()
    town.desk.connected()
    town.minute()
    sent, town.sent = town.sent, [pair for pair in town.sent if "far" not in pair[0]]
    heard = town.heard()
    assert {station: [len(notice.passages) for notice in notices] for station, notices in heard.items()} == {
        EAST: [1, 0],
        WEST: [2, 0],
        NORTH: [3, 0],
    }
    assert told(heard[NORTH]) == went(NOW_US, NOW_US + SECOND_US, NOW_US + 2 * SECOND_US)
    town.minute()
    assert len(town.sent) == len(sent) - 3, "only that there were none"


def test_everything_is_told_where_the_database_fails_in_the_middle(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun again, it goes on with the gates that have not been told; nobody is passed over."""
    town.report(EAST, entered())
    town.report(WEST, entered(NOW_US + SECOND_US))
    town.sent.clear()
    town.desk.connected()
    real, left = Store.passages, [1]

    def failing(self: Store, stations: list[str], since_us: int) -> list[Passage]:
        left[0] -= 1
        return _gone() or [] if left[0] < 0 else real(self, stations, since_us)

    monkeypatch.setattr(Store, "passages", failing)
    with pytest.raises(sa.exc.OperationalError):
        town.minute()
    monkeypatch.undo()
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert {station: len(told(notices)) for station, notices in town.heard().items()} == {EAST: 1, WEST: 1, NORTH: 2}


def test_nobody_hears_news_before_the_eight_days_that_contain_them(town: Town) -> None:
    """Any notice counts as the site's word. So first comes what was missed, on a new connection and after a hello."""
    town.report(NORTH, entered(NOW_US - SECOND_US, (FRIEND,)))
    for ask in (town.desk.connected, lambda: town.desk.greet({WEST: 7})):
        town.minute()
        town.sent.clear()
        ask()
        town.report(EAST, entered())
        assert WEST not in town.heard()
        town.minute()
        town.sent = [pair for pair in town.sent if "far" not in pair[0]]
        assert {FRIEND.cti, PERSON.cti} == {passage.cti for passage in town.heard()[WEST][0].passages}


def test_news_during_the_eight_days_are_not_left_out(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed after they were read, and before the last of them was sent, is owed like any other."""
    monkeypatch.setattr(peers, "MOST_PASSAGES", 1)
    town.report(NORTH, *(entered(NOW_US - n * SECOND_US, (FRIEND,)) for n in (2, 1)))
    town.sent.clear()
    town.desk.greet({WEST: 7})
    going = town.desk.answers()
    town.sent.append(next(going))
    town.report(EAST, entered())
    town.sent += going
    assert [passage.cti for passage in told(town.heard()[WEST])] == [FRIEND.cti, PERSON.cti, FRIEND.cti]


def test_a_gate_that_begins_anew_hears_nothing_before_all(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the rest of what the one before was told, nor that there were none: either would hide what it missed."""
    monkeypatch.setattr(peers, "MOST_PASSAGES", 1)
    town.report(NORTH, *(entered(NOW_US - n * SECOND_US) for n in (3, 2, 1)))
    town.desk.greet({WEST: 7})
    going = town.desk.answers()
    next(going)
    town.sent.clear()
    town.desk.greet({WEST: 8})
    town.sent += going
    assert told(town.heard()[WEST]) == went(*(NOW_US - n * SECOND_US for n in (3, 2, 1)))
    going = town.desk.every_minute()
    assert next(going)[0] == wire.down(EAST, "peer")
    town.desk.greet({WEST: 9})
    topics = [topic for topic, _ in going]
    assert topics.index(wire.down(NORTH, "peer")) < topics.index(wire.down(WEST, "peer"))


# --- there were none -------------------------------------------------------------------------------------------------


def test_every_minute_says_that_there_were_none(town: Town) -> None:
    """Each gate of each site gets an empty notice of its own site; gates never seen do not count as silent."""
    town.minute()
    garden = [(topic, payload) for topic, payload in town.sent if "far" not in topic]
    assert {topic for topic, _ in garden} == {wire.down(station, "peer") for station in SITES[0].stations}
    assert len(town.sent) - len(garden) == 2
    town.sent = garden
    assert all(told(notices) == [] for notices in town.heard().values())


def test_nobody_is_told_that_there_were_none_while_a_gate_is_silent(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """While one gate is cut off, nobody knows who went through it: the others are left to their local knowledge.

    The silent gate itself is told, once it listens again: its neighbours are all there. The log says it once.
    """
    caplog.set_level("INFO")
    town.seen(EAST, SILENT_US + SECOND_US)
    town.seen(WEST, SECOND_US)
    for _ in range(2):
        town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert set(town.heard()) == {EAST}
    town.greet(WEST)
    assert town.heard() == {}
    town.seen(EAST, SECOND_US)
    town.minute()
    town.sent = [pair for pair in town.sent if "far" not in pair[0]]
    assert set(town.heard()) == {EAST, WEST, NORTH}
    assert caplog.text.count(f"gate {EAST} is not heard from") == 1
    assert caplog.text.count(f"gate {EAST} is heard from again") == 1


def test_the_next_round_begins_a_minute_after_the_end_of_the_last(town: Town) -> None:
    """Five gates are told once, again after a minute, and at once over a new connection."""
    sites = SiteRound(town.desk, 60.0)
    for now, told_so_far in ((0.0, 5), (59.0, 5), (60.0, 10), (61.0, 10)):
        sites.look(lambda topic, payload: town.sent.append((topic, payload)), now)
        assert len(town.sent) == told_so_far
    sites.connected()
    sites.look(lambda topic, payload: town.sent.append((topic, payload)), 62.0)
    assert len(town.sent) == 15


def test_a_round_that_the_database_ends_begins_anew(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is passed over, and no minute goes by before."""
    sites = SiteRound(town.desk, 60.0)
    monkeypatch.setattr(Store, "last_seen", _gone)
    with pytest.raises(sa.exc.OperationalError):
        sites.look(lambda topic, payload: town.sent.append((topic, payload)), 0.0)
    monkeypatch.undo()
    sites.look(lambda topic, payload: town.sent.append((topic, payload)), 0.1)
    assert len(town.sent) == 5


def test_hellos_do_not_hold_up_a_flush(town: Town) -> None:
    """A hundred gates may come back at once: their days go a few notices at a time, not before the next batch."""
    town.report(EAST, entered())
    sites = SiteRound(town.desk, 60.0)
    sites.look(lambda _topic, _payload: None, 0.0)
    town.sent.clear()
    for nonce, station in enumerate((WEST, NORTH), 1):
        town.desk.greet({station: nonce})
    assert town.sent == []
    sites.look(lambda topic, payload: town.sent.append((topic, payload)), 1.0)
    assert [topic for topic, _ in town.sent] == [wire.down(station, "peer") for station in (WEST, NORTH)]
    sites.look(lambda topic, payload: town.sent.append((topic, payload)), 2.0)
    assert len(town.sent) == 2, "and not again"


def test_a_hello_is_answered_within_a_round(town: Town) -> None:
    """Whoever comes back while every gate is told eight days is next, and not told twice."""
    town.report(EAST, entered())
    town.sent.clear()
    town.desk.connected()
    going = town.desk.every_minute()
    first = next(going)
    town.desk.greet({NORTH: 7})
    topics = [topic for topic, _ in (first, next(going), *going) if "far" not in topic]
    assert topics[:2] == [wire.down(station, "peer") for station in (WEST, NORTH)]
    assert len(topics) == 2 + 3, "each of the two once, then all three that there were none"


def test_a_hello_during_the_answer_to_another_is_answered(town: Town) -> None:
    """A station that begins anew while it is being told everything is told everything once more."""
    town.report(EAST, entered())
    town.sent.clear()
    town.desk.greet({WEST: 1})
    going = town.desk.answers()
    next(going)
    town.desk.greet({WEST: 2})
    assert [topic for topic, _ in going] == [wire.down(WEST, "peer")]
    assert not town.desk.is_asked


def test_hello_is_told_that_there_were_none(town: Town) -> None:
    """A gate that starts where nothing happened need not wait for the next minute."""
    town.greet(WEST)
    assert [notice.passages for notice in town.heard()[WEST]] == [()]


def test_passages_are_forgotten_after_eight_days(town: Town) -> None:
    """The table keeps what quotas can count, and no more; the journal's own rows stay."""
    town.report(EAST, entered(NOW_US), entered(NOW_US + SECOND_US))
    town.now_us = NOW_US + KEEP_US + SECOND_US
    town.minute()
    assert town.store.passages([EAST], 0) == went(NOW_US + SECOND_US)
    with town.store.reading() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(tables.event)).scalar_one() == 2


def test_a_batch_the_database_refuses_is_not_told(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where batches have to be committed one by one, those that were are told of, once, and the refused one is not."""
    good, poison = town.batch(EAST, entered()), town.batch(NORTH, entered(people=(FRIEND,)))
    commit = Store.commit_batches

    def picky(self: Store, offers: list[Offer], asked: Iterable[tuple[str, int]] = ()) -> object:
        if any(one.station == NORTH for one in offers):
            raise sa.exc.DataError("INSERT", {}, Exception("no"))
        return commit(self, offers, asked)

    monkeypatch.setattr(Store, "commit_batches", picky)
    town.flush(*((one.station, "log", wire.encode_batch(one.batch), wire.BATCH_TYPE) for one in (poison, good)))
    assert {station: told(notices) for station, notices in town.heard().items()} == {
        WEST: went(NOW_US),
        NORTH: went(NOW_US),
    }
