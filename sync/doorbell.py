"""The doorbells of the two halves: the station rings after each commit, and is rung when sync.db has changed."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from station.schema import RING_SOCKET
from sync import wire

log = logging.getLogger(__name__)


class Doorbell:
    """The datagram socket the station rings after each commit. Without it the poll serves alone."""

    def __init__(self, run: Path, on_ring: Callable[[], None]) -> None:
        self._path, self._station = run / RING_SOCKET, run / wire.INBOX_SOCKET
        self._on_ring = on_ring
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            run.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
            self._path.chmod(0o660)
        except OSError as error:
            log.warning("%s: cannot be bound (%s); the journal is looked at every second instead", self._path, error)
            return
        threading.Thread(target=self._listen, name="doorbell", daemon=True).start()

    def ring_station(self) -> None:
        """Tell the station that sync.db has changed. It polls, so nothing depends on its hearing this."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(b"", str(self._station))

    def close(self) -> None:
        """Take the doorbell down."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.fileno() >= 0:
                self._socket.recv(64)
                if self._socket.fileno() >= 0:
                    self._on_ring()
