"""Puts the station together, runs it, and takes it apart again: outputs safe first, journal last."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from drivers.inputs import LaneInputs
from drivers.loudspeaker import open_loudspeaker
from drivers.outputs import LaneOutputs
from drivers.pins import factory
from drivers.speech import FOLDER as VOICE_FOLDER
from drivers.thermometer import open_thermometer
from drivers.twins.world import World
from drivers.vl53l0x import open_range_sensor
from station import __version__, guards
from station.absent import AbsentJournal, AbsentOutputs
from station.camera_watch import CameraWatch
from station.command_desk import CannotReloadError, new_boot_nonce
from station.config import Config, ConfigError, LaneConfig
from station.core import baseline
from station.core.events import Kind
from station.core.facts import Site
from station.core.scan import is_signed
from station.device_config import DoorConfig
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread, InputChange, Rung
from station.health import Ailment, HealthBoard
from station.inbox import Inbox
from station.journal import JournalFault
from station.lane_record import baseline_key
from station.mailbox import Mailbox
from station.notify import notify
from station.ports import DeviceFault, Spoken
from station.recorder import Recorder
from station.records import can_open_journal, open_clock, open_documents, open_journal, open_reserve
from station.register import Register
from station.screen.serve import ScreenServer
from station.screening import DeviceReport, ScreeningWorker, longest_screening_us
from station.supervise import BellListener, Watchdog, run_safety_worker

log = logging.getLogger(__name__)

INBOX_SOCKET = "inbox.sock"
NO_THERMOMETER_US = 1_000_000
MIND_EVERY_S = 2.0


class Station:
    """One running station."""

    def __init__(self, config: Config, reread: Callable[[], object] | None = None) -> None:
        """Open everything. Raises JournalFault where nothing can be recorded; missing devices only degrade.

        `reread` reads the configuration as it is now, and raises ConfigError; None: nothing starts the station anew.
        """
        self._config, self._reread = config, reread
        self._reloading = False
        self._boot_nonce, self._tell_boot_nonce = new_boot_nonce()
        self._mailbox = Mailbox()
        self._closing = contextlib.ExitStack()
        self._safety: dict[str, Callable[[], bool]] = {}
        self._starts: list[Callable[[], None]] = []
        self._doorways: dict[str, tuple[Doorway, LaneOutputs | AbsentOutputs]] = {}
        self._outputs_open: list[LaneOutputs] = []
        self._closed = False
        self._world = World.connect(config.hardware.world) if config.hardware.world else None
        if self._world:
            self._closing.callback(self._world.close)
        self._recorder = self._open_records()
        self._closing.callback(self._recorder.close)
        inbox = Inbox(config.paths.sync_state)
        self._closing.callback(inbox.close)
        self._documents = open_documents(config, self._recorder.journal, inbox, self._clock)
        self._health = HealthBoard(self._tell_fault)
        self._gate = GateThread(
            self._mailbox,
            self._recorder,
            self._documents,
            inbox,
            self._clock,
            self._health,
            Register(
                self._recorder.journal,
                has_peers=config.station.site is not None,
                pending=self._recorder.pending(),
            ),
            config,
            self._boot_nonce,
        )
        self._gate.commands.reload = self._reload if reread else None
        self._pins = self._open_pins()
        for lane in config.lane:
            self._add_lane(lane)
        self._open_loudspeaker()
        self._cameras = CameraWatch(config.lane, self._mailbox, self._is_pass, self._pins, self._world)
        self._closing.callback(self._cameras.stop)
        self._screen = ScreenServer(self._gate, config.screen, config.paths.guards, config.station.live_page)
        self._gate.beat = Watchdog(self._safety).beat

    # --- records and documents -------------------------------------------------------------------------------------

    def _open_records(self) -> Recorder:
        paths = self._config.paths
        journal = open_journal(paths)
        self._clock = open_clock(self._config, journal)
        recorder = Recorder(journal, open_reserve(paths.state), self._journal_failed, self._config.records.probe_s)
        payload: dict[str, object] = {"version": __version__}
        if journal.quarantined:
            payload["quarantined"] = journal.quarantined.name
            fault = DeviceFault("journal", f"set aside as {journal.quarantined}", "Keep the file for central")
            self._mailbox.put(DeviceReport("journal-quarantined", fault))
        recorder.commit_unless_broken(Kind.BOOT, payload, self._clock.now(), [self._tell_boot_nonce])
        return recorder

    def _journal_failed(self, fault: JournalFault | None) -> None:
        if fault:
            log.error("%s; only overrides and alarms are recorded, in the reserve", fault)
        else:
            log.warning("the journal commits again")

    def _tell_fault(self, part: str, ailment: Ailment | None, before: str) -> None:
        if part == "journal":
            return  # the recorder tells of itself, when it can
        payload = {"part": part, "what": "begins" if ailment else "ends", "fault": ailment.key if ailment else before}
        self._recorder.commit_unless_broken(Kind.FAULT, payload, self._clock.now())

    # --- devices ---------------------------------------------------------------------------------------------------

    def _open_pins(self) -> Any:
        try:
            pins = factory(self._config.hardware)
        except DeviceFault as fault:
            log.error("%s", fault)  # noqa: TRY400 - the fault tells it all
            return fault
        self._closing.callback(pins.close)
        return pins

    def _add_door(self, lane: str, door: DoorConfig) -> None:
        outputs = self._open_outputs(lane, door)
        self._open_inputs(lane, door, outputs)
        self._doorways[lane] = (Doorway(lane, door, outputs, self._recorder, self._clock), outputs)

    def _open_outputs(self, lane: str, door: DoorConfig) -> LaneOutputs | AbsentOutputs:
        try:
            if isinstance(self._pins, DeviceFault):
                raise self._pins
            outputs = LaneOutputs(door, self._pins, lane)
        except DeviceFault as fault:
            self._mailbox.put(DeviceReport(f"outputs {lane}", fault))
            return AbsentOutputs(fault)
        self._outputs_open.append(outputs)
        self._safety[f"outputs {lane}"] = outputs.alive
        return outputs

    def _open_inputs(self, lane: str, door: DoorConfig, outputs: LaneOutputs | AbsentOutputs) -> None:
        try:
            if isinstance(self._pins, DeviceFault):
                raise self._pins
            inputs = LaneInputs(door, outputs, self._pins, lane)
        except DeviceFault as fault:
            self._mailbox.put(DeviceReport(f"inputs {lane}", fault))
            return
        self._closing.callback(inputs.close)
        self._safety[f"inputs {lane}"] = inputs.alive
        self._starts.append(partial(inputs.watch, lambda kind: self._mailbox.put(InputChange(lane, kind))))

    def _add_lane(self, lane: LaneConfig) -> None:
        if lane.door is not None:
            self._add_door(lane.id, lane.door)
        doorway, outputs = self._doorways[lane.door_of or lane.id]
        screening = self._screening(lane)
        here = self._config.station
        flow = LaneFlow(
            lane,
            Site(here.gate, here.zone, lane.direction, can_measure=screening is not None),
            doorway,
            screening.request if screening else None,
            self._gate.surroundings,
            longest_screening_us(lane.thermometer) if lane.thermometer else NO_THERMOMETER_US,
        )
        self._gate.add_lane(flow, outputs)
        self._health.expect(f"camera {lane.id}", self._clock.now())

    def _screening(self, lane: LaneConfig) -> ScreeningWorker | None:
        if lane.thermometer is None:
            return None
        worker = ScreeningWorker(
            lane.id,
            lane.thermometer,
            partial(open_thermometer, lane.thermometer, self._world),
            self._mailbox.put,
            partial(open_range_sensor, lane.range, self._world) if lane.range else None,
            baseline.decode(self._recorder.journal.state(baseline_key(lane.id))),
        )
        if lane.range:
            self._health.expect(f"range {lane.id}", self._clock.now())
        self._health.expect(f"thermometer {lane.id}", self._clock.now())
        self._closing.callback(worker.stop)
        self._starts.append(worker.start)
        return worker

    def _open_loudspeaker(self) -> None:
        if not self._config.voice.enabled:
            return

        def report(what: Spoken | DeviceFault | None) -> None:
            self._mailbox.put(what if isinstance(what, Spoken) else DeviceReport("loudspeaker", what))

        self._health.expect("loudspeaker", self._clock.now())
        loudspeaker = open_loudspeaker(self._config.voice, self._config.paths.state / VOICE_FOLDER, report)
        self._closing.callback(loudspeaker.close)
        self._gate.announcer.connect(loudspeaker)

    def _is_pass(self, text: str) -> bool:
        """Say whether somebody's key stands behind a text; asked from the readers' threads."""
        return is_signed(text, self._documents.trust, self._config.station.zone)

    # --- running ---------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event, ready: Callable[[str], None]) -> None:
        """Run until `stop` is set. `ready(url)` is called once everything works or shows why not."""
        for start in self._starts:  # before the gate thread, whose watchdog looks whether they live
            start()
        gate = run_safety_worker("gate", self._gate.run)
        self._hang_bell()
        self._mind()
        notify("READY=1")
        ready(self._screen.url)
        while not (stop.wait(MIND_EVERY_S) or self._reloading or self._journal_is_back()):
            self._mind()
        notify("STOPPING=1")
        self._screen.stop()
        self._gate.stop()
        gate.join(timeout=10)

    def _hang_bell(self) -> None:
        try:
            bell = BellListener(self._config.paths.run / INBOX_SOCKET, lambda: self._mailbox.put_latest("bell", Rung()))
            self._closing.callback(bell.close)
        except OSError as error:
            log.warning("no bell (%s): news from gate-sync is found by looking once a second", error)

    def _mind(self) -> None:
        """Start what may die without the gate, again if it did: cameras and screen."""
        self._cameras.mind()
        self._mind_screen()
        self._mailbox.put(DeviceReport("guards", self._guards_fault()))

    def _guards_fault(self) -> DeviceFault | None:
        try:
            known = guards.load(self._config.paths.guards)
        except guards.GuardsError as error:
            return DeviceFault("guards", str(error), "Run: gate-station guard add NAME")
        return None if known else DeviceFault("guards", "nobody can sign in", "Run: gate-station guard add NAME")

    def _journal_is_back(self) -> bool:
        """Say whether a journal that could not be opened at start can be now: then the station starts anew."""
        if not isinstance(self._recorder.journal, AbsentJournal) or not can_open_journal(self._config.paths):
            return False
        log.warning("the journal can be opened again; the station ends, to be started anew")
        return True

    def _reload(self) -> None:
        """Let the station end, to be started anew, if it could be started with the configuration as it is now."""
        try:
            if self._reread:
                self._reread()
        except ConfigError as error:
            raise CannotReloadError(str(error)) from error
        log.warning("central wants the configuration read anew; the station ends, to be started anew")
        self._reloading = True

    def _mind_screen(self) -> None:
        if self._screen.alive:
            return
        try:
            self._screen.start()
        except DeviceFault as fault:
            self._mailbox.put(DeviceReport("screen", fault))
        else:
            self._mailbox.put(DeviceReport("screen", None))

    def close(self) -> None:
        """Take everything apart: outputs safe first, records closed last. May be called twice."""
        for outputs in self._outputs_open:
            outputs.close()
        if not self._closed:
            self._closed = True
            self._recorder.commit_unless_broken(Kind.SHUTDOWN, {}, self._clock.now())
        self._closing.close()
