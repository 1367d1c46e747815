"""The bench itself: traffic and sizes by seed, verdicts and exit code, ours and the naive collector on a few events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from station.core import events
from sync import wire
from tests.central.conftest import Postgres
from tests.sync_bench import sizes
from tests.sync_bench.feed import Broker
from tests.sync_bench.peers import PEERS, Place, ours
from tests.sync_bench.report import Figure, Runs, exit_code, page
from tests.sync_bench.traffic import Journal, journal, rows, sealed, told


@pytest.fixture(scope="module")
def stream() -> Journal:
    """Two hundred events of a simulated lane."""
    return journal(rows(told(5, 200), 200))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A broker and a PostgreSQL, without the peers from npm."""
    folder = tmp_path_factory.mktemp("bench")
    try:
        broker = Broker(folder / "broker")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    postgres = Postgres()
    postgres.start()
    yield Place(folder, broker, postgres, None)
    broker.stop()
    postgres.stop()
    postgres.remove()


def test_traffic_is_that_of_its_seed(stream: Journal) -> None:
    """The same seed gives the same bytes, another one others; every event is one, and chained."""
    assert list(rows(told(5, 200), 200)) == stream.raws
    assert list(rows(told(6, 200), 200)) != stream.raws
    assert {events.decode(raw).kind for raw in stream.raws} >= {"decision", "passage"}
    assert wire.hashes(stream.batch(1, 200))[-1] == stream.heads[200]


def test_bytes_on_the_wire_are_within_the_bar(stream: Journal) -> None:
    """In batches of fifty and more an event takes at most 42 bytes, packet header and properties included."""
    assert sizes.packet(stream, 1, 50) > len(wire.encode_batch(stream.batch(1, 50))) + 80
    happened = told(5, 1000)
    assert sizes.per_event(journal(rows(happened, 1000)))[50] <= 42
    known, texts = sealed(happened, 5)
    assert sizes.per_event(journal(rows(known, 1000), texts))[50] <= 75


@pytest.mark.parametrize(("name", "count"), [("ours", 5000), ("database", 5000), ("naive", 200)])
def test_a_collector_takes_everything_once(place: Place, stream: Journal, name: str, count: int) -> None:
    """The bench counts what is in the table afterwards, so a rate is of rows that are there."""
    assert PEERS[name](place, stream, count) > 0


def test_ours_takes_single_events(place: Place, stream: Journal) -> None:
    """Live traffic: one event per message."""
    assert ours(place, stream, 300, 1) > 0


def test_a_missed_bar_is_said_and_ends_with_one() -> None:
    """Above and below both kinds of bar."""
    most, least = Figure("a", 31, "ms", 30, 20), Figure("b", 99, "x", 100, 200, at_least=True)
    assert [most.verdict, least.verdict] == ["MISSED", "MISSED"]
    good = [Figure("a", 25, "ms", 30, 20), Figure("b", 150, "x", 100, 200, at_least=True)]
    best = [Figure("a", 20, "ms", 30, 20), Figure("b", 200, "x", 100, 200, at_least=True)]
    assert [one.verdict for one in good + best] == ["met", "met", "goal met", "goal met"]
    assert (exit_code([*good, most]), exit_code(good)) == (1, 0)


def test_the_page_shows_every_figure_and_run() -> None:
    """Figure, bar, goal, verdict, and each run."""
    text = page([Figure("a", 31, "ms", 30, 20)], [Runs("ours", "how", 5, [1.0, 3.0], 2.0)], "note", "summary")
    assert "| a | 31 ms | at most 30 | 20 | MISSED |" in text
    assert "| ours | how | 5 | 2 | 1, 3 |" in text
