"""Documents and the clock: what a wrong clock refuses is taken when it is right; the last good outlive a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.core.documents import DocumentType
from station.core.model import ClockState, Instant
from station.core.reasons import Reason
from station.documents import Taken
from station.papers import paper_ailments
from tests.core.issuing import CENTRAL, DAY_S, NOW, ROOTS, trust_raw
from tests.core.succeeding import NEXT, delegation_raw, roots_raw
from tests.flow.held_documents import CHUNK, Keeper, policy_raw
from tests.flow.signed_papers import status_raw

MAKE: dict[str, Callable[..., bytes]] = {
    "trust": trust_raw,
    "policy": policy_raw,
    "status": lambda **head: status_raw(CHUNK, **head),
    "delegation": delegation_raw,
    "roots": lambda **head: roots_raw([*ROOTS[:2], *NEXT[:2]], **head),
}
MONTH_S = 30 * DAY_S
OLD = {"iat": NOW - MONTH_S, "exp": NOW - DAY_S}
"""A document that was good for a while, and has not been for a day."""


def a_day_from(iat: int) -> dict[str, int]:
    """The dates of a document of a day, as delegations are."""
    return {"iat": iat, "exp": iat + DAY_S}


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """A station with one of each document in force, but roots and delegation."""
    made = Keeper(tmp_path)
    made.provide()
    yield made
    made.journal.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Keeper]:
    """A station whose journal is new: it knows the roots of its configuration, and nothing else."""
    made = Keeper(tmp_path)
    yield made
    made.journal.close()


def stepped(keeper: Keeper, seconds: int, state: ClockState = ClockState.TRUSTED) -> None:
    """Set the station's clock by so much, at one moment; let it look after what waits."""
    keeper.now = Instant(keeper.now.wall_us + seconds * 1_000_000, keeper.now.mono_us + 1_000_000, state=state)
    keeper.documents.retry(keeper.now)


# --- a clock that is set right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKE)
def test_what_a_slow_clock_refuses_is_taken_once_it_is_set(keeper: Keeper, kind: str) -> None:
    """A document of tomorrow waits; the clock's correction puts it into force without another word of the office."""
    raw = MAKE[kind](seq=2, **a_day_from(NOW + DAY_S))
    assert keeper.refuses(kind, raw) is Reason.DOCUMENT_FROM_FUTURE
    stepped(keeper, 3600)
    assert keeper.numbers().get(kind) != 2
    stepped(keeper, DAY_S)
    assert keeper.numbers()[kind] == 2
    assert keeper.results()[-2:] == [Reason.DOCUMENT_FROM_FUTURE, "in-force"]


def test_it_is_taken_when_its_time_has_come(keeper: Keeper) -> None:
    """Where nothing sets the clock, the document takes effect at its date by it."""
    keeper.offer("policy", policy_raw(seq=2, **a_day_from(NOW + DAY_S)))
    keeper.let(DAY_S)
    assert keeper.documents.retry(keeper.now) == [Taken(DocumentType.POLICY, 2)]


def test_it_is_taken_when_the_clock_is_found_to_be_lost(keeper: Keeper) -> None:
    """Who does not know the time judges no dates: what waited for one is taken."""
    keeper.offer("policy", policy_raw(seq=2, **a_day_from(NOW + DAY_S)))
    stepped(keeper, 0, ClockState.LOST)
    assert keeper.numbers()["policy"] == 2


@pytest.mark.parametrize("kind", ["policy", "status"])
def test_what_a_fast_clock_refuses_is_taken_once_it_is_set(keeper: Keeper, kind: str) -> None:
    """Expired by a clock that is a day ahead, while what is in force is not: taken once the clock is right."""
    assert keeper.offer(kind, MAKE[kind](seq=2, exp=NOW + MONTH_S)) == Taken(DocumentType(kind), 2)
    stepped(keeper, DAY_S)
    assert keeper.refuses(kind, MAKE[kind](seq=3, iat=NOW - 60, exp=NOW + 3600)) is Reason.DOCUMENT_EXPIRED
    stepped(keeper, -DAY_S)
    assert keeper.numbers()[kind] == 3


def test_it_waits_through_a_restart(keeper: Keeper) -> None:
    """The inbox is not marked as read beyond it."""
    raw = policy_raw(seq=2, **a_day_from(NOW + DAY_S))
    keeper.offer("policy", raw, 7)
    keeper.restart()
    assert keeper.mark < 7
    keeper.offer("policy", raw, 7)
    stepped(keeper, DAY_S)
    assert (keeper.numbers()["policy"], keeper.mark) == (2, 7)


