"""The control: a station half that takes the broker's PUBACK for the acknowledgement and never sends anything again.

Arguments: the station's folder, its id, the broker's port. Everything else is the product's: journal, batches, link.
The harness that finds nothing lost with gate-sync must find much lost with this.
"""

from __future__ import annotations

import queue
import sys
import threading
from pathlib import Path

from station.core.events import GENESIS
from sync import mqtt, wire
from sync.config import BrokerConfig
from sync.outbox import JournalError, Outbox

IN_FLIGHT = 8


class Believer:
    """What the broker has taken is done with; how far that is stands in a file."""

    def __init__(self, folder: Path, station: str, port: int) -> None:
        self._station, self._mark = station, folder / "card" / "believed"
        self._outbox = Outbox(folder / "card" / "station" / "journal.db")
        self._settings = mqtt.Settings(
            station, BrokerConfig(host="127.0.0.1", port=port), True, 0, receive_maximum=10, max_packet=1 << 20
        )
        self._queue: queue.Queue[mqtt.Happening] = queue.Queue()
        self._flying: dict[int, int] = {}
        self._next = 1

    def run(self) -> None:
        """Connect for ever."""
        while True:
            link = mqtt.Link(self._settings, self._queue.put)
            link.start()
            self._flying.clear()
            self._next = self._believed() + 1
            self._talk(link)
            threading.Event().wait(0.2)

    def _talk(self, link: mqtt.Link) -> None:
        up = False
        while True:
            try:
                happening = self._queue.get(timeout=0.1)
            except queue.Empty:
                happening = None
            match happening:
                case mqtt.Up():
                    up = True
                case mqtt.Down():
                    return
                case mqtt.Published(mid=mid) if mid in self._flying:
                    self._mark.write_text(str(max(self._flying.pop(mid), self._believed())))
            while up and len(self._flying) < IN_FLIGHT and self._send(link):
                pass

    def _believed(self) -> int:
        return int(self._mark.read_text() or 0) if self._mark.exists() else 0

    def _send(self, link: mqtt.Link) -> bool:
        try:
            found = self._outbox.look()
            if found is None or found.last < self._next:
                return False
            prev = self._outbox.hash_at(self._next - 1) or GENESIS
            batch = self._outbox.batch(found.epoch, self._next, found.last, 1 << 16, prev)
        except JournalError:
            return False
        mid = link.publish(wire.up(self._station, "log"), wire.encode_batch(batch), content_type=wire.BATCH_TYPE)
        if mid is None:
            return False
        self._flying[mid] = batch.last_seq
        self._next = batch.last_seq + 1
        return True


if __name__ == "__main__":
    Believer(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])).run()
