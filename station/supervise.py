"""Watches over the workers. A dead safety worker ends the process; systemd starts it again in a second.

The watchdog is fed by the gate thread, and only while every safety worker lives, so a station that cannot release the
door never looks healthy.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from station.notify import notify

log = logging.getLogger(__name__)

WATCHDOG_EVERY_S = 1.0
EXIT_SAFETY = 70
"""Exit status after the death of a safety worker (EX_SOFTWARE of sysexits.h)."""


class Watchdog:
    """Fed through `beat` by the gate thread."""

    def __init__(self, safety_workers: Mapping[str, Callable[[], bool]]) -> None:
        """`safety_workers`: for each name, a function that says whether the worker lives."""
        self._workers = safety_workers
        self._next = 0.0

    def beat(self) -> None:
        """Feed the watchdog about once a second; end the process if a safety worker is dead."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + WATCHDOG_EVERY_S
        dead = [name for name, alive in self._workers.items() if not alive()]
        if dead:
            die(f"safety worker dead: {', '.join(dead)}")
        notify("WATCHDOG=1")


def die(why: str) -> None:
    """End the process at once: outputs fall to their safe level by pull and by the unit's ExecStopPost."""
    log.critical("%s; the process ends and is started again", why)
    logging.shutdown()
    os._exit(EXIT_SAFETY)


def run_safety_worker(name: str, work: Callable[[], None]) -> threading.Thread:
    """Run a worker whose death must end the process."""

    def guarded() -> None:
        try:
            work()
        except Exception:
            log.exception("the %s worker failed", name)
            die(f"safety worker dead: {name}")

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


class BellListener:
    """Listens for gate-sync's bell: an empty datagram that says "look at my file"."""

    def __init__(self, path: Path, rung: Callable[[], None]) -> None:
        """`rung` is called for each ring, from the listener's thread."""
        self._path, self._rung = path, rung
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        path.chmod(0o660)
        self._stopping = False
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stopping:
            self._socket.recv(16)
            self._rung()

    def close(self) -> None:
        """Stop listening. May be called twice."""
        if self._stopping:
            return
        self._stopping = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", str(self._path))
        self._thread.join(timeout=2)
        self._socket.close()
        self._path.unlink(missing_ok=True)