@pytest.mark.parametrize("numbers", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_of_several_the_newest_waits(keeper: Keeper, numbers: tuple[int, ...]) -> None:
    """One of each type waits for the clock, whatever came first; the others are not missed."""
    for seq in numbers:
        keeper.offer("policy", policy_raw(seq=seq, **a_day_from(NOW + DAY_S + seq)), seq)
    keeper.offer("status", status_raw(CHUNK, seq=2, **a_day_from(NOW + DAY_S)), 9)
    stepped(keeper, DAY_S + 60)
    assert (keeper.numbers()["policy"], keeper.numbers()["status"], keeper.mark) == (4, 2, 9)


def test_rubbish_does_not_drive_it_out(keeper: Keeper) -> None:
    """However much waits for keys that nobody knows, the one that waits for its time keeps its place."""
    keeper.offer("policy", policy_raw(seq=2, **a_day_from(NOW + DAY_S)))
    for number in range(100):
        keeper.offer("trust", trust_raw(signers=NEXT[:2], seq=2 + number))
    stepped(keeper, DAY_S)
    assert keeper.numbers()["policy"] == 2


def test_what_was_overtaken_is_refused_for_that(keeper: Keeper) -> None:
    """When a newer one came meanwhile, the one that waited is a rollback."""
    keeper.offer("policy", policy_raw(seq=2, **a_day_from(NOW + DAY_S)))
    keeper.offer("policy", policy_raw(seq=3))
    keeper.documents.retry(keeper.now)
    stepped(keeper, DAY_S)
    assert keeper.numbers()["policy"] == 3
    assert keeper.results()[-1] == Reason.DOCUMENT_ROLLBACK


# --- a journal that begins anew --------------------------------------------------------------------------------------


def test_the_last_good_ones_outlive_the_journal(empty: Keeper) -> None:
    """Expired documents, in force until the journal was set aside, are in force after it, and shown as they were."""
    for kind in ("trust", "policy", "status", "roots"):
        assert empty.offer(kind, MAKE[kind](**OLD)) == Taken(DocumentType(kind), 2 if kind == "roots" else 1)
    ailments = paper_ailments(empty.documents, empty.now)
    shown = {part: ailment.key for part, ailment in ailments.items() if ailment}
    assert shown == {"policy": "health-policy-stale", "status-list": "health-status-stale"}
    empty.restart()
    assert set(empty.numbers()) == {"trust", "policy", "status", "roots"}


@pytest.mark.parametrize("kind", ["trust", "policy", "status"])
def test_a_newer_one_takes_its_place_and_no_older_one(empty: Keeper, kind: str) -> None:
    """Out of date by out of date it goes forward, never back; the one of today ends it, and then expired is refused."""
    for name in ("trust", "policy", "status"):
        empty.offer(name, MAKE[name](seq=5, **OLD))
    assert empty.refuses(kind, MAKE[kind](seq=4, **OLD)) is Reason.DOCUMENT_ROLLBACK
    assert empty.refuses(kind, MAKE[kind](seq=6, iat=OLD["iat"] - 1, exp=OLD["exp"])) is Reason.DOCUMENT_ROLLBACK
    assert empty.offer(kind, MAKE[kind](seq=6, iat=OLD["iat"] + 1, exp=OLD["exp"])) == Taken(DocumentType(kind), 6)
    assert empty.offer(kind, MAKE[kind](seq=7)) == Taken(DocumentType(kind), 7)
    assert empty.refuses(kind, MAKE[kind](seq=8, iat=NOW - 60, exp=NOW - 1)) is Reason.DOCUMENT_EXPIRED


def test_what_was_withdrawn_does_not_come_back(empty: Keeper) -> None:
    """Out of date is not withdrawn: a policy whose key the list withdraws is refused, however empty the station."""
    empty.offer("trust", trust_raw(**OLD))
    empty.offer("status", status_raw(CHUNK, [CENTRAL.kid], **OLD))
    assert empty.refuses("policy", policy_raw(**OLD)) is Reason.DOCUMENT_OUT_OF_ROLE


def test_a_forged_old_one_is_refused_as_ever(empty: Keeper) -> None:
    """Nothing but two roots makes a bundle, and nobody is believed before there is one."""
    assert empty.refuses("policy", policy_raw(**OLD)) is Reason.NO_TRUST
    assert empty.refuses("trust", trust_raw(signers=ROOTS[:1], **OLD)) is Reason.DOCUMENT_UNSIGNED
