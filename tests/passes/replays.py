"""Part of the bench: live codes shown too late, too early, or a second time; and that every decision names its rule."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from station.core import credential, live
from station.core.decide import decide
from station.core.events import Kind
from station.core.facts import Presented, Site
from station.core.model import (
    Band,
    ClockState,
    Credential,
    Decision,
    Direction,
    Instant,
    Live,
    Outcome,
    PassClass,
    TemperatureReading,
)
from station.core.passback import History, Passage, Peers
from station.core.policy import Policy
from station.core.status import StatusList
from station.journal import Journal
from station.register import Register
from tests.passes import office
from tests.passes.figures import Bar, Part
from tests.passes.office import GATE, NEIGHBOUR, NOW, PHONE, ZONE, written
from tests.passes.speed import HERE, MILLION, NORMAL, policy

UNSURE = (0.0, 0.1, 2.0, 10.0, 59.0, 60.0, 61.0, 3600.0, 86_400.0)
NONCE, OTHER = bytes.fromhex("3f2a91c077de0b14"), bytes(8)


def shown_at(t: int, nonce: bytes | None = None) -> Credential:
    """Return what the reader makes of a live code of time `t`."""
    text = written(office.live_raw(office.pass_raw(PHONE), Live(t, nonce)), live.PREFIX)
    found = credential.parse(text, office.trust())
    assert isinstance(found, Credential), found
    return found


def measure(statuses: StatusList, folder: Path, consumed: int, decisions: int, seed: int) -> Part:
    """`consumed`: how many codes are shown again; `decisions`: how many presentations the sweep makes up."""
    rules = policy()
    part = Part("Replays")
    good, outside, late, inside = sweep(rules, statuses)
    again, after_restart, fresh = shown_again(rules, statuses, folder, consumed)
    nameless = sum(not one.rule for one in _decisions(rules, statuses, decisions, seed))
    part.bars = [
        Bar("replay: codes accepted outside 30 s + u (u at most 60 s)", late, 0, f"of {outside:,}"),
        Bar("codes of the moment that are refused", inside - good, 0, f"of {inside:,}"),
        Bar("replay: consumed codes accepted when shown again", again, 0, f"of {consumed:,}"),
        Bar("replay: consumed codes accepted after a restart", after_restart, 0, f"of {consumed:,}"),
        Bar("next codes of the same phone that are refused after a restart", consumed - fresh, 0, f"of {consumed:,}"),
        Bar("decisions without the id of a rule or check", nameless, 0, f"of {decisions:,}"),
    ]
    return part


def sweep(rules: Policy, statuses: StatusList) -> tuple[int, int, int, int]:
    """Show codes up to ten minutes off, by clocks unsure in many ways.

    Returns how many were granted within the window, how many lay outside, how many of those were granted, and how
    many lay within.
    """
    good = outside = late = inside = 0
    base = shown_at(NOW)
    for off in (*range(-620, 621), -86_400, 86_400):
        for unsure in UNSURE:
            for state in (ClockState.TRUSTED, ClockState.HOLDOVER):
                now = Instant(NOW * MILLION, 5 * MILLION, state, unsure)
                found = replace(base, live=Live(NOW - off))
                granted = decide(found, NORMAL, HERE, rules, statuses, now).outcome is Outcome.GRANT
                if abs(off) <= live.WINDOW_S + min(unsure, live.UNCERTAINTY_CAP_S):
                    inside, good = inside + 1, good + granted
                else:
                    outside, late = outside + 1, late + granted
    lost = Instant(NOW * MILLION, 5 * MILLION, ClockState.LOST, 0.0)
    for off, nonce in ((0, None), (0, OTHER), (30, None)):
        found = replace(base, live=Live(NOW - off, nonce))
        presented = replace(NORMAL, nonces=frozenset({NONCE}))
        outside += 1
        late += decide(found, presented, HERE, rules, statuses, lost).outcome is Outcome.GRANT
    return good, outside, late, inside


def shown_again(rules: Policy, statuses: StatusList, folder: Path, count: int) -> tuple[int, int, int]:
    """Consume codes by grants in a real journal, show them again, and once more after the journal is opened anew.

    Returns how many were granted again, how many after the restart, and how many next codes were granted there.
    """
    codes = [shown_at(NOW - 30 + number % 31, None if number % 2 else number.to_bytes(8, "big")) for number in range(4)]
    codes = [replace(codes[number % 4], cti=number.to_bytes(8, "big")) for number in range(count)]
    now = Instant(NOW * MILLION, 5 * MILLION)
    nonces = frozenset(code.live.nonce for code in codes if code.live and code.live.nonce)

    def granted(register: Register, code: Credential) -> bool:
        presented = replace(NORMAL, nonces=nonces, used_up=register.used_up(code))
        return decide(code, presented, HERE, rules, statuses, now).outcome is Outcome.GRANT

    journal = Journal(folder, "bench")
    register = Register(journal, has_peers=False)
    again = 0
    for code in codes:
        assert granted(register, code)
        memo = register.granted([code], now)
        journal.append(Kind.DECISION, {"cti": code.cti.hex()}, now, memo.changes)
        memo.take_effect()
        again += granted(register, code)
    journal.close()
    journal = Journal(folder, "bench again")
    register = Register(journal, has_peers=False)
    after_restart = sum(granted(register, code) for code in codes)
    following = [replace(code, live=Live(code.live.t + 10, code.live.nonce)) for code in codes if code.live]
    fresh = sum(granted(register, code) for code in following)
    journal.close()
    return again, after_restart, fresh


def _decisions(rules: Policy, statuses: StatusList, count: int, seed: int) -> Iterator[Decision]:
    """Yield decisions about made-up presentations: every class, clock, place, temperature, history and document."""
    chance = random.Random(seed)
    for _ in range(count):
        found = replace(
            PHONE,
            pass_class=chance.choice(list(PassClass)),
            home_zone=chance.choice((ZONE, ZONE, ZONE, NEIGHBOUR)),
            not_before=NOW + chance.choice((-86_400, -86_400, 10)),
            expires=NOW + chance.choice((86_400, 86_400, -10)),
            status_index=chance.choice((None, chance.randrange(10 * MILLION), 2**32)),
            health=chance.choice((None, PHONE.health)),
            live=chance.choice((None, Live(NOW), Live(NOW - 31), Live(NOW, NONCE), Live(NOW, OTHER))),
        )
        passages = [Passage(found.cti, None, chance.choice(list(Direction)), NOW * MILLION - chance.randrange(10**12))]
        presented = Presented(
            reading=TemperatureReading(chance.choice(list(Band)), 34.0),
            history=History(passages[: chance.randrange(2)], peers=chance.choice(list(Peers))),
            escort=chance.choice((None, PHONE)),
            nonces=frozenset({NONCE}),
            used_up=chance.random() < 0.1,
        )
        site = Site(GATE, ZONE, chance.choice(list(Direction)), can_measure=chance.random() < 0.5)
        now = Instant(NOW * MILLION, 5, chance.choice(list(ClockState)), chance.choice((0.0, 5.0, 120.0)))
        documents = chance.choice(((rules, statuses), (rules, None), (None, statuses)))
        yield decide(found, presented, site, *documents, now)
