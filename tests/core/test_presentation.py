"""What is held up: one presentation per person and pass, whatever the camera sees in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.presentation import (
    FLICKER_US,
    MOST_MARKS,
    MOST_UNSIGNED,
    REPEAT_WINDOW_US,
    Attention,
    Refusals,
    Repeat,
    count_refusal,
    keep,
    look,
    note_refusal,
    settle,
)

FRAME_US = 33_000
REARM_US = 3_000_000


def printed(*texts: str) -> dict[str, str]:
    """Return texts that stand for nothing but themselves."""
    return {text: text for text in texts}


class Watching:
    """A lane's attention over a run of frames."""

    def __init__(self) -> None:
        self.attention, self.now_us = Attention(), 1_000_000

    def frames(self, count: int, *texts: str, **live: str) -> list[str]:
        """Show the same texts for some frames; return all that counted as newly held up.

        Plain texts stand for themselves, as printed passes do; `live`: text to identity.
        """
        taken: list[str] = []
        for _ in range(count):
            self.attention, fresh = look(self.attention, printed(*texts) | live, self.now_us, REARM_US)
            taken += fresh
            self.now_us += FRAME_US
        return taken


def test_a_pass_held_up_is_one_presentation():
    """Ten seconds of the same code in view are one presentation."""
    assert Watching().frames(300, "A") == ["A"]


def test_flicker_is_no_new_presentation():
    """A code that goes unread for moments, over and over, stays the same presentation."""
    watching = Watching()
    taken = []
    for _ in range(50):
        taken += watching.frames(3, "A") + watching.frames(10)
    assert taken == ["A"]


def test_taken_away_and_shown_again_is_new():
    """After the rearm time out of sight the same code is a new presentation, and not a frame earlier."""
    watching = Watching()
    assert watching.frames(1, "A") == ["A"]
    watching.now_us += REARM_US - FRAME_US - 1
    assert watching.frames(1, "A") == []
    watching.now_us += REARM_US - FRAME_US
    assert watching.frames(1, "A") == ["A"]


def test_two_people_one_after_the_other():
    """The next person's pass counts at once, and then the first may come again at once."""
    watching = Watching()
    assert watching.frames(10, "A") == ["A"]
    watching.now_us += FLICKER_US
    assert watching.frames(20, "B") == ["B"]
    watching.now_us += FLICKER_US
    assert watching.frames(20, "A") == ["A"]


def test_a_swift_change_leaves_the_first_to_the_rearm_time():
    """A code exchanged faster than flicker is told from flicker by the rearm time alone."""
    watching = Watching()
    assert watching.frames(10, "A") == ["A"]
    assert watching.frames(20, "B") == ["B"]
    assert watching.frames(1, "A") == []
    watching.now_us += REARM_US
    assert watching.frames(1, "A") == ["A"]


def test_the_hand_over_does_not_retake_the_first():
    """While the first pass leaves and the second comes, flicker between them retakes neither."""
    watching = Watching()
    taken = watching.frames(10, "A")
    for _ in range(20):
        taken += watching.frames(2, "A") + watching.frames(2, "B")
    assert taken == ["A", "B"]


def test_two_codes_in_one_frame_are_both_new_once():
    """Two codes shown together are both newly held up, in the order seen, once, and a doubled text counts once."""
    assert Watching().frames(50, "A", "B", "A") == ["A", "B"]


def test_a_poster_is_one_presentation_beside_everybody():
    """A code on the opposite wall, in view of every frame, is new once however many people come and go."""
    watching = Watching()
    taken = watching.frames(30, "poster")
    for number in range(40):
        taken += watching.frames(20, "poster", f"pass {number}") + watching.frames(20, "poster")
    assert taken == ["poster"] + [f"pass {number}" for number in range(40)]


def test_the_poster_behind_somebody_flickers_less_than_it_may():
    """A poster hidden for less than the flicker time when somebody comes is remembered; hidden longer, it is new."""
    for hidden_us, expected in ((FLICKER_US - FRAME_US - 1, []), (FLICKER_US, ["poster"])):
        watching = Watching()
        watching.frames(5, "poster")
        watching.now_us += hidden_us
        watching.frames(1, "A")
        assert watching.frames(1, "poster") == expected


