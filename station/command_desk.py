"""Carries out what central commands: counted and recorded before it acts, answered after, once only.

Theory of operation. A command that may be carried out is recorded as `accepted`, in one transaction with its counter,
with how far the inbox was read and with what a lock-down changes; only then something happens. Its outcome and the
answer to central are a second transaction. Where the station dies in between, the next start finds what was under way
and answers `interrupted`; nothing is ever carried out twice. A refusal is recorded and answered in one transaction.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from station import __version__, by_hand
from station.config import Config
from station.core import command as commands
from station.core.command import Command, Recipient, Verb
from station.core.events import Kind
from station.core.model import Instant, Rejected, Text
from station.core.ration import Ration
from station.core.reasons import Reason
from station.documents import Documents
from station.flow import LaneFlow
from station.inbox import Inbox, Mark, ReceivedCommand
from station.journal import Change, set_state
from station.lane_record import Operator
from station.ports import Clock
from station.recorder import Recorder
from station.schema import BOOT_NONCE

log = logging.getLogger(__name__)

COUNTER, MARK = "command-counter", "command-mark"
UNDER_WAY = "command-under-way"
LOCKED_DOWN = "locked-down"
ANSWERS_KEPT = 64
DETAIL_LENGTH = 200
DONE, PASSED_ON, FAILED, REFUSED, INTERRUPTED = "done", "passed-on", "failed", "refused", "interrupted"
_PASSED_ON = (Verb.RESEND_RANGE, Verb.COLLECT_LOGS)
"""gate-sync carries these out, once it finds them in the answers."""
_KEPT = {Verb.LOCK_DOWN: b"1", Verb.RELEASE: b"0"}
"""What these change is changed with the event that tells of their acceptance."""

Payload = dict[str, object]


class CannotReloadError(Exception):
    """The configuration as it is now could not be started with. The message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command. `reason`: why not, None where it was done; `detail`: for the operator."""

    what: str
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A command that was accepted, as it is kept until its outcome is recorded."""

    id: str
    verb: str
    counter: int
    kid: str

    def payload(self, what: str) -> Payload:
        """Return what every event about it tells."""
        return {"id": self.id, "what": what, "verb": self.verb, "counter": self.counter, "kid": self.kid}

    def keep(self) -> Change:
        """Return the change that remembers it."""
        return set_state(UNDER_WAY, json.dumps([self.id, self.verb, self.counter, self.kid]).encode())


def new_boot_nonce() -> tuple[bytes, Change]:
    """Draw this start's number, 8 bytes; the change tells gate-sync of it."""
    nonce = secrets.token_bytes(commands.NONCE_LENGTH)
    return nonce, set_state(BOOT_NONCE, nonce)


