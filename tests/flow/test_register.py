"""What is remembered of people's ways: with the event or not at all, for eight days, and the same after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.events import Kind
from station.core.live import Live
from station.core.model import Credential, Direction, Instant
from station.core.passback import History, Passage, Peers
from station.journal import Change, Journal, JournalFault
from station.register import HEARD_US, KEEP_US, Memo, Register
from tests.core.issuing import NOW, NOW_INSTANT, credential, passage

PERSON = credential()
HOUR_US = 3_600_000_000
IN, OUT = Direction.IN, Direction.OUT


def at(seconds: float) -> Instant:
    """Return a moment so much after NOW."""
    step = round(seconds * 1e6)
    return replace(NOW_INSTANT, wall_us=NOW_INSTANT.wall_us + step, mono_us=NOW_INSTANT.mono_us + step)


def live(t: int = NOW, **changes: object) -> Credential:
    """Return the person's pass as shown live."""
    return credential(live=Live(t), **changes)


@pytest.fixture
def journal(tmp_path):
    """An empty journal."""
    made = Journal(tmp_path, "boot-1")
    yield made
    made.close()


@pytest.fixture
def register(journal):
    """The register of a station that is its site's only gate."""
    return Register(journal, has_peers=False)


def keep(journal: Journal, memo: Memo, now: Instant = NOW_INSTANT) -> None:
    """Commit an event with what it changes, as the flow does."""
    journal.append(Kind.PASSAGE, {}, now, memo.changes)
    memo.take_effect()


