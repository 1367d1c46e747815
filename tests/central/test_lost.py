"""Rows that are lost for good: listed, let go only by a signed command, and taken after all should they come."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from station.core.model import Rejected
from sync import wire
from sync.central import authority as authorities
from sync.central import ranges, skip, tables
from sync.central.certificate_table import CertificateTable, Opened
from sync.central.cli import main
from sync.central.keyfiles import SigningKey, new_key
from sync.central.lost_table import SkipError
from sync.central.office_trust import newest_bundle
from sync.central.skip import Skip, UnauthorisedError
from sync.central.store import Said, Store
from tests.central.bureau import Bureau
from tests.central.test_store import EPOCH, piece, put, stored, stream
from tests.sync.lab import STATION, ZONE, central_toml

ROWS = stream(40)


def gap(store: Store) -> None:
    """Rows 1 to 10 and 21 to 30 are held; the station no longer keeps anything before 21."""
    put(store, piece(ROWS, 1, 10), piece(ROWS, 21, 30))
    store.note_lost(STATION, EPOCH, 21)


def let_go(first: int, last: int) -> Skip:
    """A command over the stream."""
    return Skip(STATION, EPOCH, first, last, 1)


def listed(store: Store) -> list[tuple[int, int, bool]]:
    """First, last and whether they were let go."""
    return [(one.first, one.last, one.skipped_us is not None) for one in store.lost()]


def test_a_skipped_range_lets_the_prefix_go_on(store: Store) -> None:
    """Nothing moves while rows are lost; the command moves the prefix to the end of what is held, head included."""
    gap(store)
    assert ranges.prefix(put(store, piece(ROWS, 31, 32)).held)[0] == 10
    store.skip_lost(let_go(11, 20), b"signed")
    standing = put(store, piece(ROWS, 33, 40))
    assert ranges.prefix(standing.held) == (40, piece(ROWS, 40, 40).hashes[-1])
    assert listed(store) == [(11, 20, True)]
    with store.reading() as db:
        assert bytes(db.execute(sa.select(tables.lost_range.c.command)).scalar_one()) == b"signed"


def test_the_beginning_can_be_let_go(store: Store) -> None:
    """Rows before the first that is held follow on zero bytes."""
    put(store, piece(ROWS, 11, 20))
    store.note_lost(STATION, EPOCH, 11)
    store.skip_lost(let_go(1, 10), b"signed")
    assert ranges.prefix(put(store, piece(ROWS, 21, 30)).held)[0] == 30


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (11, 21, "not all lost"),
        (5, 20, "not all lost"),
        (33, 34, "not all lost"),
        (11, 15, "row 16 has not been received"),
        (12, 20, "row 11 has not been received"),
    ],
)
def test_only_whole_holes_with_known_edges_are_let_go(store: Store, first: int, last: int, why: str) -> None:
    """What is held, not lost, or has an unknown edge stays as it is."""
    gap(store)
    with pytest.raises(SkipError, match=why):
        store.skip_lost(let_go(first, last), b"signed")
    assert listed(store) == [(11, 20, False)]


def test_the_end_of_a_stream_that_has_ended_can_be_let_go(store: Store) -> None:
    """No row will ever come behind it. Should its own come after all, they are compared with what is held and taken."""
    put(store, piece(ROWS, 1, 10))
    store.note_lost(STATION, EPOCH, 13)
    says_hello(store, epoch=EPOCH + 1)
    store.skip_lost(let_go(11, 12), b"signed")
    assert listed(store) == [(11, 12, True)]
    assert store.note_lost(STATION, EPOCH, 13) == []
    assert put(store, piece(stream(12, "another life"), 11, 12)).forked
    assert ranges.prefix(put(store, piece(ROWS, 11, 12)).held)[0] == 12
    assert listed(store) == []
    assert stored(store) == ROWS[:12]


@pytest.mark.parametrize("before", [0, 10])
def test_the_prefix_goes_on_behind_an_end_that_was_let_go_too_early(store: Store, before: int) -> None:
    """Rows came behind it all the same, perhaps not the next ones first: they join what was let go by themselves."""
    if before:
        put(store, piece(ROWS, 1, before))
    store.note_lost(STATION, EPOCH, 13)
    says_hello(store, epoch=EPOCH + 1)
    store.skip_lost(let_go(before + 1, 12), b"signed")
    assert ranges.prefix(put(store, piece(ROWS, 15, 20)).held)[0] == before
    assert ranges.prefix(put(store, piece(ROWS, 13, 14)).held) == (20, piece(ROWS, 20, 20).hashes[-1])
    assert listed(store) == [(before + 1, 12, True)]
    assert put(store, piece(stream(12, "another life"), before + 1, 12)).forked
    assert ranges.prefix(put(store, piece(ROWS, before + 1, 12)).held)[0] == 20
    assert listed(store) == []
    assert stored(store) == ROWS[:20]


def test_what_comes_of_an_end_that_was_let_go_leaves_the_rest_to_be_joined(store: Store) -> None:
    """A part of what was let go turns up, then what follows: what is still missing between the two stays let go."""
    put(store, piece(ROWS, 1, 10))
    store.note_lost(STATION, EPOCH, 16)
    says_hello(store, epoch=EPOCH + 1)
    store.skip_lost(let_go(11, 15), b"signed")
    assert ranges.prefix(put(store, piece(ROWS, 12, 13)).held)[0] == 13
    assert ranges.prefix(put(store, piece(ROWS, 16, 20)).held)[0] == 20
    assert listed(store) == [(11, 11, True), (14, 15, True)]


@pytest.mark.parametrize(
    ("live", "first", "last", "why"),
    [
        (None, 11, 12, "row 13 has not been received"),
        (EPOCH, 11, 12, "row 13 has not been received"),
        (EPOCH + 1, 11, 11, "row 12 has not been received"),
        (EPOCH + 1, 12, 12, "row 11 has not been received"),
    ],
    ids=["the station never said hello", "the stream goes on", "a part from the left", "a part from the right"],
)
def test_only_a_whole_end_of_an_ended_stream_is_let_go(
    store: Store, live: int | None, first: int, last: int, why: str
) -> None:
    """While the station goes on with the stream, rows may still come behind the hole."""
    put(store, piece(ROWS, 1, 10))
    store.note_lost(STATION, EPOCH, 13)
    if live is not None:
        says_hello(store, epoch=live)
    with pytest.raises(SkipError, match=why):
        store.skip_lost(let_go(first, last), b"signed")
    assert listed(store) == [(11, 12, False)]


def test_where_rows_are_held_farther_behind_it_is_no_end(store: Store) -> None:
    """Of the rows between, nobody has said yet that they are lost."""
    put(store, piece(ROWS, 1, 10), piece(ROWS, 15, 20))
    store.note_lost(STATION, EPOCH, 13)
    says_hello(store, epoch=EPOCH + 1)
    with pytest.raises(SkipError, match="row 13 has not been received"):
        store.skip_lost(let_go(11, 12), b"signed")


def test_an_unknown_stream_is_said(store: Store) -> None:
    """Nothing is made for a stream nobody has heard of."""
    with pytest.raises(SkipError, match="no journal"):
        store.skip_lost(let_go(1, 2), b"signed")
    with store.reading() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(tables.stream)).scalar_one() == 0


def test_rows_let_go_that_come_after_all_are_taken(store: Store) -> None:
    """From a quarantined journal, say: inserted once, compared with both neighbours, what is missing stays skipped."""
    gap(store)
    store.skip_lost(let_go(11, 20), b"signed")
    for _ in range(2):
        standing = put(store, piece(ROWS, 13, 16))
    assert (standing.forked, ranges.prefix(standing.held)[0]) == (False, 30)
    assert stored(store) == ROWS[:10] + ROWS[12:16] + ROWS[20:30]
    assert listed(store) == [(11, 12, True), (17, 20, True)]
    for others in (stream(40, "another life", same=10), stream(40, "another life", same=16)):
        assert put(store, piece(others, 11, 12) if others[10] != ROWS[10] else piece(others, 17, 20)).forked
    assert len(stored(store)) == 24
    put(store, piece(ROWS, 8, 22))
    assert stored(store) == ROWS[:30]
    assert listed(store) == []


def test_lost_rows_that_come_after_all_are_no_longer_listed(store: Store) -> None:
    """The list shows what is missing, not what once was."""
    gap(store)
    put(store, piece(ROWS, 11, 14))
    assert listed(store) == [(15, 20, False)]


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """An office with a key for commands."""
    found = Bureau(tmp_path / "office")
    found.run("keys", "issuer", "director", "--role", "command", "--zone", "3206")
    found.run("keys", "trust")
    return found


def says_hello(store: Store, zone: str = ZONE, epoch: int = EPOCH) -> None:
    """The station says which zone it is in, and with which stream it goes on."""
    hello = wire.Hello(epoch=epoch, nonce=1, first_kept=1, next_seq=1, acked=0, head="0" * 64, zone=zone)
    store.note_stations([Said(STATION, "hello", wire.encode(hello).decode(), alive=True)])


def was_given(url: str, zone: str, folder: Path) -> None:
    """The office gives the station a certificate in a zone."""
    now, table = dt.datetime.now(dt.UTC), CertificateTable(url)
    authority, public = authorities.make(folder, now), ec.generate_private_key(ec.SECP256R1()).public_key()
    table.open_code(b"secret", Opened(STATION, zone), int(now.timestamp()), 60)
    life = dt.timedelta(days=1)
    table.enrol(b"secret", public, int(now.timestamp()), lambda _: authority.client(STATION, public, now, life))
    table.close()


ELSEWHERE = "110101001001"


@pytest.mark.parametrize(
    ("given", "said", "outcome"),
    [
        ("", "", "is not known"),
        ("", ELSEWHERE, f"zone {ELSEWHERE}"),
        ("", ZONE, ""),
        (ELSEWHERE, ZONE, f"zone {ELSEWHERE}"),
        (ZONE, ELSEWHERE, ""),
    ],
    ids=["nobody knows", "another, it says", "ours, it says", "another, the office gave", "ours, the office gave"],
)
def test_a_key_lets_go_rows_of_its_zones_alone(
    bureau: Bureau, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, said: str, outcome: str
) -> None:
    """As with commands to stations. The zone is what the office gave; where it gave none, what the station says."""
    store = Store(url)
    store.open()
    gap(store)
    if said:
        says_hello(store, said)
    if given:
        was_given(url, given, tmp_path / "authority")
    words = ["lost", "skip", STATION, f"{EPOCH:016x}", "11", "20", "--config", str(central_toml(tmp_path, 1, url))]
    capsys.readouterr()
    assert main([*words, "--office", str(bureau.folder), "--key", "director"]) == int(bool(outcome))
    assert outcome in (told := capsys.readouterr().err)
    assert ("keys issuer" in told) is bool(said and outcome)
    assert listed(store) == [(11, 20, not outcome)]
    store.close()


def test_the_commands_list_and_skip(
    bureau: Bureau, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator copies the listed line; the signed bytes stay in the row and can be verified."""
    store = Store(url)
    store.open()
    gap(store)
    says_hello(store)
    config = ["--config", str(central_toml(tmp_path, 1, url))]
    capsys.readouterr()
    assert main(["lost", "list", *config]) == 0
    station, epoch, first, last, *rest = capsys.readouterr().out.split()
    assert (station, epoch, first, last) == (STATION, f"{EPOCH:016x}", "11", "20")
    assert " ".join(rest).endswith("waits for a decision")
    words = ["lost", "skip", station, epoch, first, last, *config, "--office", str(bureau.folder), "--key"]
    assert main([*words, "centre"]) == 1
    assert "no role `command`" in capsys.readouterr().err
    assert listed(store) == [(11, 20, False)]
    assert main([*words, "director"]) == 0
    assert main([*words, "director"]) == 1
    assert ranges.prefix(put(store, piece(ROWS, 31, 40)).held)[0] == 40
    with store.reading() as db:
        command = bytes(db.execute(sa.select(tables.lost_range.c.command)).scalar_one())
    verified = skip.verify(command, newest_bundle(bureau.folder), ZONE, int(time.time()))
    assert (verified.station, verified.epoch, verified.first, verified.last) == (STATION, EPOCH, 11, 20)
    store.close()


def test_a_command_of_nobody_is_refused(bureau: Bureau) -> None:
    """A stranger's key, a changed byte, an expired key, another kind of document."""
    trust, now = newest_bundle(bureau.folder), int(time.time())
    assert not isinstance(trust, Rejected)
    director = bureau.keyring.key("director")
    good = skip.sign(let_go(1, 2), director)
    assert skip.verify(good, trust, ZONE, now) == let_go(1, 2)
    stranger = SigningKey(director.kid, new_key().private)
    for bad, when in (
        (skip.sign(let_go(1, 2), new_key()), now),
        (skip.sign(let_go(1, 2), stranger), now),
        (good, now + 10**9),
        (skip.sign(let_go(2, 1), director), now),
        (b"", now),
    ):
        with pytest.raises(UnauthorisedError):
            skip.verify(bad, trust, ZONE, when)
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1
        with pytest.raises(UnauthorisedError):
            skip.verify(bytes(changed), trust, ZONE, now)
