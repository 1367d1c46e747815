"""Speaks for the station: prompts at the lanes, and announcements from central while nobody is there.

An announcement is recorded (`announced`) once it was said to its end, and what was said is stored in the same
transaction; so a power cut lets it be said again, never be lost. Who comes to the gate meanwhile goes first: it is cut
short and said from its beginning when the lanes have been idle for a moment.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from station.config import VoiceConfig
from station.core import announcements, speech
from station.core.announcements import Due
from station.core.documents import DocumentType
from station.core.events import Kind
from station.core.model import ClockState, Instant, Text
from station.core.signals import Rank, Signal
from station.core.speech import FRESH_US, Told, Utterance
from station.core.volume import volume_at
from station.documents import Documents
from station.flow import LaneFlow
from station.journal import JournalFault, set_state
from station.ports import Loudspeaker, Spoken, SpokenHow
from station.prompts import Prompt, everything, prompt
from station.recorder import Recorder
from station.views import lane_signal

log = logging.getLogger(__name__)

ANNOUNCED = "announced"
"""The key in the journal's state under which it is kept what was announced: {id: slot in Unix seconds}, as JSON."""
SOURCE = "announcement"
MOST_KEPT = 500
MOST_ORDERED = 4
"""Of texts ordered by a command; the oldest gives way."""
IDLE_US = 3_000_000
"""The lanes must have been idle for so long before an announcement begins."""
RETRY_US = 15_000_000
"""After the loudspeaker failed."""
_IDLE = (Signal.READY, Signal.OUT_OF_SERVICE)


@dataclass(frozen=True, slots=True)
class _Saying:
    """What is announced now. `due`: None where it was ordered."""

    token: int
    words: Text
    volume: int
    due: Due | None


