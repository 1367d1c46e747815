"""Commands are taken only whole, signed by a key with the role, for this station and journal, in time, and once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from station.core.command import (
    LONGEST_LIFE_S,
    LONGEST_TEXT,
    MAX_BYTES,
    Announce,
    CollectLogs,
    Command,
    LockDown,
    OpenOnce,
    Ping,
    Recipient,
    Release,
    Reload,
    ResendRange,
    Verb,
    number,
    open_command,
    payload,
)
from station.core.model import ClockState, Direction, Instant, Rejected
from station.core.reasons import Reason
from station.core.record import replace
from tests.core.commanding import (
    BOOT,
    COMMANDER,
    EPOCH,
    HERE,
    LONG_AGO,
    command_raw,
    command_rows,
    commanding_trust,
    fields,
    verb,
)
from tests.core.issuing import CENTRAL, NOW, NOW_INSTANT, PASSES, STRANGER, trust_bundle

TRUST = commanding_trust()
LOST = Instant(NOW * 1_000_000, 5, ClockState.LOST)


def judged(raw: bytes, here: Recipient = HERE, now: Instant = NOW_INSTANT, **how: bool) -> Command | Rejected:
    """What the station makes of it."""
    return open_command(raw, TRUST, here, now, **how)


def reason(raw: bytes, here: Recipient = HERE, now: Instant = NOW_INSTANT, **how: bool) -> Reason | None:
    """Why it is refused, None where it is taken."""
    verdict = judged(raw, here, now, **how)
    return verdict.reason if isinstance(verdict, Rejected) else None


# --- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "action"),
    [
        (verb("open-once", lane="in"), OpenOnce(lane="in")),
        (verb("open-once", direction="out"), OpenOnce(direction=Direction.OUT)),
        (verb("lock-down"), LockDown()),
        (verb("release"), Release()),
        (verb("announce", texts={"zh": "请注意", "en": "Attention"}), Announce({"zh": "请注意", "en": "Attention"})),
        (verb("reload"), Reload()),
        (verb("resend-range", first=3, last=9), ResendRange(3, 9)),
        (verb("ping"), Ping()),
        (verb("collect-logs", minutes=10), CollectLogs(10)),
    ],
)
def test_each_verb_is_read(body: dict[str, object], action: object) -> None:
    """A good command of each verb is taken, with its arguments."""
    verdict = judged(command_raw(body=body))
    assert isinstance(verdict, Command)
    assert (verdict.action, verdict.counter, verdict.kid) == (action, 6, COMMANDER.kid)
    assert verdict.verb == body["verb"]


def test_what_is_written_is_read() -> None:
    """The writer's bytes are those that the reader takes, for every verb that there is."""
    told = {Verb.OPEN_ONCE: {"lane": "in"}, Verb.ANNOUNCE: {"texts": {"en": "x"}}, Verb.COLLECT_LOGS: {"minutes": 1}}
    told[Verb.RESEND_RANGE] = {"first": 1, "last": 1}
    for one in Verb:
        content = payload(replace(HERE, counter=6), b"8 bytes!", (NOW, NOW + 9), one.value, told.get(one, {}))
        verdict = judged(cose.sign1(content, COMMANDER.kid, COMMANDER.private))
        assert isinstance(verdict, Command)
        assert verdict.verb is one


# --- whose, for whom, when -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (command_raw(key=STRANGER), Reason.COMMAND_OUT_OF_ROLE),
        (command_raw(key=PASSES), Reason.COMMAND_OUT_OF_ROLE),
        (command_raw(key=CENTRAL), Reason.COMMAND_OUT_OF_ROLE),
        (command_raw(key=STRANGER, kid=COMMANDER.kid), Reason.COMMAND_UNSIGNED),
        (command_raw(not_before=NOW - 500 * 86_400, expires=NOW - 500 * 86_400 + 60), Reason.COMMAND_OUT_OF_ROLE),
        (command_raw(station="gate-west-1"), Reason.COMMAND_OTHER_STATION),
        (command_raw(epoch=EPOCH + 1), Reason.COMMAND_OTHER_EPOCH),
        (command_raw(counter=5), Reason.COMMAND_REPLAYED),
        (command_raw(counter=1), Reason.COMMAND_REPLAYED),
        (command_raw(not_before=NOW + 6), Reason.COMMAND_NOT_YET_VALID),
        (command_raw(not_before=LONG_AGO, expires=LONG_AGO + 60), Reason.COMMAND_EXPIRED),
        (command_raw(expires=NOW - 1), Reason.COMMAND_EXPIRED),
        (command_raw(body=verb("self-destruct")), Reason.COMMAND_UNKNOWN_VERB),
        (command_raw(body=verb("open-once")), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("open-once", lane="in", direction="in")), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("open-once", direction="up")), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("lock-down", lane="in")), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("announce", texts={})), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("announce", texts={"en": " "})), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("announce", texts={"de": "Achtung"})), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("announce", texts={"en": "x" * (LONGEST_TEXT + 1)})), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("resend-range", first=9, last=3)), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("collect-logs", minutes=True)), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(body=verb("collect-logs", minutes=1441)), Reason.COMMAND_BAD_ARGUMENT),
        (command_raw(type="time"), Reason.COMMAND_MALFORMED),
        (command_raw(id=b"short"), Reason.COMMAND_MALFORMED),
        (command_raw(extra=1), Reason.COMMAND_MALFORMED),
        (command_raw(boot=b"longer than eight"), Reason.COMMAND_MALFORMED),
        (command_raw(expires=NOW - 6), Reason.COMMAND_MALFORMED),
        (command_raw(expires=NOW + LONGEST_LIFE_S), Reason.COMMAND_MALFORMED),
        (command_raw(body=verb("announce", texts={"en": "x" * MAX_BYTES})), Reason.COMMAND_MALFORMED),
        (b"", Reason.COMMAND_MALFORMED),
        (b"open the gate", Reason.COMMAND_MALFORMED),
    ],
)
def test_what_is_wrong_has_its_reason(raw: bytes, expected: Reason) -> None:
    """Each way in which a command is not for here and now is refused with a reason of its own."""
    assert reason(raw) is expected


