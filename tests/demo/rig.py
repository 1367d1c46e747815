"""The whole system in one folder: twins, broker, central, sync, station. Each may be killed and started anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

import apsw

from drivers.twins.world import World
from station import guards
from station.core.events import Event, decode
from sync.central.schema import upgrade
from sync.central.store import Store
from tests.demo.office import GATE, ZONE, Office
from tests.demo.processes import Broker, Process, command, until

STATION = "gate-east-1"
GUARD, PIN = "guard-li", "482915"
PINS = {"in": 17, "out": 5}
CONTACT = {"in": 22, "out": 6}
REX_PIN, FIRE_PIN = 27, 13

STATION_TOML = """
[station]
id = "{station}"
gate = "{gate}"
zone = "{zone}"
[trust]
roots = [{roots}]
[paths]
state = "{folder}/station"
run = "{folder}/run"
sync_state = "{folder}/sync"
documents = "{folder}/office/documents"
guards = "{folder}/guards.toml"
[hardware]
pins = "twin"
world = "{folder}/world.sock"
[screen]
port = 0
[time]
require_sync = false
[[lane]]
id = "in"
direction = "in"
refusal_s = 2.0
camera = {{ source = "scene:in" }}
thermometer = {{ bus = "twin:in", samples = 5, interval_s = 0.05 }}
[lane.door]
unlock_s = 3.0
relay = {{ pin = 17 }}
contact = {{ pin = 22, active = "high", circuit = "closed" }}
rex = {{ pin = 27 }}
fire = {{ pin = 13, active = "high", circuit = "closed" }}
led = {{ red = 16, green = 20, blue = 21 }}
buzzer = 12
[[lane]]
id = "out"
direction = "out"
refusal_s = 2.0
camera = {{ source = "scene:out" }}
[lane.door]
unlock_s = 3.0
relay = {{ pin = 5, active = "low" }}
contact = {{ pin = 6, active = "high", circuit = "closed" }}
"""

SYNC_TOML = """
[station]
id = "{station}"
zone = "{zone}"
[broker]
host = "127.0.0.1"
port = {port}
[paths]
journal = "{folder}/station/journal.db"
state = "{folder}/sync"
run = "{folder}/run"
[timers]
retransmit_min_s = 2.0
retransmit_max_s = 5.0
reconnect_max_s = 5.0
no_subscriber_max_s = 5.0
"""

CENTRAL_TOML = """
[broker]
host = "127.0.0.1"
port = {port}
[database]
url = "{url}"
[ack]
key = "{folder}/office/keys/central.key"
kid = "{kid}"
[timers]
reconnect_max_s = 5.0
[paths]
state = "{folder}/central"
"""


class Rig:
    """Everything that runs, and what it wrote."""

    def __init__(self, folder: Path, database: str = "") -> None:
        """Prepare the folder; nothing runs yet. `database`: URL; default an SQLite file in the folder."""
        self.folder = folder
        for name in ("run", "station", "sync", "central"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.database = database or f"sqlite:///{folder}/central/central.db"
        self.office = Office(folder / "office")
        self.broker = Broker(folder)
        guards.add(folder / "guards.toml", GUARD, PIN)
        self._configure()
        self.station: Process | None = None
        self.sync: Process | None = None
        self.central: Process | None = None
        self.world: World | None = None
        self._world_process: Process | None = None

    def _configure(self) -> None:
        values = {
            "folder": self.folder,
            "station": STATION,
            "gate": GATE,
            "zone": ZONE,
            "port": self.broker.port,
            "url": self.database,
            "kid": self.office.central.kid.hex(),
            "roots": ", ".join(f'"{root}"' for root in self.office.roots),
        }
        for name, text in (("station", STATION_TOML), ("sync", SYNC_TOML), ("central", CENTRAL_TOML)):
            (self.folder / f"{name}.toml").write_text(text.format(**values))

    # --- starting and ending ---------------------------------------------------------------------------------------

    def start_world(self) -> World:
        """Start the world of the twins: a warm day, doors shut, nobody there."""
        line = [*command("python"), "-m", "drivers.twins.world", str(self.folder / "world.sock"), str(self.pin_log)]
        self._world_process = Process(line, self.folder / "world.log.txt")
        until(lambda: self._world_process and self._world_process.said("listening"), 10, "the world listens")
        self.world = World.connect(self.folder / "world.sock")
        self.world.set("thermometer.in", {"object_c": 22.0, "ambient_c": 21.0, "fault": None})
        self.world.set(f"pin.{FIRE_PIN}", 0)
        for lane in CONTACT:
            self.shut(lane)
        return self.world

    def start_central(self) -> None:
        """Start the collector."""
        self.central = self._start("gate-central", "serve", "central")
        until(lambda: self.central and self.central.said("ready"), 20, "gate-central is ready")

    def start_sync(self) -> None:
        """Start the station's network half."""
        self.sync = self._start("gate-sync", "run", "sync")

    def start_station(self) -> None:
        """Start the station."""
        self.station = self._start("gate-station", "run", "station")
        until(lambda: self.station and self.station.said("ready; guard screen"), 20, "gate-station is ready")

    def _start(self, name: str, action: str, config: str) -> Process:
        return Process(
            command(name, action, "--config", str(self.folder / f"{config}.toml")), self.folder / f"{name}.log"
        )

    def start_all(self) -> None:
        """Start everything, in an order that does not matter."""
        self.start_world()
        self.broker.start()
        self.start_central()
        self.start_sync()
        self.start_station()

    def stop_all(self) -> None:
        """End everything cleanly."""
        for process in (self.station, self.sync, self.central):
            if process:
                process.stop()
        self.broker.stop()
        if self.world:
            self.world.close()
        if self._world_process:
            self._world_process.stop()

    # --- the physical world ----------------------------------------------------------------------------------------

    @property
    def pin_log(self) -> Path:
        """The world's log of every pin change."""
        return self.folder / "world.jsonl"

    def pin_records(self) -> list[dict[str, object]]:
        """Return the world's log."""
        return [json.loads(line) for line in self.pin_log.read_text().splitlines()]

    def open(self, lane: str) -> None:
        """Somebody opens a door: the contact opens its circuit."""
        self._set(f"pin.{CONTACT[lane]}", 1)

    def shut(self, lane: str) -> None:
        """The door falls shut."""
        self._set(f"pin.{CONTACT[lane]}", 0)

    def show(self, lane: str, scene: dict[str, object] | None) -> None:
        """Put something before a lane's camera."""
        self._set(f"camera.{lane}", scene)

    def face(self, object_c: float, ambient_c: float = 21.0, fault: str | None = None) -> None:
        """Put a face (or none) before the thermometer."""
        self._set("thermometer.in", {"object_c": object_c, "ambient_c": ambient_c, "fault": fault})

    def _set(self, key: str, value: object) -> None:
        if self.world is None:
            raise RuntimeError("the world is not running")
        self.world.set(key, value)

    # --- what was written ------------------------------------------------------------------------------------------

    @property
    def screen_url(self) -> str:
        """Where the guard screen is served."""
        line = self.station.said("ready; guard screen") if self.station else ""
        found = re.search(r"http://\S+", line)
        return found.group(0) if found else ""

    def journal(self, after: int = 0) -> list[Event]:
        """Return the station's events after a seq."""
        return [decode(raw) for _, raw in self.journal_rows(after)]

    def journal_rows(self, after: int = 0) -> list[tuple[int, bytes]]:
        """Return (seq, exact bytes) of the station's events after a seq."""
        return self._query("station/journal.db", "SELECT seq, raw FROM event WHERE seq > ? ORDER BY seq", after)

    def acknowledged(self) -> int:
        """Return up to which seq central has acknowledged."""
        rows = self._query("sync/sync.db", "SELECT max(prefix) FROM delivered")
        return (rows and rows[0][0]) or 0

    def _query(self, name: str, sql: str, *values: object) -> list[tuple]:
        path = self.folder / name
        if not path.exists():
            return []
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        database = apsw.Connection(f"file:{path}?mode=ro", flags=flags)
        try:
            database.set_busy_timeout(2000)
            return list(database.execute(sql, values))
        finally:
            database.close()

    def publish(self) -> None:
        """Hand the office's documents to central, as `gate-central documents publish` does."""
        upgrade(self.database)  # a folder that an older demo has left
        store = Store(self.database)
        store.open()
        for name, chunk in self.office.shelf.chunks():
            store.put_document("status-chunk", "all", name, 1, chunk)
        for kind in ("trust", "policy", "status"):
            path = self.office.shelf.folder / f"{kind}.cose"
            if path.exists():
                store.put_document(kind, "all", "0", 1, path.read_bytes())
        store.close()