def test_a_busy_lane_takes_up_nothing():
    """While the lane is busy known codes stay known, and codes nobody took up stay new."""
    watching = Watching()
    watching.frames(1, "A")
    for _ in range(100):
        watching.attention, others = keep(watching.attention, printed("A", "B"), watching.now_us)
        assert others
        watching.now_us += FRAME_US
    assert not keep(watching.attention, printed("A"), watching.now_us)[1]
    assert watching.frames(1, "A") == []
    assert watching.frames(1, "A", "B") == ["B"]


def test_a_phone_that_draws_its_code_anew_is_one_presentation():
    """A live page held up for a minute, with a new text every ten seconds, is newly held up once."""
    watching = Watching()
    taken = []
    for number in range(6):
        taken += watching.frames(300, **{f"code {number}": "phone"})
    assert taken == ["code 0"]


def test_a_phone_away_for_the_rearm_time_is_new_with_any_code():
    """Out of sight for the rearm time, a phone is a new presentation, with its old code and with a new one."""
    for text in ("old", "new"):
        watching = Watching()
        watching.frames(5, old="phone")
        watching.now_us += REARM_US - FRAME_US - 1
        assert watching.frames(1, **{text: "phone"}) == []
        watching.now_us += REARM_US - FRAME_US
        assert watching.frames(1, **{text: "phone"}) == [text]


def test_a_dead_code_made_fresh_is_a_new_presentation():
    """A code too old counts for itself; when the page draws the next one, that is new at once, and once."""
    watching = Watching()
    assert watching.frames(30, stale="stale") == ["stale"]
    assert watching.frames(30, fresh="phone") == ["fresh"]


def test_a_code_that_dies_in_sight_is_not_new():
    """A text seen as a living code stays known when, used up or too old, it begins to count for itself."""
    watching = Watching()
    assert watching.frames(30, code="phone") == ["code"]
    assert watching.frames(30, code="code") == []


def test_two_phones_are_two_presentations():
    """Each phone is new once though both draw their codes anew."""
    watching = Watching()
    assert watching.frames(30, a1="phone a") == ["a1"]
    watching.now_us += FLICKER_US
    assert watching.frames(30, b1="phone b") == ["b1"]
    assert watching.frames(30, b2="phone b") == []
    watching.now_us += FLICKER_US
    assert watching.frames(30, a2="phone a") == ["a2"]


def test_a_busy_lane_keeps_a_phone_by_its_identity():
    """While the lane is busy, a phone's next code is no news, and stays so afterwards; another phone's is."""
    watching = Watching()
    watching.frames(1, one="phone")
    for number in range(3 * REARM_US // FRAME_US):
        watching.attention, others = keep(watching.attention, {f"code {number}": "phone"}, watching.now_us)
        assert not others
        watching.now_us += FRAME_US
    assert watching.frames(1, last="phone") == []
    assert keep(watching.attention, {"other": "other phone"}, watching.now_us)[1]


def test_memory_is_bounded():
    """Of more texts than may be remembered, those unseen for longest are forgotten."""
    watching = Watching()
    watching.frames(1, *(str(number) for number in range(MOST_MARKS + 10)))
    assert list(watching.attention.seen) == [str(number) for number in range(10, MOST_MARKS + 10)]


def test_who_is_still_in_view_is_not_forgotten():
    """A text seen again counts as seen last: the flood that follows pushes out others first."""
    watching = Watching()
    watching.frames(1, "A", *(str(number) for number in range(MOST_MARKS - 1)))
    watching.frames(1, "A")
    watching.frames(1, "new")
    assert "A" in watching.attention.seen
    assert "0" not in watching.attention.seen


@given(st.lists(st.tuples(st.sets(st.sampled_from("ABC")), st.integers(1, 2 * REARM_US)), max_size=40))
def test_whatever_is_shown(frames):
    """New texts are among those shown, a text in two frames running within the flicker time is new at most once."""
    attention, now_us, before = Attention(), 0, set()
    for texts, pause_us in frames:
        attention, fresh = look(attention, printed(*sorted(texts)), now_us, REARM_US)
        assert set(fresh) <= texts
        assert not set(fresh) & before
        assert texts <= set(attention.seen)
        now_us += pause_us
        before = texts if pause_us < FLICKER_US else set()


@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(0, 9), st.sampled_from(["", "p", "q"])), st.integers(1, 2 * REARM_US)),
        max_size=40,
    )
)
def test_whatever_phones_show(frames):
    """What was seen in the frame before, by text or by phone, is not new; what is known is kept by both its marks."""
    attention, now_us, before = Attention(), 0, set()
    for shown, pause_us in frames:
        texts = {f"text {number}": phone or f"text {number}" for number, phone in shown.items()}
        marks = {mark for pair in texts.items() for mark in pair}
        attention, fresh = look(attention, texts, now_us, REARM_US)
        assert not {mark for text in fresh for mark in (text, texts[text])} & before
        assert marks <= set(attention.seen)
        kept, others = keep(attention, texts, now_us)
        assert (kept, others) == (attention, False)
        now_us += pause_us
        before = marks if pause_us < FLICKER_US else set()


