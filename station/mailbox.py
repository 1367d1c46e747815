"""The one queue into the gate thread. Inputs are never dropped; of camera sightings only the latest of a lane waits."""

from __future__ import annotations

import queue
import threading


class Mailbox:
    """Workers put, the gate thread gets."""

    def __init__(self) -> None:
        """Make an empty mailbox."""
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._latest: dict[str, object] = {}
        self._lock = threading.Lock()

    def put(self, item: object) -> None:
        """Queue an item that must not be lost."""
        self._queue.put(item)

    def put_latest(self, key: str, item: object) -> None:
        """Leave an item in a slot of its own; one that still waits there is replaced, not overtaken."""
        with self._lock:
            waiting = key in self._latest
            self._latest[key] = item
        if not waiting:
            self._queue.put(_Slot(key))

    def get(self, timeout_s: float) -> object | None:
        """Return the next item, or None after `timeout_s` seconds."""
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(item, _Slot):
            with self._lock:
                return self._latest.pop(item.key)
        return item


class _Slot:
    def __init__(self, key: str) -> None:
        self.key = key
