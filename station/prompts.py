"""What the voice says at a lane, from the one table of signals and the catalogue that the screen shows too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from station.core.announcements import Announcements
from station.core.model import LANGUAGES, Text
from station.core.policy import Policy
from station.core.reasons import REASONS
from station.core.signals import PATTERNS, Says, Signal, Voice
from station.flow import LaneFlow
from station.views import ALARMS, lane_signal, message_key, told_next
from station.wording import text

UNHEARD = "alarm-duress"
"""Who forces somebody must not hear that help was called."""
_STOP = {"zh": "。", "en": ". "}
_ENDS = ("。", "！", "？", ".", "!", "?")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to say at a lane now. `key`: whatever makes it the same situation of the same person."""

    key: tuple[object, ...]
    name: str
    words: Text
    voice: Voice


def prompt(flow: LaneFlow) -> Prompt | None:
    """Return what is said at a lane as it stands, None where nothing is."""
    signal = lane_signal(flow)
    voice = PATTERNS[signal].voice
    if voice.says is Says.NOTHING:
        return None
    told = message_key(flow, signal)
    if told == UNHEARD:
        return None
    decision = flow.lane.decision
    who = decision.credential.cti if decision and decision.credential else None
    if voice.says is Says.OWN:
        return Prompt((signal, who), own_key(signal), text(own_key(signal)), voice)
    return Prompt((signal, told, who), told, joined(text(told), told_next(flow, told)), voice)


def own_key(signal: Signal) -> str:
    """Return the key of a signal's own sentence."""
    return f"voice-{signal}"


def joined(first: Text, then: Text) -> Text:
    """Return two messages as sentences one after the other, in each language."""
    return {language: _joined(first[language], then[language], _STOP[language]) for language in LANGUAGES}


def _joined(first: str, then: str, stop: str) -> str:
    if not first or not then:
        return first or then
    return f"{first}{stop}{then}" if not first.endswith(_ENDS) else f"{first}{stop[1:]}{then}"


def everything(policy: Policy | None, announced: Announcements | None) -> Iterator[Text]:
    """Yield all that may have to be said under the documents in force, so that it can be rendered ahead."""
    for signal, pattern in PATTERNS.items():
        if pattern.voice.says is Says.OWN:
            yield text(own_key(signal))
    for reason in REASONS:
        yield joined(text(f"reason-{reason}"), text(f"reason-{reason}", "next"))
    for alarm in (name for name in ALARMS if f"alarm-{name}" != UNHEARD):
        yield joined(text(f"alarm-{alarm}"), text(f"alarm-{alarm}", "next"))
    for rule in policy.rules if policy else ():
        if rule.say:
            yield joined(text(f"reason-{rule.reason}"), rule.say)
    for item in announced.items if announced else ():
        yield item.words
