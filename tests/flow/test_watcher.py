"""What is held up before a camera: read once, taken up once, and what counts among several things."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from station.core import scan
from station.core.model import Credential, Instant
from station.core.timecode import TimeCode
from station.watcher import MOST_READINGS, HeldUp, Reading, Watcher, most_telling, passes_among
from tests.core.issuing import NOW, NOW_INSTANT, ZONE, pass_text, trust_bundle
from tests.core.phones import phone
from tests.flow.signed_papers import time_text, trust_rows

TRUST, LATER_TRUST = trust_bundle(trust_rows()), trust_bundle(trust_rows())
REARM_US = 2_000_000
MINE = phone("mine")
PAPER = MINE.pass_text()
OTHER = pass_text(cti=bytes(8))
POSTER, SECOND_POSTER = "https://example.org/", "wxp://f2f0"


class Bench:
    """A watcher with a camera that sees what the test says, and a list of what was read."""

    def __init__(self) -> None:
        self.trust = TRUST
        self.read_texts: list[str] = []
        self.used: set[int] = set()
        self.now = NOW_INSTANT
        self.watcher = Watcher(self._read, self._used_up, REARM_US)

    def _read(self, text: str) -> Reading:
        self.read_texts.append(text)
        return scan.read(text, self.trust, ZONE)

    def _used_up(self, credential: Credential) -> bool:
        return credential.live is not None and credential.live.t in self.used

    def look(self, *texts: str, after: float = 0.033) -> list[str]:
        """Look at one frame; return the texts that are newly held up."""
        self._pass(after)
        return [item.text for item in self.watcher.look(list(texts), self.trust, self.now)[1]]

    def stay(self, *texts: str, after: float = 0.033) -> bool:
        """Look at one frame while the lane is busy; say whether somebody else shows something."""
        self._pass(after)
        return self.watcher.stay(list(texts), self.trust, self.now)

    def _pass(self, seconds: float) -> None:
        step = round(seconds * 1e6)
        self.now = Instant(self.now.wall_us + step, self.now.mono_us + step)


@pytest.fixture
def bench():
    """A watcher that has seen nothing yet."""
    return Bench()


@cache
def live(t: int = NOW) -> str:
    """Return the phone's code of a time, drawn once."""
    return MINE.show(PAPER, t)


# --- taken up once ---------------------------------------------------------------------------------------------------


def test_a_text_is_new_once_and_its_signatures_are_checked_once(bench):
    """Frame after frame of the same pass: new in the first, and read in the first alone."""
    assert bench.look(PAPER) == [PAPER]
    for _ in range(100):
        assert bench.look(PAPER) == []
    assert bench.read_texts == [PAPER]


@pytest.mark.parametrize(("gap_s", "fresh"), [(1.9, False), (2.1, True)])
def test_out_of_sight_for_two_seconds_is_new_again(bench, gap_s, fresh):
    """A hand that shakes is no new presentation; taking the pass away and showing it again is."""
    bench.look(PAPER)
    assert (bench.look(PAPER, after=gap_s) == [PAPER]) is fresh


def test_forgotten_is_new(bench):
    """Told to forget, the watcher takes up whatever is held up."""
    bench.look(PAPER)
    bench.watcher.forget()
    assert bench.look(PAPER) == [PAPER]


def test_a_redrawn_code_is_read_but_not_new(bench):
    """The phone's next code is verified, too, and belongs to what is held up already."""
    first, second = live(), live(NOW + 10)
    assert bench.look(first) == [first]
    assert bench.look(second) == []
    assert bench.read_texts == [first, second]


def test_a_code_used_up_while_held_up_still_belongs_to_its_phone(bench):
    """A grant consumes the code in sight; the phone that stays and draws its next one is not a new presentation."""
    bench.look(live())
    bench.used.add(NOW)
    for _ in range(90):
        assert not bench.stay(live())
    for _ in range(90):
        assert bench.look(live()) == []
    assert bench.look(live(NOW + 10)) == []


def test_a_code_that_grows_old_while_held_up_still_belongs_to_its_phone(bench):
    """A page that hangs for a minute and then draws on is one presentation."""
    for _ in range(60):
        bench.look(live(), after=1)
    assert bench.look(live(NOW + 60)) == []


