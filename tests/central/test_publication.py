"""What the office hands over for publication: every type to its topic, status lists as bases and one small delta."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from station.chunks import find
from station.core import cose
from station.core.model import Status
from station.core.status import CHUNK_BYTES, read_deltas
from sync.central import status_bases, tables
from sync.central.delegation import ZoneBook
from sync.central.document_table import StoredDocument
from sync.central.publication import hand_over
from sync.central.publisher import topic
from sync.central.status_bases import LARGEST_DELTA, OLDEST_DELTA_US
from sync.central.store import Store
from tests.central.bureau import Bureau, random_changes, visitor_request
from tests.sync.lab import STATION, ZONE

MILLIONS, CHUNKS = 10_000_000, 153
SECOND_US = 1_000_000


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """An office with a status list of three chunks."""
    found = Bureau(tmp_path / "office")
    found.fill_list("passes", 3)
    found.run("status", "sign", "--key", "centre")
    return found


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Store]:
    """Central's database."""
    found = Store(f"sqlite:///{tmp_path}/central.db")
    found.open()
    yield found
    found.close()


def topics(store: Store) -> set[str]:
    """The topics on which something is published."""
    return {topic(key) for key in store.document_marks()}


# --- types and topics ------------------------------------------------------------------------------------------------


def test_every_type_has_its_topic(bureau: Bureau, central: Store, tmp_path: Path) -> None:
    """Roots by number, a delegation by station in its zone, the rest as before; what is not there is not published."""
    bureau.run("keys", "rotate")
    bureau.run("keys", "rotate")
    for station, words in ((STATION, ["--key", "visits"]), ("gate-west-1", ["--key", "passes"])):
        bureau.run("keys", "delegate", visitor_request(tmp_path / station, station)[1], *words)
    hand_over(bureau.folder, central, "all")
    kid = bureau.kid("passes").hex()
    assert topics(central) == {
        "gs/1/doc/all/roots/2",
        "gs/1/doc/all/roots/3",
        "gs/1/doc/all/trust/0",
        f"gs/1/doc/{ZONE}/delegation/{STATION}",
        "gs/1/doc/all/delegation/gate-west-1",
        *(f"gs/1/doc/all/status-chunk/{kid}-{number}" for number in range(3)),
        "gs/1/doc/all/status-delta/0",
        "gs/1/doc/all/status/0",
    }
    stored = central.document("roots", "all", "2")
    assert stored is not None
    assert stored.raw == bureau.document("roots-2")


def test_the_zone_of_a_station_can_be_named(bureau: Bureau, central: Store, tmp_path: Path) -> None:
    """A key of several zones does not tell where its station is: --zone does, and moves an earlier publication."""
    _, request = visitor_request(tmp_path)
    bureau.run("keys", "delegate", request, "--key", "passes")
    hand_over(bureau.folder, central, "all")
    bureau.run("keys", "delegate", request, "--key", "passes", "--zone", ZONE)
    hand_over(bureau.folder, central, "all")
    assert ZoneBook(bureau.folder).scopes() == {STATION: ZONE}
    assert {t for t in topics(central) if "delegation" in t} == {f"gs/1/doc/{ZONE}/delegation/{STATION}"}


def test_an_expired_delegation_is_taken_back(bureau: Bureau, central: Store, tmp_path: Path) -> None:
    """The next publication withdraws what has expired from the broker."""
    _, request = visitor_request(tmp_path)
    bureau.run("keys", "delegate", request, "--key", "visits")
    hand_over(bureau.folder, central, "all")
    assert f"gs/1/doc/{ZONE}/delegation/{STATION}" in topics(central)
    bureau.run("keys", "delegate", request, "--key", "visits", "--hours", "0.00001")
    hand_over(bureau.folder, central, "all")
    assert f"gs/1/doc/{ZONE}/delegation/{STATION}" not in topics(central)