@pytest.mark.parametrize("name", sorted(set(fields()) - {"boot"}))
def test_every_field_is_needed(name: str) -> None:
    """A command that lacks a field is none."""
    assert reason(command_raw(**{name: None})) is Reason.COMMAND_MALFORMED


def test_a_retained_command_is_refused_however_good() -> None:
    """What the broker had kept is refused before anything else is looked at."""
    assert reason(command_raw(), retained=True) is Reason.COMMAND_RETAINED


def test_a_key_commands_only_where_it_may() -> None:
    """A key whose scope does not cover the station's zone, or that was withdrawn, commands nothing."""
    elsewhere = trust_bundle(command_rows(("1101",)))
    withdrawn = replace(TRUST, revoked=frozenset({COMMANDER.kid}))
    for trust in (elsewhere, withdrawn):
        verdict = open_command(command_raw(), trust, HERE, NOW_INSTANT)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.COMMAND_OUT_OF_ROLE
    nothing = open_command(command_raw(), None, HERE, NOW_INSTANT)
    assert isinstance(nothing, Rejected)
    assert nothing.reason is Reason.NO_TRUST


# --- the clock -------------------------------------------------------------------------------------------------------


def test_without_a_clock_the_boot_number_counts() -> None:
    """With a lost clock times say nothing: only a command that echoes this boot's number is taken."""
    late = {"not_before": LONG_AGO, "expires": LONG_AGO + 60}
    assert reason(command_raw(**late), now=LOST) is None
    for boot in (None, b"an other"):
        assert reason(command_raw(boot=boot), now=LOST) is Reason.COMMAND_NO_BOOT_NONCE
    assert reason(command_raw(boot=None), replace(HERE, boot_nonce=b""), LOST) is Reason.COMMAND_NO_BOOT_NONCE


def test_a_clock_that_is_hours_off_is_as_good_as_none() -> None:
    """Uncertainty widens the window a little; beyond a minute the number counts, so nothing can be held back."""
    unsure = Instant(NOW * 1_000_000, 5, ClockState.HOLDOVER, 30.0)
    assert reason(command_raw(not_before=NOW - 60, expires=NOW - 29), now=unsure) is None
    assert reason(command_raw(not_before=NOW - 60, expires=NOW - 31), now=unsure) is Reason.COMMAND_EXPIRED
    hours = replace(unsure, uncertainty_s=7200.0)
    assert reason(command_raw(boot=b"an other"), now=hours) is Reason.COMMAND_NO_BOOT_NONCE
    assert reason(command_raw(boot=BOOT), now=hours) is None


# --- hostile bytes ---------------------------------------------------------------------------------------------------


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_no_changed_byte_is_accepted(position: int, flip: int) -> None:
    """Whatever single byte of a good command is changed, it is refused."""
    raw = bytearray(command_raw(body=verb("open-once", lane="in")))
    raw[position % len(raw)] ^= flip
    assert isinstance(judged(bytes(raw)), Rejected)


@given(cut=st.integers(0, 300), tail=st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_cut_or_continued_command_is_accepted(cut: int, tail: bytes) -> None:
    """A command that was cut, or to which something was added, is refused."""
    raw = command_raw()
    changed = raw[: min(cut, len(raw))] + tail
    assert isinstance(judged(changed), Rejected) or changed == raw


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.binary(max_size=9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from(sorted(fields())), ODD, max_size=3), raw=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_signed_breaks_the_reader(changes: dict[str, object], raw: bytes) -> None:
    """Odd values in any field, correctly signed, and random bytes are answered with a verdict, never an error."""
    assert isinstance(judged(command_raw(**changes)), Command | Rejected)
    assert isinstance(judged(raw), Rejected)


@given(counters=st.lists(st.integers(1, 50), max_size=30))
@settings(max_examples=100, deadline=None)
def test_counters_only_rise(counters: list[int]) -> None:
    """Whatever order commands come in, those that are taken have ever higher counters."""
    here, taken = replace(HERE, counter=0), list[int]()
    for counter in counters:
        verdict = judged(command_raw(counter=counter), here)
        if isinstance(verdict, Command):
            taken.append(verdict.counter)
            here = replace(here, counter=verdict.counter)
    assert taken == sorted(set(taken))
    assert max(taken, default=0) == max(counters, default=0)


def test_the_number_is_that_of_the_bytes() -> None:
    """Answers name exactly the bytes they answer."""
    assert number(b"a") == "ca978112ca1bbdca"
    assert number(b"a") != number(b"b")