class CommandDesk:
    """Used by the gate thread alone."""

    def __init__(
        self,
        config: Config,
        documents: Documents,
        inbox: Inbox,
        recorder: Recorder,
        clock: Clock,
        lanes: Mapping[str, LaneFlow],
        boot_nonce: bytes = b"",
    ) -> None:
        """`lanes` by id, as the gate thread holds them; `boot_nonce`: from `new_boot_nonce`."""
        self._config, self._documents, self._inbox = config, documents, inbox
        self._recorder, self._clock, self._lanes = recorder, clock, lanes
        self._boot_nonce = boot_nonce
        journal = recorder.journal
        self._counter = int(journal.state(COUNTER) or b"0")
        self._mark = Mark.recall(journal.state(MARK))
        self._locked_down = journal.state(LOCKED_DOWN) == b"1"
        self._unsaid: tuple[UnderWay, Outcome, Payload] | None = self._left_over()
        self._ration = Ration()
        self.announce: Callable[[Text], bool] | None = None
        """Says a text once, now; False where it cannot. None: there is no loudspeaker."""
        self.reload: Callable[[], None] | None = None
        """Looks at the configuration and lets the station end, to be started anew. Raises CannotReloadError."""

    def _left_over(self) -> tuple[UnderWay, Outcome, Payload] | None:
        kept = json.loads(self._recorder.journal.state(UNDER_WAY) or b"[]")
        if not kept:
            return None
        found = UnderWay(*kept)
        if found.verb in _KEPT:  # changed with the acceptance, whatever happened then
            return found, Outcome(DONE), {}
        return found, Outcome(INTERRUPTED, Reason.COMMAND_INTERRUPTED), {}

    @property
    def locked_down(self) -> bool:
        """Whether central has closed entry."""
        return self._locked_down

    # --- reading ---------------------------------------------------------------------------------------------------

    def read(self, now: Instant) -> None:
        """Take what has arrived. Raises JournalFault; then nothing happens that is not recorded, and it waits."""
        self._settle(now)
        self._tell_unnoted(now)
        for received in self._inbox.commands(self._mark):
            verdict = self._judge(received, now)
            if isinstance(verdict, Rejected):
                self._refuse(received, verdict, now)
            else:
                self._carry_out(received, verdict, now)

    def _judge(self, received: ReceivedCommand, now: Instant) -> Command | Rejected:
        here, epoch = self._config.station, self._recorder.journal.epoch
        recipient = Recipient(here.id, here.zone, epoch, self._counter, self._boot_nonce)
        trust = self._documents.trust
        verdict = commands.open_command(received.raw, trust, recipient, now, retained=received.retained)
        if isinstance(verdict, Command) and self._inbox.delivered(epoch) is None:
            # Also after a journal was quarantined: until then central may not even know that there is a new one.
            return Rejected(Reason.COMMAND_BEFORE_HELLO, "central has not answered for this journal yet")
        return verdict

    def _refuse(self, received: ReceivedCommand, why: Rejected, now: Instant) -> None:
        """Record and answer a refusal, as long as there are not too many in an hour."""
        if not self._ration.exhausted:
            number = commands.number(received.raw)
            payload: Payload = {"id": number, "what": REFUSED, "reason": why.reason.value}
            answer = self._answer(number, Outcome(REFUSED, why.reason, why.detail))
            self._recorder.commit(Kind.COMMAND, payload, now, [*answer, self._marked(received)])
            log.warning("command %s was refused: %s (%s)", number, why.reason, why.detail)
        self._ration = self._ration.after(now)
        self._mark = received.mark

    def _tell_unnoted(self, now: Instant) -> None:
        """Once the hour is over, record how many refusals there were beyond those that were recorded."""
        if self._ration.over(now):
            if self._ration.unnoted:
                payload: Payload = {"what": REFUSED, "count": self._ration.unnoted}
                self._recorder.commit(Kind.COMMAND, payload, now, [set_state(MARK, self._mark.keep())])
            self._ration = Ration()

    def _carry_out(self, received: ReceivedCommand, command: Command, now: Instant) -> None:
        number = commands.number(received.raw)
        accepted = UnderWay(number, command.verb.value, command.counter, command.kid.hex())
        changes = [set_state(COUNTER, b"%d" % command.counter), self._marked(received), accepted.keep()]
        if command.verb in _KEPT:
            changes.append(set_state(LOCKED_DOWN, _KEPT[command.verb]))
        self._recorder.commit(Kind.COMMAND, accepted.payload("accepted"), now, changes)
        self._counter, self._mark = command.counter, received.mark
        outcome, arguments = self._act(command), _arguments(command.action)
        log.info("command %s, %s: %s %s", number, command.verb, outcome.what, outcome.detail)
        self._unsaid = (accepted, outcome, arguments)
        self._settle(now)

    def _settle(self, now: Instant) -> None:
        """Record and answer what became of the last command, unless that is done."""
        if self._unsaid is None:
            return
        accepted, outcome, arguments = self._unsaid
        reason: Payload = {"reason": outcome.reason.value} if outcome.reason else {}
        answer = self._answer(accepted.id, outcome, accepted.verb, arguments)
        changes = [*answer, set_state(UNDER_WAY, b"[]")]
        self._recorder.commit(Kind.COMMAND, accepted.payload(outcome.what) | reason, now, changes)
        self._unsaid = None

    @staticmethod
    def _marked(received: ReceivedCommand) -> Change:
        return set_state(MARK, received.mark.keep())

    def _answer(self, number: str, outcome: Outcome, verb: str = "", arguments: Payload | None = None) -> list[Change]:
        body = {
            "outcome": outcome.what,
            "reason": outcome.reason.value if outcome.reason else "",
            "verb": verb,
            "counter": self._counter,
            "detail": outcome.detail[:DETAIL_LENGTH],
            "arguments": arguments or {},
        }
        written = json.dumps(body, ensure_ascii=False)
        return [
            Change("INSERT INTO answer(command, body) VALUES (?, ?)", (number, written)),
            Change("DELETE FROM answer WHERE id <= (SELECT max(id) FROM answer) - ?", (ANSWERS_KEPT,)),
        ]

    # --- acting ----------------------------------------------------------------------------------------------------

    def _act(self, command: Command) -> Outcome:
        if command.verb in _PASSED_ON:
            return Outcome(PASSED_ON)
        match command.action:
            case commands.OpenOnce() as which:
                return self._open_once(which, f"central {command.kid.hex()}")
            case commands.LockDown() | commands.Release() as wanted:
                self._locked_down = isinstance(wanted, commands.LockDown)
                return Outcome(DONE)
            case commands.Announce(texts=texts):
                said = self.announce is not None and self.announce(texts)
                return Outcome(DONE) if said else _failed(Reason.COMMAND_IMPOSSIBLE, "no loudspeaker can say it")
            case commands.Reload():
                return self._reload()
            case _:
                return Outcome(DONE, detail=f"gate-station {__version__}, clock {self._clock.now().state.value}")

    def _open_once(self, which: commands.OpenOnce, operator: str) -> Outcome:
        found = [flow for name, flow in self._lanes.items() if which.lane in ("", name)]
        if which.direction:
            found = [flow for flow in found if flow.config.direction is which.direction]
        if len(found) != 1:
            detail = f"{len(found)} lanes fit; there are {', '.join(self._lanes)}"
            return _failed(Reason.COMMAND_BAD_ARGUMENT, detail)
        fault = by_hand.open_door(found[0], Operator(operator, "command"))
        return _failed(fault, f"lane {found[0].config.id}") if fault else Outcome(DONE)

    def _reload(self) -> Outcome:
        if self.reload is None:
            return _failed(Reason.COMMAND_IMPOSSIBLE, "nothing here starts the station anew")
        try:
            self.reload()
        except CannotReloadError as error:
            return _failed(Reason.COMMAND_IMPOSSIBLE, str(error))
        return Outcome(DONE, detail="the station starts anew")


def _failed(reason: Reason, detail: str) -> Outcome:
    return Outcome(FAILED, reason, detail)


def _arguments(action: commands.Action) -> Payload:
    """Return what gate-sync needs to know of an action."""
    match action:
        case commands.ResendRange(first=first, last=last):
            return {"first": first, "last": last}
        case commands.CollectLogs(minutes=minutes):
            return {"minutes": minutes}
        case _:
            return {}