def test_a_used_up_code_shown_again_is_new_and_so_is_the_next(bench):
    """Out of sight and back: the used-up code is something to answer for, and the phone's next code again."""
    old = live()
    bench.look(old)
    bench.used.add(NOW)
    assert bench.look(old, after=3) == [old]
    new = live(NOW + 10)
    assert bench.look(new) == [new]


def test_a_stale_code_is_new_and_so_is_the_refreshed_page(bench):
    """An old picture is answered for; the code after it is a new presentation."""
    old, new = live(NOW - 60), live()
    assert bench.look(old) == [old]
    assert bench.look(new) == [new]


# --- while the lane is busy ------------------------------------------------------------------------------------------


def test_who_waits_behind_is_seen_and_taken_up_afterwards(bench):
    """During a passage another pass is noticed, not taken up; once the lane is free it is new."""
    bench.look(PAPER)
    assert not bench.stay(PAPER)
    assert bench.stay(PAPER, OTHER)
    assert bench.look(OTHER) == [OTHER]


def test_who_passes_is_not_somebody_else(bench):
    """The phone of whoever goes through draws its next code meanwhile: nobody else is there."""
    bench.look(live())
    assert not bench.stay(live(NOW + 10))
    assert bench.look(live(NOW + 10)) == []


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_new_bundle_reads_everything_anew(bench):
    """What was good by old keys is judged by the new ones; that alone is no new presentation."""
    bench.look(PAPER)
    bench.trust = LATER_TRUST
    assert bench.look(PAPER) == []
    assert bench.read_texts == [PAPER, PAPER]


def test_readings_are_forgotten(bench):
    """A screen that shows a new code in every frame fills no memory; many codes in one frame are all read once."""
    for number in range(200):
        bench.look(f"https://example.org/{number}")
    assert len(bench.watcher._readings) <= MOST_READINGS
    assert len(bench.watcher._stood_for) <= 65
    many = [f"https://example.net/{number}" for number in range(40)]
    bench.read_texts.clear()
    bench.look(*many)
    bench.look(*many)
    assert bench.read_texts == many


# --- what counts -----------------------------------------------------------------------------------------------------


def held(bench: Bench, *texts: str) -> tuple[HeldUp, ...]:
    """Return what one frame holds."""
    return bench.watcher.look(list(texts), bench.trust, bench.now)[0]


def test_all_that_is_held_up_is_told_with_what_is_new(bench):
    """A pass beside a poster that hung there before: both are held up, one is new."""
    bench.look(POSTER)
    everything, fresh = bench.watcher.look([POSTER, PAPER], bench.trust, bench.now)
    assert [item.text for item in everything] == [POSTER, PAPER]
    assert [item.text for item in fresh] == [PAPER]


@pytest.mark.parametrize("order", [(PAPER, live()), (live(), PAPER)])
def test_of_one_pass_shown_twice_the_live_one_counts(bench, order):
    """Phone and paper of the same person are one pass, and the live code says more."""
    (item,) = passes_among(held(bench, *order)).values()
    assert isinstance(item.reading, Credential)
    assert item.reading.live is not None


def test_passes_are_told_apart_by_their_id(bench):
    """Two people's passes are two, whatever else is in view; time codes and posters are none."""
    found = passes_among(held(bench, PAPER, OTHER, POSTER, time_text(NOW, bytes(8))))
    assert [item.text for item in found.values()] == [PAPER, OTHER]


def test_what_claims_to_be_ours_is_answered_for_before_a_poster(bench):
    """A damaged pass, or a time code, before the poster on the wall behind it; else whatever comes first."""
    assert most_telling(held(bench, POSTER, "EP1:DAMAGED")).text == "EP1:DAMAGED"
    time_code = time_text(NOW, bytes(8))
    assert most_telling(held(bench, POSTER, time_code)).text == time_code
    assert isinstance(held(bench, time_code)[0].reading, TimeCode)
    assert most_telling(held(bench, SECOND_POSTER, POSTER)).text == SECOND_POSTER


def test_readings_do_not_depend_on_the_clock(bench):
    """A lost clock reads the same; what it makes of a code's age is not the watcher's matter."""
    bench.now = replace(bench.now, wall_us=0)
    assert bench.look(PAPER) == [PAPER]
