"""The gate thread: one queue, one owner of all state, one writer of the journal.

It takes what the workers put, hands it to the lane concerned, lets deadlines take effect, looks into the inbox once a
second, publishes the view for the guard screen and feeds the watchdog, in that order and never waiting for anything
but the queue and the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from station.announcer import Announcer
from station.command_desk import CommandDesk
from station.config import Config
from station.core import timecode
from station.core.lane import LaneState
from station.core.model import Decision, Instant
from station.core.signals import URGENCY
from station.documents import INBOX_MARK, Documents, Taken, Waiting
from station.doorway import Doorway
from station.drift import DriftWatch
from station.flow import LaneFlow
from station.guard_desk import GuardDesk
from station.guard_screen import (
    Condition,
    GuardRequest,
    HandReading,
    LaneView,
    ScreenRequest,
    SignInAttempt,
    StationView,
    VisitorRequest,
)
from station.health import Ailment, HealthBoard
from station.inbox import NO_LINK, Arrival, Inbox, Mark
from station.journal import JournalFault
from station.judge import Surroundings
from station.mailbox import Mailbox
from station.noticeboard import NoticeBoard
from station.papers import paper_ailments
from station.personal import PersonalFields
from station.ports import Clock, InputKind, Outputs, Sighting, Spoken
from station.recorder import Recorder
from station.register import Register
from station.screening import DeviceReport, Screened
from station.site_news import SiteNews
from station.time_desk import TimeDesk
from station.upkeep import Upkeep
from station.views import lane_signal, lane_view, passage_view, recalled_passage
from station.visitor_desk import VisitorDesk

log = logging.getLogger(__name__)

POLL_US = 1_000_000
FORGET_US = 3_600_000_000
"""How often what is too old is dropped from memory."""
RUNG_US = 200_000
"""However often gate-sync rings, the inbox is looked into no more than five times a second."""


@dataclass(frozen=True, slots=True)
class InputChange:
    """A contact, button or alarm line of a lane changed."""

    lane: str
    kind: InputKind


class Rung:
    """gate-sync says that its file changed."""


class GateThread:
    """Owns the lanes. Implements station.ports.Gate for the guard screen."""

    def __init__(
        self,
        mailbox: Mailbox,
        recorder: Recorder,
        documents: Documents,
        inbox: Inbox,
        clock: Clock,
        health: HealthBoard,
        register: Register,
        config: Config,
        boot_nonce: bytes = b"",
    ) -> None:
        """Lanes are added with `add_lane` before `run`; `boot_nonce`: the number this start has drawn."""
        self._config, self._mailbox, self._recorder = config, mailbox, recorder
        self._documents, self._inbox, self._clock, self._health = documents, inbox, clock, health
        self._register = register
        self._lanes: dict[str, LaneFlow] = {}
        self._sharing: dict[Outputs, list[LaneFlow]] = {}
        self._situations: dict[str, tuple[object, int]] = {}
        self._signalled: dict[Outputs, object] = {}
        self._time_desk = TimeDesk(clock, recorder)
        self.commands = CommandDesk(config, documents, inbox, recorder, clock, self._lanes, boot_nonce)
        self._site = SiteNews(inbox, register, config.station)
        self._upkeep = Upkeep(recorder, inbox, config.retention)
        self.surroundings = Surroundings(
            clock,
            recorder,
            documents,
            register,
            self._time_desk.challenge,
            self.decided,
            self._time_desk.hear,
            self._interlocked,
            lambda: self.commands.locked_down,
            self._upkeep.instead,
            PersonalFields(recorder, documents).of,
        )
        self.announcer = Announcer(config.voice, documents, recorder)
        self.commands.announce = self.announcer.order
        self._desk = GuardDesk(self._lanes, recorder, clock)
        self._drift = DriftWatch(config, recorder.journal)
        self._visitors = VisitorDesk(config, documents, recorder, clock)
        passages = config.screen.passages
        self._board = NoticeBoard(StationView(config.station.id, (), (), (), 0, linked=False, now_us=0), passages)
        events = recorder.journal.last(10 * passages)
        recalled = (recalled_passage(recorder.apparent(seq), raw) for seq, raw in events)
        self._board.list_passages(passage for passage in recalled if passage)
        self._inbox_mark = Mark.recall(recorder.journal.state(INBOX_MARK))
        self._link, self._acknowledged = NO_LINK, 0
        self._next_tend_us = self._tended_us = self._next_forget_us = 0
        self._stopping = False
        self.beat: Callable[[], None] = lambda: None
        """Called at least once a second by the running thread; feeds the watchdog."""

    def add_lane(self, flow: LaneFlow, outputs: Outputs) -> None:
        """Take a lane in charge."""
        self._lanes[flow.config.id] = flow
        self._sharing.setdefault(outputs, []).append(flow)

    # --- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until `stop`. An exception here ends the process: the gate thread is a safety worker."""
        for doorway in self._doorways():
            doorway.start()
        while not self._stopping:
            now = self._clock.now()
            if now.mono_us >= self._next_tend_us:
                self._tend(now)
            self._publish(now)
            self.beat()
            item = self._mailbox.get(self._wait_s())
            if item is not None:
                self._handle(item)
            for flow in self._lanes.values():
                flow.expire()
            for flow in self._lanes.values():
                flow.conclude()  # the door it waits for may be secured now
        for flow in self._lanes.values():
            flow.refusals.settle(closing=True)

    def _doorways(self) -> list[Doorway]:
        return list(dict.fromkeys(flow.doorway for flow in self._lanes.values()))

    def stop(self) -> None:
        """Let `run` return after the present step."""
        self._mailbox.put(_STOP)

    def _wait_s(self) -> float:
        due = [at for flow in self._lanes.values() if (at := flow.next_deadline_us()) is not None]
        return (min([*due, self._next_tend_us]) - self._clock.now().mono_us) / 1e6

    def _handle(self, item: object) -> None:
        match item:
            case Sighting():
                self._lanes[item.lane].see(item)
            case InputChange():
                self._lanes[item.lane].doorway.input(item.kind)
            case Screened():
                self._drift.heard(item.lane, item.baseline)
                self._lanes[item.lane].screened(item.token, item.reading, item.baseline)
            case DeviceReport():
                self._device(item)
            case GuardRequest() | HandReading() | VisitorRequest() | SignInAttempt():
                self._answer(item)
            case Spoken():
                self.announcer.spoken(item, self._clock.now())
            case Rung():
                self._next_tend_us = min(self._next_tend_us, self._tended_us + RUNG_US)
            case _:
                self._stopping = True

    def _answer(self, asked: ScreenRequest) -> None:
        match asked:
            case GuardRequest():
                asked.answer.set_result(self._desk.request(asked))
            case HandReading():
                asked.answer.set_result(self._desk.measured(asked))
            case VisitorRequest():
                asked.answer.set_result(self._visitors.issue(asked))
            case SignInAttempt():
                asked.answer.set_result(self._desk.sign_in(asked))

    def _device(self, report: DeviceReport) -> None:
        kind = report.part.split()[0]  # camera, thermometer, outputs, inputs, screen
        ailment = Ailment(f"health-{kind}", Condition.FAULT, str(report.fault)) if report.fault else None
        self._health.report(report.part, ailment, self._clock.now())

    def _interlocked(self, lane: str) -> bool:
        """Say whether a lane must wait: its door is in use from the other side, or another of its sluice is open."""
        doorway = self._lanes[lane].doorway
        others = [flow for name, flow in self._lanes.items() if name != lane]
        if any(flow.doorway is doorway and flow.lane.state is LaneState.PASSING for flow in others):
            return True
        groups = [group for group in self._config.interlock if (self._lanes[lane].config.door_of or lane) in group]
        elsewhere = [flow for flow in others if flow.doorway is not doorway]
        return any(flow.config.id in group and not flow.doorway.secured for group in groups for flow in elsewhere)

    # --- once a second ---------------------------------------------------------------------------------------------

    def _tend(self, now: Instant) -> None:
        """Look into the inbox and after the health of everything that does not report by itself."""
        self._tended_us, self._next_tend_us = now.mono_us, now.mono_us + POLL_US
        self._recorder.probe(now)
        self._time_desk.watch(now)
        for flow in self._lanes.values():
            flow.tend()
        self._keep_schedules(now)
        if now.mono_us >= self._next_forget_us:
            self._next_forget_us = now.mono_us + FORGET_US
            self._register.forget_old(now)
        if not self._recorder.broken:
            self._read_inbox(now)
        idle = all(flow.lane.state is LaneState.IDLE for flow in self._lanes.values())
        self._upkeep.tend(now, self.beat, idle=idle)
        self.announcer.tend(now)
        self._link = self._inbox.link()
        self._acknowledged = self._inbox.acknowledged(self._recorder.journal.epoch)
        for part, figures in self._drift.figures(now).items():
            self._health.describe(part, figures)
        for part, ailment in self._ailments(now).items():
            self._health.report(part, ailment, now)

    def _keep_schedules(self, now: Instant) -> None:
        """Hold doors open, and let them go, as the policy in force says."""
        policy = self._documents.policy
        for flow in self._lanes.values():
            if flow.config.door is not None:
                scheduled = policy is not None and policy.holds_open(flow.site, now)
                flow.doorway.hold_open(wanted=scheduled and not self.commands.locked_down)

    def _read_inbox(self, now: Instant) -> None:
        try:
            for arrival in self._inbox.arrivals(self._inbox_mark):
                self._take(arrival, now)
                self._inbox_mark = arrival.mark
            self._documents.retry(now)
            self._site.read(self._documents.trust, now)
            self.commands.read(now)
        except JournalFault as fault:
            log.warning("documents and commands wait: %s", fault)
        self._clock.raise_floor(self._documents.signed_us)

    def _take(self, arrival: Arrival, now: Instant) -> None:
        if arrival.type == timecode.TYPE:
            heard = self._time_desk.beacon(arrival.raw, self._documents.trust, self._config.station.zone)
            log.info("the time from central: %s", "taken in" if heard else "of no use")
            return
        result = self._documents.offer(arrival.type, arrival.raw, now, arrival.mark)
        if isinstance(result, Taken | Waiting):
            log.info("document %s from central: %s", arrival.type, result)

    def _ailments(self, now: Instant) -> Mapping[str, Ailment | None]:
        broken = Ailment("health-journal", Condition.FAULT) if self._recorder.broken else None
        down = None if self._link.connected else Ailment("health-link", Condition.DEGRADED, self._link.last_error)
        return {"journal": broken, "link": down, **self._slow_ailments(now)}

    def _slow_ailments(self, now: Instant) -> Mapping[str, Ailment | None]:
        """Ailments of what goes out of date or fills up: documents, calibrations, the disk."""
        papers, drift = paper_ailments(self._documents, now), self._drift.ailments(now)
        return {**papers, **drift, **self._upkeep.ailments(now)}

    # --- the guard screen ------------------------------------------------------------------------------------------

    def decided(self, flow: LaneFlow, seq: int, decision: Decision) -> None:
        """Add a recorded decision to the list of passages."""
        shown = self._recorder.apparent(seq)
        self._board.list_passages([passage_view(flow, shown, self._clock.now().wall_us, decision)])

    def _publish(self, now: Instant) -> None:
        unacknowledged = self._recorder.to_send(self._acknowledged)
        lanes = tuple(self._lane_view(flow, now) for flow in self._lanes.values())
        self._show_signals()
        self.announcer.look(self._lanes.values(), now)
        health, linked = self._health.views(), self._link.connected
        inside = self.surroundings.register.inside
        self._board.publish(
            StationView(
                *(self._config.station.id, lanes, (), health, unacknowledged, linked, now.wall_us, inside),
                announcement=self.announcer.announcing,
            )
        )

    def _lane_view(self, flow: LaneFlow, now: Instant) -> LaneView:
        name = flow.config.id
        situation = (lane_signal(flow), flow.lane.decision)  # the next person refused within seconds is told anew
        shown, since = self._situations.get(name, (None, 0))
        if situation != shown:
            since = now.wall_us
            self._situations[name] = (situation, since)
        return lane_view(flow, since, self._time_desk.number(now))

    def _show_signals(self) -> None:
        """Let each lamp and buzzer show the most urgent of the lanes that share it."""
        for outputs, flows in self._sharing.items():
            urgent = min(flows, key=lambda flow: URGENCY.index(lane_signal(flow)))
            situation = (lane_signal(urgent), urgent.lane.decision)
            if self._signalled.get(outputs) != situation:
                self._signalled[outputs] = situation
                outputs.signal(situation[0])

    def view(self) -> StationView:
        """The latest published view."""
        return self._board.view()

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from the gate thread) after each new view; returns the function that ends it."""
        return self._board.subscribe(changed)

    def sign_in_locked_s(self) -> float:
        """Seconds until a PIN may be tried again; 0 when now."""
        return self._desk.locked_s()

    def submit(self, request: ScreenRequest) -> None:
        """Put a guard's request into the queue."""
        self._mailbox.put(request)


_STOP = object()