# --- repeated refusals -----------------------------------------------------------------------------------------------


def noted(*keys: str, now_us: int = 1000, signed: bool = False) -> Refusals:
    """Return the state after these refusals were recorded at one moment, as events 1, 2 ..."""
    refusals = Refusals()
    for seq, key in enumerate(keys, 1):
        refusals = note_refusal(refusals, key, seq, now_us, signed=signed)
    return refusals


def test_before_any_refusal_nothing_is_a_repeat():
    """A fresh lane covers no key, not even an empty one, and waits for nothing."""
    for key, signed in (("", True), ("key", False)):
        assert Refusals().covers(key, signed=signed) is None
    assert Refusals().next_expiry_us is None
    assert settle(Refusals(), 10**12) == (Refusals(), ())


@pytest.mark.parametrize("signed", [True, False])
def test_a_recorded_refusal_covers_its_own_kind(signed):
    """The same refusal again is counted under its own record; another is recorded by itself."""
    refusals = noted("a", "b")
    assert refusals.covers("a", signed=signed) == "a"
    assert refusals.covers("c", signed=signed) is None
    refusals = count_refusal(count_refusal(refusals, "a"), "a")
    assert (refusals.recorded["a"].seq, refusals.recorded["a"].count) == (1, 2)
    assert (refusals.recorded["b"].seq, refusals.recorded["b"].count) == (2, 0)


def test_a_flood_of_unsigned_texts_is_counted():
    """Beyond ten in a minute new texts nobody signed are counted under a known one; signed passes never are."""
    few = noted(*map(str, range(MOST_UNSIGNED - 1)))
    assert few.covers("new", signed=False) is None
    many = noted(*map(str, range(MOST_UNSIGNED)))
    assert many.covers("new", signed=False) in many.recorded
    assert many.covers("new", signed=True) is None


def test_a_busy_gate_is_no_flood():
    """Refusals of signed passes, however many, never take up what nobody signed; nor do they lend it their record."""
    busy = noted(*map(str, range(3 * MOST_UNSIGNED)), signed=True)
    assert busy.covers("new", signed=False) is None
    for number in range(MOST_UNSIGNED):
        busy = note_refusal(busy, f"junk {number}", 100 + number, 1000, signed=False)
    busy = note_refusal(busy, "resident", 200, 1000, signed=True)
    covered = busy.covers("new", signed=False)
    assert covered is not None
    assert covered.startswith("junk")


def test_repeats_are_told_when_their_minute_is_over():
    """A minute after its record a refusal is forgotten, and told with its count if it was repeated."""
    refusals = count_refusal(note_refusal(noted("quiet", "loud"), "late", 3, 5000, signed=True), "loud")
    due = 1000 + REPEAT_WINDOW_US
    assert refusals.next_expiry_us == due
    assert settle(refusals, due - 1) == (refusals, ())
    left, told = settle(refusals, due)
    assert told == (Repeat(2, 1, due, signed=False),)
    assert list(left.recorded) == ["late"]
    assert left.covers("loud", signed=True) is None
    assert left.next_expiry_us == 5000 + REPEAT_WINDOW_US


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, REPEAT_WINDOW_US)), max_size=60))
def test_every_refusal_is_recorded_or_counted_once(shown):
    """Over any run of refusals: records plus counted repeats are all refusals, none lost and none doubled."""
    refusals, now_us, records, counted = Refusals(), 0, 0, 0
    for key, pause_us in shown:
        now_us += pause_us
        refusals, told = settle(refusals, now_us)
        counted += sum(repeat.count for repeat in told)
        known = refusals.covers(key, signed=True)
        if known:
            refusals = count_refusal(refusals, known)
        else:
            records += 1
            refusals = note_refusal(refusals, key, records, now_us, signed=True)
    refusals, told = settle(refusals, now_us + REPEAT_WINDOW_US)
    assert refusals == Refusals()
    assert records + counted + sum(repeat.count for repeat in told) == len(shown)