def own(register: Register, now: Instant = NOW_INSTANT) -> list[tuple[Direction, int]]:
    """Return the person's passages as the register knows them: way and whole seconds after NOW."""
    return [(p.direction, p.wall_us // 1_000_000 - NOW) for p in register.history(PERSON, now).own]


# --- passages --------------------------------------------------------------------------------------------------------


def test_a_passage_counts_for_pass_and_household(journal, register):
    """One of a household goes out: it counts for the pass, and for everybody of the household."""
    keep(journal, register.passed([PERSON], OUT, NOW_INSTANT))
    one = Passage(PERSON.cti, PERSON.household, OUT, NOW_INSTANT.wall_us)
    assert register.history(PERSON, NOW_INSTANT) == History((one,), (one,), Peers.ALONE)
    assert register.history(credential(cti=bytes(8)), NOW_INSTANT) == History((), (one,), Peers.ALONE)
    assert register.history(credential(cti=bytes(8), household=None), NOW_INSTANT) == History()


def test_nothing_is_remembered_that_was_not_committed(journal, register):
    """Asking for the changes changes nothing; and where the commit fails, file and memory know nothing of it."""
    memo = register.passed([PERSON], OUT, NOW_INSTANT)
    assert own(register) == []
    with pytest.raises(JournalFault):
        journal.append(Kind.PASSAGE, {}, NOW_INSTANT, [*memo.changes, Change("INSERT INTO nowhere VALUES (1)", ())])
    assert own(register) == own(Register(journal, has_peers=False)) == []


def test_two_people_pass_in_one_event(journal, register):
    """A passage of two is one transaction with two rows."""
    keep(journal, register.passed([PERSON, credential(cti=bytes(8), household=None)], IN, NOW_INSTANT))
    assert journal.rows("SELECT direction, count(*) FROM passage") == [("in", 2)]
    assert own(register) == [(IN, 0)]


steps = st.lists(
    st.tuples(
        st.sampled_from(["out", "in", "forgive", "live", "restart", "wait"]),
        st.integers(0, 2),
        st.sampled_from([1, 60, 86_400, 3 * 86_400, 9 * 86_400]),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_a_restart_changes_nothing(tmp_path_factory, plan):
    """Over any run of passages, forgiveness and used-up codes, a register opened anew answers like the running one."""
    folder = tmp_path_factory.mktemp("register")
    journal = Journal(folder, "boot-1")
    register, now = Register(journal, has_peers=False), NOW_INSTANT
    people = [credential(cti=bytes([n]) * 8, household=None if n == 2 else bytes(6)) for n in range(3)]
    for what, who, seconds in plan:
        now = replace(now, wall_us=now.wall_us + seconds * 1_000_000, mono_us=now.mono_us + seconds * 1_000_000)
        person = replace(people[who], live=Live(now.seconds))
        if what in ("out", "in"):
            keep(journal, register.passed([person], Direction(what), now), now)
        elif what == "forgive":
            keep(journal, register.forgiven(person, now), now)
        elif what == "live":
            keep(journal, register.granted([person], now), now)
            assert register.used_up(person)
        elif what == "restart":
            journal.close()
            journal = Journal(folder, "boot-2")
            register = Register(journal, has_peers=False)
        fresh = Register(journal, has_peers=False)
        register.forget_old(now)
        fresh.forget_old(now)
        for one in people:
            assert register.history(one, now) == fresh.history(one, now)
            assert register.used_up(replace(one, live=Live(now.seconds))) == fresh.used_up(
                replace(one, live=Live(now.seconds))
            )
    journal.close()


def test_eight_days_are_kept(journal, register):
    """What is older than any quota counts goes from the file with the next passage, and from memory when tended."""
    keep(journal, register.passed([PERSON], OUT, at(-8 * 86_400 - 1)), at(-8 * 86_400 - 1))
    keep(journal, register.passed([PERSON], IN, at(-7 * 86_400)), at(-7 * 86_400))
    keep(journal, register.passed([credential(cti=bytes(8))], IN, NOW_INSTANT))
    assert journal.rows("SELECT count(*) FROM passage WHERE cti = ?", (PERSON.cti,)) == [(1,)]
    register.forget_old(NOW_INSTANT)
    assert own(register) == [(IN, -7 * 86_400)]


def test_memory_does_not_grow_for_ever(journal, register):
    """Passes nobody showed for eight days, codes used up days ago and old forgiveness leave nothing in memory."""
    for number in range(50):
        someone = live(cti=number.to_bytes(8, "big"), household=number.to_bytes(6, "big"))
        keep(journal, register.passed([someone], OUT, NOW_INSTANT))
        keep(journal, register.granted([someone], NOW_INSTANT))
        keep(journal, register.forgiven(someone, NOW_INSTANT))
    for days in (0, 9, 10):
        register.forget_old(at(days * 86_400))
    assert not register._by_pass
    assert not register._by_household
    assert not register._used | register._used_before
    assert not register._forgiven


# --- live codes ------------------------------------------------------------------------------------------------------


def test_a_grant_consumes_the_very_code(journal, register):
    """Pass and time together are used up: another time of the same pass, and another pass of the same time, are not."""
    keep(journal, register.granted([live()], NOW_INSTANT))
    for known in (register, Register(journal, has_peers=False)):
        assert known.used_up(live())
        assert known.used_up(credential(live=Live(NOW, bytes(8))))  # the number does not make it another moment
        assert not known.used_up(live(NOW + 10))
        assert not known.used_up(live(cti=bytes(8)))
        assert not known.used_up(PERSON)


def test_paper_consumes_nothing(register):
    """A grant to a paper pass changes no state."""
    assert register.granted([PERSON], NOW_INSTANT).changes == ()


def test_used_up_codes_are_forgotten_once_they_are_too_old_by_themselves(journal, register):
    """A day later the row goes; within the day it stays, however many grants come after it."""
    keep(journal, register.granted([live()], NOW_INSTANT))
    keep(journal, register.granted([live(NOW + 80_000)], at(80_000)), at(80_000))
    assert journal.rows("SELECT count(*) FROM live_used") == [(2,)]
    keep(journal, register.granted([live(NOW + 90_000)], at(90_000)), at(90_000))
    assert journal.rows("SELECT min(t) FROM live_used") == [(NOW + 80_000,)]


def test_a_code_stays_used_up_for_a_day_whatever_the_phones_clock_says(journal, register):
    """A phone a year behind, let in by the station's number, does not come back with the same code an hour later."""
    late = credential(live=Live(NOW - 400 * 86_400, bytes(8)))
    register.forget_old(NOW_INSTANT)
    keep(journal, register.granted([late], NOW_INSTANT))
    for hour in range(24):
        register.forget_old(at(3600 * hour))
        assert register.used_up(late)


# --- forgiving -------------------------------------------------------------------------------------------------------


def test_what_was_before_is_forgiven_what_comes_after_counts(journal, register):
    """A guard's word covers pass and household up to its moment, not beyond."""
    keep(journal, register.passed([PERSON], OUT, at(-60)), at(-60))
    keep(journal, register.forgiven(PERSON, NOW_INSTANT))
    keep(journal, register.passed([PERSON], IN, at(60)), at(60))
    for known in (register, Register(journal, has_peers=False)):
        assert own(known) == [(IN, 60)]
        assert len(known.history(credential(cti=bytes(8)), NOW_INSTANT).household) == 1


def test_only_who_was_forgiven_is_forgiven(journal, register):
    """Another pass of another household keeps its passages."""
    other = credential(cti=bytes(8), household=bytes(6))
    keep(journal, register.passed([PERSON, other], OUT, at(-60)), at(-60))
    keep(journal, register.forgiven(PERSON, NOW_INSTANT))
    assert len(register.history(other, NOW_INSTANT).own) == 1


# --- other gates -----------------------------------------------------------------------------------------------------


def ways(register: Register, notices: Iterable[Iterable[Passage]]) -> list[tuple[Direction, int]]:
    """Return the person's passages after some notices."""
    for notice in notices:
        register.heard(notice, NOW_INSTANT, fresh=True)
    return own(register)


def test_reports_come_late_twice_and_out_of_order(journal):
    """Whatever the order and however often it is told, the person's last passage is the last one."""
    first, second, third = passage(OUT, NOW - 300), passage(IN, NOW - 200), passage(OUT, NOW - 100)
    expected = [(OUT, -300), (IN, -200), (OUT, -100)]
    assert ways(Register(journal, has_peers=True), [[third], [first, second], [second]]) == expected
    assert ways(Register(journal, has_peers=True), [[third, second, first]]) == expected


def test_what_other_gates_report_is_not_kept_in_the_journal(journal):
    """gate-sync keeps it and it is read anew; the register's file holds what this station recorded itself."""
    register = Register(journal, has_peers=True)
    register.heard([passage(OUT, NOW - 60)], NOW_INSTANT, fresh=True)
    assert journal.rows("SELECT count(*) FROM passage") == [(0,)]
    assert own(register) == [(OUT, -60)]


def test_old_reports_are_passed_over(journal):
    """A notice about what is older than eight days fills no memory."""
    register = Register(journal, has_peers=True)
    register.heard([passage(OUT, NOW - KEEP_US / 1e6 - 1)], NOW_INSTANT, fresh=True)
    assert own(register) == []


@pytest.mark.parametrize(
    ("age_us", "peers"), [(0, Peers.HEARD), (HEARD_US, Peers.HEARD), (HEARD_US + 1, Peers.UNHEARD)]
)
def test_the_site_counts_as_heard_from_for_fifteen_minutes(journal, age_us, peers):
    """After a quarter of an hour without a notice the station decides on its own knowledge again."""
    register = Register(journal, has_peers=True)
    assert register.history(PERSON, NOW_INSTANT).peers is Peers.UNHEARD
    register.heard([], NOW_INSTANT, fresh=True)
    later = at(age_us / 1e6)
    assert register.history(PERSON, later).peers is peers
    assert Register(journal, has_peers=True).history(PERSON, later).peers is Peers.UNHEARD


def test_reading_old_news_is_not_hearing(journal):
    """What lay there at start tells of passages, not that the link to the others works now."""
    register = Register(journal, has_peers=True)
    register.heard([passage(OUT, NOW - 60)], NOW_INSTANT, fresh=False)
    assert own(register) == [(OUT, -60)]
    assert register.history(PERSON, NOW_INSTANT).peers is Peers.UNHEARD


def test_an_only_gate_hears_from_nobody(register):
    """Without other gates there is nothing to wait for."""
    assert register.history(PERSON, at(HOUR_US)).peers is Peers.ALONE
