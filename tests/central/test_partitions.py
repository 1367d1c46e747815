"""PostgreSQL's partitions by month: made ahead, filled by time of receipt, and exact over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import sqlalchemy as sa

from sync.central import postgresql, store, tables
from sync.central.store import Store
from tests.central.conftest import Postgres
from tests.central.test_store import piece, put, stored, stream

ROWS = stream(40)
DECEMBER = int(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def opened(postgres: Postgres) -> Iterator[Store]:
    """A store on PostgreSQL."""
    found = Store(postgres.new_url())
    found.open()
    yield found
    found.close()


def where(opened: Store) -> dict[str, int]:
    """How many events lie in which partition."""
    with opened.reading() as db:
        query = "SELECT tableoid::regclass::text AS name, count(*) AS n FROM event GROUP BY 1"
        return {row.name: row.n for row in db.execute(sa.text(query))}


def test_months_follow_one_another_without_gaps() -> None:
    """Over the turn of a year each month begins where the one before it ends, and holds the moment asked for."""
    months = [postgresql.month(DECEMBER, ahead) for ahead in range(15)]
    assert [name for name, *_ in months[:3]] == ["event_2026_12", "event_2027_01", "event_2027_02"]
    assert months[0][1] <= DECEMBER < months[0][2]
    assert all(one[2] == two[1] for one, two in pairwise(months))


def test_partitions_are_made_ahead_and_once(opened: Store) -> None:
    """This month and the next three are there after opening; looking again makes nothing."""
    assert opened.keep_partitions() == []
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    with opened.reading() as db:
        there = set(db.execute(sa.text("SELECT inhrelid::regclass::text FROM pg_inherits")).scalars())
    assert {postgresql.month(now, ahead)[0] for ahead in range(4)} | {"event_default"} <= there


def test_no_row_is_doubled_over_the_turn_of_a_month(opened: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates that arrive in another month than the first copy are known: the ranges span all partitions."""
    for moment, first, last in ((DECEMBER, 1, 20), (DECEMBER + 2_000_000, 11, 30), (DECEMBER + 2_000_000, 1, 40)):
        monkeypatch.setattr(store, "now_us", lambda moment=moment: moment)
        opened.keep_partitions()
        assert not put(opened, piece(ROWS, first, last)).forked
    assert stored(opened) == ROWS
    assert where(opened) == {"event_2026_12": 20, "event_2027_01": 20}
    monkeypatch.setattr(store, "now_us", lambda: DECEMBER + 70 * 86_400_000_000)
    assert put(opened, piece(stream(40, "another life", same=20), 21, 30)).forked


def test_what_came_without_a_partition_is_moved_into_it(opened: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody made partitions for months, events go to the default one, and from there where they belong."""
    later = DECEMBER + 400 * 86_400_000_000
    monkeypatch.setattr(store, "now_us", lambda: later)
    put(opened, piece(ROWS, 1, 20))
    assert where(opened) == {"event_default": 20}
    name = postgresql.month(later)[0]
    assert name in opened.keep_partitions()
    put(opened, piece(ROWS, 11, 40))
    assert where(opened) == {name: 40}
    assert stored(opened) == ROWS


def test_a_dump_that_reads_for_long_holds_up_nobody(
    opened: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it does, a store is opened and events are taken; said once, the partitions are made when it has ended."""
    monkeypatch.setattr(postgresql, "STATEMENT_MS", 5_000)
    monkeypatch.setattr(postgresql, "LOCK_MS", 100)
    later = DECEMBER + 400 * 86_400_000_000
    monkeypatch.setattr(store, "now_us", lambda: later)
    with closing(Store(opened._engine.url.render_as_string())) as another:
        another.give_way()
        with opened.reading() as dump:
            dump.execute(sa.text("LOCK TABLE event_default IN ACCESS SHARE MODE"))
            another.open()
            assert another.keep_partitions() == []
            put(another, piece(ROWS, 1, 20))
            assert caplog.text.count("partitions") == 1
        assert postgresql.month(later)[0] in another.keep_partitions()
        put(another, piece(ROWS, 11, 40))
        assert where(another) == {postgresql.month(later)[0]: 40}


def test_an_error_within_copy_is_the_databases(opened: Store) -> None:
    """The driver's own errors arrive as SQLAlchemy's, so that the collector waits and tries again."""
    put(opened, piece(ROWS, 1, 10))
    with opened.reading() as db:
        db.execute(sa.delete(tables.held))
    with pytest.raises(sa.exc.IntegrityError):
        put(opened, piece(ROWS, 1, 10, epoch=7), piece(ROWS, 5, 15))
    assert stored(opened) == ROWS[:10]