class Announcer:
    """Used by the gate thread alone. Without a loudspeaker it says nothing, and announcements stay due."""

    def __init__(self, config: VoiceConfig, documents: Documents, recorder: Recorder) -> None:
        self._config, self._documents, self._recorder = config, documents, recorder
        self._table = config.table()
        self._loudspeaker: Loudspeaker | None = None
        self._told: dict[str, Told] = {}
        self._token = 0
        self._saying: _Saying | None = None
        self._ordered: deque[Text] = deque(maxlen=MOST_ORDERED)
        self._busy_us = self._failed_us = -RETRY_US
        self._prepared: tuple[object, object] | None = None
        self._said = _recall(recorder)

    def connect(self, loudspeaker: Loudspeaker) -> None:
        """Speak through this from now on."""
        self._loudspeaker = loudspeaker

    @property
    def announcing(self) -> Text | None:
        """What is announced at this moment."""
        return self._saying.words if self._saying else None

    def order(self, words: Text) -> bool:
        """Say something once, as soon as the lanes are idle; False where it cannot be said. A power cut forgets it."""
        if self._loudspeaker is None or not set(words) & set(self._config.languages):
            return False
        self._ordered.append(words)
        return True

    # --- prompts ---------------------------------------------------------------------------------------------------

    def look(self, flows: Iterable[LaneFlow], now: Instant) -> None:
        """Tell whoever stands at a lane what has changed there. Called after everything that happens."""
        if self._loudspeaker is None:
            return
        for flow in flows:
            if not _idle(flow):
                self._busy_us = now.mono_us
            wanted = prompt(flow)
            if wanted is not None:
                self._tell(flow.config.id, wanted, now)
        if self._saying and self._busy_us == now.mono_us:
            self._loudspeaker.withdraw(SOURCE)

    def _tell(self, lane: str, wanted: Prompt, now: Instant) -> None:
        every_us = wanted.voice.every_s * 1_000_000
        self._told[lane], aloud = speech.tell(self._told.get(lane), wanted.key, now.mono_us, every_us)
        if aloud:
            volume = self._config.volume if wanted.voice.loud else self._volume(now)
            self._say(lane, wanted.name, wanted.words, volume, wanted.voice.rank, now.mono_us + FRESH_US)

    def _say(self, source: str, name: str, words: Text, volume: int, rank: Rank, begin_by_us: int | None = None) -> int:
        assert self._loudspeaker is not None  # noqa: S101 - the callers have asked
        self._token += 1
        self._loudspeaker.say(Utterance(self._token, source, name, words, volume, rank, begin_by_us))
        return self._token

    def _volume(self, now: Instant) -> int:
        policy = self._documents.policy
        known = policy is not None and now.state is not ClockState.LOST
        minute = policy.calendar.local(now.seconds)[1] if policy and known else None
        return volume_at(minute, self._config.volume, self._table)

    # --- announcements ---------------------------------------------------------------------------------------------

    def tend(self, now: Instant) -> None:
        """Once a second: let new words be rendered, and begin an announcement that is due."""
        if self._loudspeaker is None:
            return
        policy, listed = self._documents.policy, self._documents.announcements
        if self._prepared is None or self._prepared[0] is not policy or self._prepared[1] is not listed:
            self._prepared = (policy, listed)
            self._loudspeaker.prepare(everything(policy, listed))
        waits = now.mono_us - self._busy_us < IDLE_US or now.mono_us - self._failed_us < RETRY_US
        if self._saying or waits:
            return
        if self._ordered:
            self._announce("command", self._ordered[0], self._volume(now), None)
        if self._ordered or listed is None or self._documents.withdrawn(DocumentType.ANNOUNCEMENT):
            return
        found = announcements.due(listed, policy.calendar if policy else None, self._said, now)
        if found is not None:
            item = found.announcement
            volume = self._volume(now) if item.volume is None else item.volume
            self._announce(item.id, item.words, volume, found)

    def _announce(self, name: str, words: Text, volume: int, due: Due | None) -> None:
        token = self._say(SOURCE, f"announcement {name}", words, volume, Rank.ANNOUNCEMENT)
        self._saying = _Saying(token, words, volume, due)
        log.info("announcing %s", name)

    def spoken(self, spoken: Spoken, now: Instant) -> None:
        """Take what became of an utterance."""
        said = self._saying
        if said is None or spoken.token != said.token:
            return
        self._saying = None
        if spoken.how is SpokenHow.FAILED:
            self._failed_us = now.mono_us
        elif spoken.how is SpokenHow.PLAYED and said.due is None:
            self._ordered = deque((words for words in self._ordered if words is not said.words), MOST_ORDERED)
        elif spoken.how is SpokenHow.PLAYED and said.due:
            self._note(said.due, said.volume, now)

    def _note(self, found: Due, volume: int, now: Instant) -> None:
        said = _newest({**self._said, found.announcement.id: found.slot}, self._named())
        listed = self._documents.announcements
        payload = {
            "id": found.announcement.id,
            "document": listed.seq if listed else 0,
            "due_us": found.slot * 1_000_000,
            "volume": volume,
        }
        # Where the journal fails it is not said again in this run; after a restart it may be.
        self._said = said
        self._recorder.commit_unless_broken(Kind.ANNOUNCED, payload, now, [set_state(ANNOUNCED, _pack(said))])

    def _named(self) -> frozenset[str]:
        listed = self._documents.announcements
        return frozenset(item.id for item in listed.items) if listed else frozenset()


def _idle(flow: LaneFlow) -> bool:
    return lane_signal(flow) in _IDLE


def _recall(recorder: Recorder) -> Mapping[str, int]:
    """Return what was announced before the start; nothing where the journal cannot be read."""
    try:
        kept = json.loads(recorder.journal.state(ANNOUNCED) or b"{}")
        return {str(name): int(slot) for name, slot in kept.items()}
    except (JournalFault, ValueError):
        return {}


def _pack(said: Mapping[str, int]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _newest(said: Mapping[str, int], named: frozenset[str]) -> dict[str, int]:
    """Return what is kept: all that is in force, and the newest of the rest."""
    others = sorted((slot, name) for name, slot in said.items() if name not in named)[-MOST_KEPT:]
    return {**{name: slot for slot, name in others}, **{name: said[name] for name in named if name in said}}
