"""What a fleet meets: Mosquitto, two collectors over PostgreSQL or one over SQLite, and what they cost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sync.central.fleet.fleet import spread_s
from tests.demo import processes
from tests.demo.processes import NotInTimeError, Process, command, until
from tests.sync.lab import KID, key_file

TICKS = os.sysconf("SC_CLK_TCK")
KEEPALIVE_S = 3
"""Of the collectors: a dead one is let go after one and a half of them."""
START_S = 60.0


class Broker(processes.Broker):
    """Mosquitto as docs/how-to/run-central.md wants it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self._config.open("a") as file:
            file.write("max_inflight_messages 0\n")

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process
        return self._process.child.pid


def central_toml(folder: Path, name: str, port: int, url: str, stations: int) -> Path:
    """Write a collector's configuration, the spread of reconnects being right for so many stations."""
    path = folder / f"{name}.toml"
    path.write_text(f"""
[broker]
host = "127.0.0.1"
port = {port}
keepalive = {KEEPALIVE_S}
[database]
url = "{url}"
[ack]
key = "{key_file(folder)}"
kid = "{KID.hex()}"
[collector]
id = "{name}"
spread_s = {spread_s(stations)}
[timers]
reconnect_max_s = 1.0
database_retry_max_s = 1.0
[paths]
state = "{folder}/state-{name}"
""")
    return path


class Centre:
    """Broker and collectors, running."""

    def __init__(self, folder: Path, url: str, stations: int, collectors: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.stations = folder, stations
        self.broker = Broker(folder)
        names = [f"central-{number}" for number in range(1, collectors + 1)]
        self.configs = [central_toml(folder, name, self.broker.port, url, stations) for name in names]
        self.collectors = list[Process]()

    def __enter__(self) -> Self:
        self.broker.start()
        for config in self.configs:
            line = command("gate-central", "serve", "--config", str(config))
            self.collectors.append(Process(line, config.with_suffix(".log")))
        for one in self.collectors:
            until(lambda one=one: one.said("ready"), START_S, f"the collector is ready, see {one.log}")
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.collectors:
            one.kill()
        self.broker.kill()

    def restart_broker(self, down_s: float) -> None:
        """Kill the broker, which forgets all it knew, and start it again."""
        self.broker.kill()
        time.sleep(down_s)
        self.broker.start()


class FleetRun:
    """gate-central simulate-fleet as a process."""

    def __init__(self, centre: Centre, rate: float, seed: int, *more: str) -> None:
        self._path = centre.folder / "fleet.log"
        line = command("gate-central", "simulate-fleet", "--config", str(centre.configs[0]))
        line += ["--stations", str(centre.stations), "--rate", str(rate), "--seed", str(seed), "--log", str(self._path)]
        self.process = Process([*line, "--for", "3600", *more], centre.folder / "fleet.txt")
        self._centre = centre

    def lines(self) -> list[dict[str, Any]]:
        """Return all seconds so far, and the result if there is one."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def moments(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the seconds after a moment of the monotonic clock."""
        return [line for line in self.lines() if line.get("at", 0.0) > since]

    def wait(self, good: Callable[[dict[str, Any]], bool], since: float, timeout_s: float, what: str) -> None:
        """Wait for a second after `since` that is as wanted. Raises NotInTimeError."""
        deadline = time.monotonic() + timeout_s
        while not any(good(moment) for moment in self.moments(since)):
            if time.monotonic() > deadline or not self.process.running():
                raise NotInTimeError(f"{what}: not within {timeout_s:.0f} s; see {self.process.log}")
            time.sleep(0.2)

    def wait_all_heard(self, since: float, timeout_s: float) -> None:
        """Wait until central has answered every station."""
        self.wait(lambda now: now["heard"] == self._centre.stations, since, timeout_s, "all stations are heard")

    def wait_some_lost(self, since: float) -> None:
        """Wait until a connection is gone."""
        self.wait(lambda now: now["heard"] < self._centre.stations, since, 30, "connections are lost")

    def finish(self, timeout_s: float = 240) -> tuple[int, dict[str, Any]]:
        """Record no more, wait for the last acknowledgements; return the exit status and the result."""
        self.process.child.send_signal(signal.SIGTERM)
        code = self.process.child.wait(timeout_s)
        found = [line["result"] for line in self.lines() if "result" in line]
        if not found:
            raise NotInTimeError(f"the fleet ended without a result; see {self.process.log}")
        return code, found[0]


def cpu_s(pid: int) -> float:
    """Return the CPU time a process and its children have used, seconds."""
    return _own(pid) + sum(_own(child) for child in _children(pid))


def _own(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(child) for child in found.read_text().split()] if found.exists() else []
    return [*below, *(deeper for child in below for deeper in _children(child))]


def memory_kb(pid: int) -> int:
    """Return the resident memory of a process, kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
