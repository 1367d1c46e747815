"""Exports of events that a station carried over into a new stream: once each, as they were recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from station.core import events
from station.core.model import Instant
from station.core.rehoming import carried
from sync.central import export
from sync.central.export_rows import Choice
from sync.central.store import Store
from tests.central.test_export import BEGAN_US, DAY_US, FORMATS, HOUR_US, batch, chained, needs, read


def carried_over(earlier: Any, first: int) -> list[bytes]:
    """Return the events of a stream from a number on as a new one has them, recorded ten days later."""
    rows = list(zip(earlier.batch.events, earlier.hashes, strict=True))[first - 1 :]
    later = Instant(BEGAN_US + 10 * DAY_US, 1)
    return [
        events.encode(n, later, "b", events.Kind.REHOMED, carried(earlier.batch.epoch, seq, digest, bytes(raw)))
        for n, (seq, (raw, digest)) in enumerate(enumerate(rows, first), 1)
    ]


@pytest.fixture
def restored(store: Store) -> Store:
    """A stream of which central has rows 1 and 2, and others that carried rows 2 to 4 over."""
    payloads = [{"lane": "in", "outcome": "grant", "reason": f"r{n}", "cti": f"{n:016x}"} for n in range(1, 5)]
    old, held = batch("gate-a", 1, payloads), batch("gate-a", 1, payloads[:2])
    new = chained("gate-a", 2, carried_over(old, 2))
    bad = events.encode(4, Instant(BEGAN_US + 11 * DAY_US, 1), "b", events.Kind.REHOMED, {"epoch": 1})
    for one in (
        held,
        new,
        chained("gate-a", 3, [*carried_over(new, 1), bad]),
        chained("gate-b", 4, carried_over(old, 4)),
    ):
        store.commit_batches([one])
    return store


@pytest.mark.parametrize("kind", FORMATS)
def test_events_carried_over_come_once_as_they_were(kind: str, restored: Store, url: str, tmp_path: Path) -> None:
    """Each with its own time and columns, where central holds it first; another station's are its own events."""
    needs(kind)
    path = tmp_path / f"events.{kind}"
    assert export.export(url, Choice(), path, kind) == 6
    found = read(path, kind)
    assert [(row["station"], row["epoch"][-1], int(row["seq"]), row["kind"], row["reason"] or "") for row in found] == [
        ("gate-a", "1", 1, "decision", "r1"),
        ("gate-a", "1", 2, "decision", "r2"),
        ("gate-a", "2", 2, "decision", "r3"),
        ("gate-a", "2", 3, "decision", "r4"),
        ("gate-a", "3", 4, "rehomed", ""),
        ("gate-b", "4", 1, "decision", "r4"),
    ]
    row = found[2]
    moment = row["time"] if kind == "parquet" else datetime.fromisoformat(row["time"])
    assert moment == datetime.fromtimestamp((BEGAN_US + 3 * HOUR_US) / 1e6, UTC)
    assert (row["lane"], row["outcome"], row["cti"]) == ("in", "grant", f"{3:016x}")
    assert msgspec.json.decode(row["payload"])["cti"] == f"{3:016x}"


def test_a_choice_goes_by_what_events_were_before_they_were_carried_over(
    restored: Store, url: str, tmp_path: Path
) -> None:
    """Kinds and times are those of the gate, not of the day on which the rows were carried over."""
    path = tmp_path / "some.csv"
    assert export.export(url, Choice(kinds=("decision",)), path, "csv") == 5
    between = Choice(BEGAN_US + 3 * HOUR_US, BEGAN_US + 4 * HOUR_US)
    assert export.export(url, between, path, "csv") == 1
    assert [row["reason"] for row in read(path, "csv")] == ["r3"]
    assert export.export(url, Choice(BEGAN_US + DAY_US), path, "csv") == 1
    assert [row["kind"] for row in read(path, "csv")] == ["rehomed"]
    assert export.export(url, Choice(stations=("gate-b",), kinds=("decision",)), path, "csv") == 1
    assert export.export(url, Choice(kinds=("alarm",)), path, "csv") == 0


def test_an_odd_number_in_what_was_carried_over_is_left_out(store: Store, url: str, tmp_path: Path) -> None:
    """What no column holds is left out there too, and bytes that are no event come as they are."""
    odd = b'[1,%d,1,"b","trusted",%d,"decision",{"outcome":"grant"}]' % (10**30, 10**30)
    old = chained("gate-a", 1, [odd, b"[2]"])
    store.commit_batches([chained("gate-a", 2, carried_over(old, 1))])
    path = tmp_path / "odd.csv"
    assert export.export(url, Choice(), path, "csv") == 2
    found = [(row["time"], row["uncertainty_ms"], row["outcome"], row["payload"]) for row in read(path, "csv")]
    assert found == [("", "", "grant", '{"outcome":"grant"}'), ("", "", "", "[2]")]
    assert export.export(url, Choice(0), path, "csv") == 0
