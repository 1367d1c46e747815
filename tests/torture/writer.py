"""A station's writing half as a process: the real journal, recorder, reserve and upkeep, and events as fast as asked.

Arguments: the station's folder, its id, events per second. What commit returned for is told to a file of the harness,
outside the card: that file is the truth which central is held against. The harness speaks through `control.json`:
`offset_s` moves the clock, `full` lets the kernel refuse every write that would make a file longer.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from station.config import RetentionConfig
from station.core.events import Kind
from station.core.model import Instant
from station.inbox import Inbox
from station.journal import Change, Journal, JournalFault
from station.recorder import Recorder
from station.reserve import Reserve
from station.schema import RING_SOCKET
from station.upkeep import Upkeep
from sync import wire
from tests.sync.lab import trust_bundle

RESERVE_BYTES = 1 << 16
TEND_EVERY_S = 0.2


class Control:
    """What the harness wants just now."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0
        self.offset_s, self._full = 0.0, False

    def look(self) -> None:
        """Read the file if it has changed, and fill or free the disk."""
        changed = self._path.stat().st_mtime_ns
        if changed == self._seen:
            return
        wanted = json.loads(self._path.read_text())
        self._seen, self.offset_s = changed, wanted["offset_s"]
        if wanted["full"] != self._full:
            self._full = wanted["full"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (0 if self._full else resource.RLIM_INFINITY, -1))

    def now(self) -> Instant:
        """Return the station's time; the monotonic clock never jumps."""
        return Instant(round((time.time() + self.offset_s) * 1e6), time.monotonic_ns() // 1000)


def main(folder: Path, station: str, per_second: float) -> None:
    """Write until told to stop."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails as on a full disk
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    card, control = folder / "card", Control(folder / "control.json")
    control.look()
    journal = Journal(card / "station", secrets.token_hex(4), folder / "run" / RING_SOCKET)
    recorder = Recorder(journal, Reserve(card / "station", RESERVE_BYTES), lambda _fault: None)
    upkeep = Upkeep(recorder, Inbox(card / "sync"), RetentionConfig())
    bundle = trust_bundle()
    put = Change("INSERT OR REPLACE INTO document VALUES ('trust', 1, ?, ?, 1)", (wire.sha256(bundle), bundle))
    recorder.commit_unless_broken(Kind.BOOT, {"version": "torture"}, control.now(), [put])
    said = os.open(folder / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    tend_at = 0.0
    while not stop.wait(1 / per_second):
        control.look()
        name = f"{station}-{secrets.token_hex(8)}"
        payload = {"lane": "in", "outcome": "grant", "reason": "granted", "rule": "check:open", "cti": name}
        try:
            recorder.commit(Kind.DECISION, payload, control.now())
        except JournalFault:
            continue
        os.write(said, f"{name}\n".encode())
        if time.monotonic() >= tend_at:
            tend_at = time.monotonic() + TEND_EVERY_S
            upkeep.tend(control.now(), lambda: None, idle=True)
    recorder.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