def test_one_moment_is_one_transaction(bureau: Bureau, central: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database fails in the middle, nothing of the new state is published."""
    hand_over(bureau.folder, central, "all")
    before = central.document_marks()
    bureau.change("passes", random_changes(5000, 3))
    bureau.run("status", "sign", "--key", "centre")
    bureau.run("keys", "trust")
    execute = sa.Connection.execute

    def failing(self: sa.Connection, statement: object, *rest: object) -> object:
        if getattr(statement, "is_update", False) and "status" in statement.compile().params.values():  # type: ignore[attr-defined]
            raise sa.exc.OperationalError("UPDATE", {}, Exception("the server closed the connection"))
        return execute(self, statement, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sa.Connection, "execute", failing)
    with pytest.raises(sa.exc.OperationalError):
        hand_over(bureau.folder, central, "all")
    monkeypatch.undo()
    assert central.document_marks() == before


# --- bases and deltas ------------------------------------------------------------------------------------------------


def at_a_station(store: Store, scope: str = "all") -> Callable[[bytes], bytes | None]:
    """Find chunks as a station does that holds exactly what is published."""
    bases = {hashlib.sha256(one.raw).digest(): one.raw for one in store.documents("status-chunk", scope)}
    deltas = [one.raw for one in store.documents("status-delta", scope)]

    def like(prefix: bytes) -> bytes | None:
        return next((raw for digest, raw in bases.items() if digest.startswith(prefix)), None)

    return lambda digest: find(digest, bases.get, deltas, like)


def must_hold(store: Store, chunks: dict[str, bytes]) -> None:
    """A station can put every chunk together."""
    there = at_a_station(store)
    for name, chunk in chunks.items():
        assert there(hashlib.sha256(chunk).digest()) == chunk, name


def publish(store: Store, chunks: dict[str, bytes], now_us: int) -> list[StoredDocument]:
    """Publish chunks, and return what goes over the wire: what has changed."""
    before = store.document_marks()
    found = status_bases.documents(store, "all", 1, chunks, now_us)
    store.put_documents(found)
    return [one for one in found if before.get((one.type, one.scope, one.chunk)) != one.hash]


def changed(chunks: dict[str, bytes], count: int) -> dict[str, bytes]:
    """Return the chunks after that many changes anywhere."""
    raw = bytearray(b"".join(chunks.values()))
    for index, status in random_changes(count, len(chunks)).items():
        raw[index >> 2] ^= int(status) << 2 * (index & 3)
    return {name: bytes(raw[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES]) for n, name in enumerate(chunks)}


def blank(count: int) -> dict[str, bytes]:
    """Return chunks in which every pass is good."""
    return {f"0a0b0c0d-{number}": bytes(CHUNK_BYTES) for number in range(count)}


def test_a_thousand_changes_ship_in_a_few_kilobytes(bureau: Bureau, central: Store) -> None:
    """1,000 changes anywhere among ten million passes: one delta below 8 kB, and with the manifest below 16 kB.

    In a list of one chunk it is little more than the 2.25 bytes that a change takes.
    """
    bureau.fill_list("passes", CHUNKS)
    bureau.run("status", "sign", "--key", "centre")
    hand_over(bureau.folder, central, "all")
    before = central.document_marks()
    bureau.change("passes", random_changes(1000, CHUNKS))
    bureau.run("status", "sign", "--key", "centre")
    sent = [one for one in hand_over(bureau.folder, central, "all") if before.get(_key(one)) != one.hash]
    assert sorted(one.type for one in sent) == ["status", "status-delta"]
    size = {one.type: len(one.raw) for one in sent}
    assert CHUNKS * 65_536 >= MILLIONS
    assert size["status-delta"] <= LARGEST_DELTA
    assert sum(size.values()) < 16_000
    there = at_a_station(central)
    files = list((bureau.folder / "documents" / "chunks").iterdir())
    assert len({there(bytes.fromhex(path.stem)) for path in files} - {None}) == len(files)
    one = blank(1)
    publish(central, one, 1)
    (delta,) = publish(central, changed(one, 1000), 2)
    assert len(delta.raw) < 2300


def _key(one: StoredDocument) -> tuple[str, str, str]:
    return one.type, one.scope, one.chunk


def test_the_delta_is_cumulative(central: Store) -> None:
    """Who missed any number of deltas needs the newest alone; who has none of them holds the same."""
    chunks = blank(3)
    assert {one.type for one in publish(central, chunks, 1)} == {"status-chunk", "status-delta"}
    for moment in range(2, 8):
        chunks = changed(chunks, 20)
        assert [one.type for one in publish(central, chunks, moment)] == ["status-delta"]
        must_hold(central, chunks)


def test_a_change_taken_back_leaves_nothing(central: Store) -> None:
    """When the list is again what it was, the delta is empty."""
    chunks = blank(2)
    publish(central, chunks, 1)
    publish(central, changed(chunks, 10), 2)
    publish(central, chunks, 3)
    (delta,) = central.documents("status-delta", "all")
    assert read_deltas(delta.raw) == ()
    assert publish(central, chunks, 4) == []


def test_a_delta_that_has_grown_becomes_new_bases(central: Store) -> None:
    """Beyond 8 kB the changed chunks go out whole, once, and the delta begins anew."""
    chunks = blank(3)
    publish(central, chunks, 1)
    small = changed(chunks, 3000)
    assert [one.type for one in publish(central, small, 2)] == ["status-delta"]
    large = changed(small, 3000)
    sent = publish(central, large, 3)
    assert sorted(one.type for one in sent) == ["status-chunk"] * 3 + ["status-delta"]
    assert len(sent[-1].raw) < 10
    must_hold(central, large)
    after = changed(large, 10)
    assert [one.type for one in publish(central, after, 4)] == ["status-delta"]
    must_hold(central, after)


def test_a_delta_of_a_day_becomes_new_bases(central: Store) -> None:
    """A day after its first change a delta ends, however small; only chunks that have changed go out whole."""
    chunks = blank(3)
    publish(central, chunks, 1)
    start = 10 * OLDEST_DELTA_US
    chunks = {**chunks, "0a0b0c0d-1": changed(blank(1), 5)["0a0b0c0d-0"]}
    assert [one.type for one in publish(central, chunks, start)] == ["status-delta"], "quiet days before do not count"
    assert publish(central, chunks, start + OLDEST_DELTA_US) == []
    sent = publish(central, chunks, start + OLDEST_DELTA_US + SECOND_US)
    assert [(one.type, one.chunk) for one in sent] == [("status-chunk", "0a0b0c0d-1"), ("status-delta", "0")]
    must_hold(central, chunks)
    chunks = changed(chunks, 5)
    assert [one.type for one in publish(central, chunks, start + 3 * OLDEST_DELTA_US)] == ["status-delta"]


def test_scopes_have_bases_of_their_own(bureau: Bureau, central: Store) -> None:
    """What goes to a zone is complete there, whatever all stations were sent before."""
    hand_over(bureau.folder, central, "all")
    bureau.change("passes", {7: Status.REVOKED})
    bureau.run("status", "sign", "--key", "centre")
    hand_over(bureau.folder, central, ZONE)
    there = at_a_station(central, ZONE)
    for path in (bureau.folder / "documents" / "chunks").iterdir():
        assert there(bytes.fromhex(path.stem)) == path.read_bytes()
    assert [cose.decode_strict(one.raw) for one in central.documents("status-delta", ZONE)] == [[]]


def test_the_tables_hold_one_row_for_each_topic(bureau: Bureau, central: Store) -> None:
    """Publishing again and again does not grow the database."""
    for _ in range(3):
        hand_over(bureau.folder, central, "all")
    with central.reading() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(tables.document)).scalar_one() == 1 + 3 + 1 + 1
