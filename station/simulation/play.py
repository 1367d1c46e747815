"""Plays a scenario: the real gate thread, lanes, doors, documents and journal, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from station.config import Config, LaneConfig, StationConfig, TrustConfig, VoiceConfig
from station.core.events import Kind, decode
from station.core.facts import Site
from station.core.model import Band, ClockState, TemperatureReading
from station.device_config import CameraConfig, ThermometerConfig
from station.documents import Documents
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread, InputChange
from station.guard_screen import GuardRequest, GuardVerb, HandReading
from station.health import HealthBoard
from station.ports import DecodedCode, DeviceFault, InputKind, Release, Sighting
from station.recorder import Recorder
from station.register import Register
from station.reserve import Reserve
from station.screening import DeviceReport, Screened
from station.simulation import watch
from station.simulation.check import SILENT, check
from station.simulation.office import Office
from station.simulation.post import Post
from station.simulation.scenario import Expectation, Scenario, ScenarioError, Step
from station.simulation.stage import (
    BOOT_MONO_US,
    StageClock,
    StageInbox,
    StageJournal,
    StageMailbox,
    StageOutputs,
)
from station.simulation.timeline import Timeline
from station.simulation.voice import StageLoudspeaker
from station.simulation.watch import Sight

FRAME_US = 100_000
"""A code that is held up is seen ten times a second."""
SCREENING_US = 600_000
RESERVE_BYTES = 1 << 20
_EGRESS = {InputKind.REX: Release.REX, InputKind.FIRE: Release.FIRE, InputKind.BREAK_GLASS: Release.BREAK_GLASS}
_EGRESS_ENDS = {InputKind.FIRE_CLEARED: Release.FIRE, InputKind.BREAK_GLASS_CLEARED: Release.BREAK_GLASS}


@dataclass(slots=True)
class Played:
    """What came of a scenario. `unmet`: expectations that were not so, in words."""

    timeline: Timeline = field(default_factory=Timeline)
    unmet: list[str] = field(default_factory=list)


class Player:
    """One scenario on one stage. `folder`: where its journal is kept, empty at first."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        """Raises ScenarioError where the scenario names what it does not define."""
        check(scenario)
        self._scenario, self._folder = scenario, folder
        try:
            starts = datetime.fromisoformat(scenario.starts)
        except ValueError as error:
            raise ScenarioError(f"starts: {error}") from error
        self._start_s = int(starts.timestamp())
        self._clock = StageClock(self._start_s * 1_000_000)
        self._office = Office(scenario.zone, self._start_s)
        for name, source in scenario.passes.items():
            self._office.issue(name, source)
        self._config = _config(scenario, self._office.roots)
        self._inbox = StageInbox()
        self._post = Post(self._office, self._inbox, self._clock)
        self._temperature = dict.fromkeys((lane.id for lane in scenario.lanes), "normal")
        self.played = Played()
        self._script: list[tuple[int, Callable[[], None]]] = []
        for step in scenario.steps:
            self._at(step.at, lambda step=step: self._do(step))  # type: ignore[misc]
        for expectation in scenario.expect:
            self._at(expectation.at, lambda e=expectation: self._check(e))  # type: ignore[misc]
        self._script.sort(key=lambda entry: entry[0])
        self._running = False
        self._recorded: list[str] = []

    def play(self) -> Played:
        """Play to the end."""
        self._post.first(self._scenario.policy)
        end_us = BOOT_MONO_US + round(self._scenario.seconds * 1e6)
        while self._clock.now().mono_us < end_us:
            self._boot(end_us)
            self._gate.run()
            self._recorder.close()
            self._without_power(end_us)
        return self.played

    # --- power -----------------------------------------------------------------------------------------------------

    def _boot(self, end_us: int) -> None:
        """Start the station as after every power cut: everything that is not in the journal is forgotten."""
        self._running = True
        self._mailbox = StageMailbox(self._clock, self._script, end_us)
        self._journal = StageJournal(self._folder, f"{self._clock.now().mono_us:08x}"[-8:])
        self._recorder = Recorder(self._journal, Reserve(self._folder, RESERVE_BYTES), lambda _fault: None)
        self._recorder.commit_unless_broken(Kind.BOOT, {"version": "simulated"}, self._clock.now())
        station = self._config.station
        documents = Documents(self._journal, self._office.roots, station.zone, self._inbox.chunks.get, station.id)
        health = HealthBoard(lambda *_: None)
        register = Register(self._journal, has_peers=False)
        # The stage stands in for mailbox and inbox; both have what the gate thread uses of the real ones.
        self._gate = GateThread(
            self._mailbox,  # type: ignore[arg-type]
            self._recorder,
            documents,
            self._inbox,  # type: ignore[arg-type]
            self._clock,
            health,
            register,
            self._config,
        )
        self._mailbox.stop = self._gate.stop
        self._voice = StageLoudspeaker(self._clock, self._in, self._mailbox.put)
        if self._scenario.voice:
            self._gate.announcer.connect(self._voice)
        self._outputs = {lane: StageOutputs(self._clock, door.relay) for lane, door in self._config.doors()}
        doorways = {
            lane: Doorway(lane, door, self._outputs[lane], self._recorder, self._clock)
            for lane, door in self._config.doors()
        }
        self._flows = {lane.id: self._lane(lane, doorways[lane.door_of or lane.id]) for lane in self._config.lane}
        for lane, flow in self._flows.items():
            self._gate.add_lane(flow, self._outputs[flow.config.door_of or lane])
        self._seq = self._journal.seq
        self._gate.beat = self._observe

    def _lane(self, config: LaneConfig, doorway: Doorway) -> LaneFlow:
        here = self._config.station
        site = Site(here.gate, here.zone, config.direction, can_measure=config.thermometer is not None)

        def measure(token: int) -> None:
            self._in(SCREENING_US, lambda: self._answer_screening(config.id, token))

        surroundings = self._gate.surroundings
        return LaneFlow(config, site, doorway, measure if config.thermometer else None, surroundings, 3_000_000)

    def _without_power(self, end_us: int) -> None:
        """Let the time pass until the power is back; whatever happens meanwhile is not noticed."""
        while not self._running and self._script:
            due_us, happens = self._script.pop(0)
            self._clock.move(max(0, due_us - self._clock.now().mono_us))
            happens()
        if not self._running:
            self._clock.move(max(0, end_us - self._clock.now().mono_us))

    # --- the script ------------------------------------------------------------------------------------------------

    def _at(self, seconds: float, happens: Callable[[], None]) -> None:
        self._script.append((BOOT_MONO_US + round(seconds * 1e6), happens))

    def _in(self, micro: int, happens: Callable[[], None]) -> None:
        due_us = self._clock.now().mono_us + micro
        place = next((n for n, (at, _) in enumerate(self._script) if at > due_us), len(self._script))
        self._script.insert(place, (due_us, happens))

    def _seconds(self) -> float:
        return (self._clock.now().mono_us - BOOT_MONO_US) / 1e6

    def _do(self, step: Step) -> None:
        if step.power is not None:
            self._power(step.power)
        elif not self._running:
            return
        elif step.scan is not None:
            self._hold_up(step.lane, step.scan, round(step.hold * 1e6))
        elif step.input is not None:
            self._input(step.lane, InputKind(step.input))
        elif step.guard is not None:
            verb = GuardVerb(step.guard)
            self._mailbox.put(GuardRequest(verb, step.lane, "guard", "scenario", Future(), duress=step.duress))
        elif step.celsius is not None:
            self._mailbox.put(HandReading(step.lane, "guard", step.celsius, Future(), duress=step.duress))
        else:
            self._surroundings(step)

    def _power(self, power: str) -> None:
        if power == "cut" and self._running:
            self._running = False
            self._gate.stop()
            for outputs in self._outputs.values():
                outputs.close()
            self._voice.close()
            self.played.timeline.note(self._seconds(), "power", "cut")
            if self._scenario.voice:
                self.played.timeline.note(self._seconds(), "voice", "")
        elif power == "on" and not self._running:
            self._running = True
            self.played.timeline.note(self._seconds(), "power", "")

    def _hold_up(self, lane: str, names: tuple[str, ...], left_us: int) -> None:
        if not self._running:
            return
        texts = [self._office.text(name, self._clock.now().seconds) for name in names]
        codes = [DecodedCode(text, text.encode(), (), "scenario") for text in texts]
        self._mailbox.put(Sighting(lane, codes, self._clock.now().mono_us * 1000))
        if left_us > FRAME_US:
            self._in(FRAME_US, lambda: self._hold_up(lane, names, left_us - FRAME_US))

    def _input(self, lane: str, kind: InputKind) -> None:
        outputs = self._outputs[lane]
        door = dict(self._config.doors())[lane]
        if kind in _EGRESS:  # as the inputs worker does: the relay first, the report afterwards
            outputs.release(_EGRESS[kind], door.unlock_s if kind is InputKind.REX else float("inf"))
        elif kind in _EGRESS_ENDS:
            outputs.end_release(_EGRESS_ENDS[kind])
        self._mailbox.put(InputChange(lane, kind))

    def _answer_screening(self, lane: str, token: int) -> None:
        says = self._temperature[lane]
        if self._running and says != SILENT:
            skin = {"normal": 36.4, "raised": 38.1, "cold": 31.0}.get(says)
            self._mailbox.put(Screened(lane, token, TemperatureReading(Band(says), skin, 21.0, 6)))

    def _surroundings(self, step: Step) -> None:
        if step.temperature is not None:
            self._temperature[step.lane] = step.temperature
        if step.fault is not None:
            self._fault(step.fault, step.lane, begins=not step.ends)
        if step.clock_step is not None:
            self._clock.step(step.clock_step)
        if step.clock is not None:
            self._clock.state(ClockState(step.clock))
        if step.status is not None:
            name, _, status = step.status.partition("=")
            self._office.set_status(name, status)
            self._post.status()
        if step.announcements is not None:
            self._post.announcements(step.announcements)
        if step.policy is not None:
            self._post.policy(step.policy)

    def _fault(self, part: str, lane: str, *, begins: bool) -> None:
        if part == "relay":
            self._outputs[lane].failing = begins
        elif part == "disk":
            self._journal.failing = begins
        else:
            fault = DeviceFault(f"{part} {lane}", "it fails in this scenario", "End the fault") if begins else None
            self._mailbox.put(DeviceReport(f"{part} {lane}", fault))
            if part == "thermometer":
                self._temperature[lane] = "fault" if begins else "normal"

    # --- watching --------------------------------------------------------------------------------------------------

    def _sight(self) -> Sight:
        inside = self._gate.surroundings.register.inside
        return Sight(self._flows, self._outputs, inside, self._voice.saying, self._recorded)

    def _observe(self) -> None:
        """Note what has changed; called once per turn of the gate thread."""
        at, timeline = self._seconds(), self.played.timeline
        watch.note(timeline, at, self._sight())
        timeline.note(at, "clock", self._clock.now().state)
        if self._scenario.voice:
            timeline.note(at, "voice", self._voice.saying)
        self._events(at)

    def _events(self, at: float) -> None:
        for (raw,) in self._journal.rows("SELECT raw FROM event WHERE seq > ? ORDER BY seq", (self._seq,)):
            event = decode(raw)
            words = (event.payload.get(key) for key in ("outcome", "what", "alarm", "reason", "result", "to"))
            self._recorded.append(" ".join([event.kind, *(str(word) for word in words if word)]))
            self.played.timeline.mark(at, "journal", self._recorded[-1])
        self._seq = self._journal.seq

    def _check(self, wanted: Expectation) -> None:
        if self._running:
            self.played.unmet += watch.unmet(wanted, self._sight())
        else:
            self.played.unmet.append(f"{wanted.at:g} s: there is no power")


def _config(scenario: Scenario, roots: list[bytes]) -> Config:
    camera = CameraConfig(source="scene:scenario")
    lanes = tuple(
        LaneConfig(
            id=lane.id,
            direction=lane.direction,
            camera=camera,
            door=None if lane.door_of else lane.door,
            door_of=lane.door_of,
            thermometer=ThermometerConfig(bus="twin:scenario") if lane.thermometer else None,
        )
        for lane in scenario.lanes
    )
    return Config(
        station=StationConfig(id="scenario", gate=scenario.gate, zone=scenario.zone),
        trust=TrustConfig(roots=tuple(root.hex() for root in roots)),
        lane=lanes,
        interlock=scenario.interlock,
        voice=VoiceConfig(enabled=scenario.voice),
    )
