"""Rows that an operator wants once more, and what hello tells of the station for commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.schema import BOOT_NONCE, EVICTED, EVICTED_SEQ
from tests.sync.lab import ZONE, Journal
from tests.sync.test_uplink import Bench


@pytest.fixture
def bench(tmp_path: Path, journal: Journal) -> Iterator[Bench]:
    """A connected uplink whose 40 rows central holds."""
    found = Bench(tmp_path, journal)
    journal.write(40)
    found.connect()
    found.ack(40, answer=True)
    found.spans()
    yield found
    found.store.close()
    found.outbox.close()


def test_a_range_is_sent_once_more_in_batches(bench: Bench) -> None:
    """Acknowledged rows go again, once, in batches of the usual size; beyond the journal's end there is nothing."""
    assert bench.uplink.resend(3, 99) == "rows 3 to 40 are sent again"
    bench.work()
    bench.ack(40)
    assert bench.spans() == [(3, 12), (13, 22), (23, 32), (33, 40)]
    bench.work(10)
    assert bench.spans() == []


def test_what_is_not_kept_is_said(bench: Bench) -> None:
    """Evicted rows and rows that never were are answered with words and hold up nothing."""
    evicted = (20).to_bytes(EVICTED_SEQ) + bytes.fromhex(bench.head(20))
    bench.journal._db.execute("INSERT INTO state VALUES (?, ?)", (EVICTED, evicted))
    bench.journal.evict(20)
    bench.work()
    assert bench.uplink.resend(1, 10).startswith("nothing is sent")
    assert bench.uplink.resend(41, 50).startswith("nothing is sent")
    assert bench.uplink.resend(1, 30) == "rows 21 to 30 are sent again"
    bench.journal.write(3)
    bench.work()
    assert (41, 43) in bench.spans()


def test_rows_that_are_evicted_meanwhile_hold_nothing_up(bench: Bench) -> None:
    """A wish for rows that have gone since is dropped; new events go on."""
    bench.uplink.resend(3, 30)
    bench.journal.evict(35)
    bench.now += 1
    bench.uplink.work(bench.now)
    bench.journal.write(2)
    bench.work()
    assert (41, 42) in bench.spans()


def test_hello_tells_zone_and_the_number_of_this_start(bench: Bench) -> None:
    """Central knows where a station is and what to echo to it; said again when told to."""
    before = bench.hello()
    assert (before.zone, before.boot_nonce) == (ZONE, "")
    bench.journal._db.execute("INSERT INTO state VALUES (?, ?)", (BOOT_NONCE, b"12345678"))
    bench.uplink.greet_again(bench.now)
    bench.work()
    assert bench.hello().boot_nonce == b"12345678".hex()
    assert bench.hello().nonce != before.nonce
