"""One simulated station: what gate-sync's main loop (sync/agent.py) does, driven by an event loop it shares."""

from __future__ import annotations

import errno
import random
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from station.core import events
from station.core.model import Instant
from sync import mqtt, wire
from sync.central.fleet.line import Line
from sync.central.fleet.memory import MemoryJournal, MemoryStore
from sync.central.fleet.tally import Tally
from sync.config import SyncConfig
from sync.downlink import Downlink
from sync.uplink import Uplink

SESSION_EXPIRY_S, WILL_DELAY_S, MAX_PACKET = 60, 30, 512 * 1024
CONNECT_TIMEOUT_S = 10.0
VERSIONS = {"gate-sync": "simulated"}
RULES = ("residents-by-day", "check:open", "visitor-pass", "no-pass")
OUTCOMES = (("grant", "granted"), ("grant", "granted"), ("grant", "granted"), ("deny", "expired"))


class Watch(Protocol):
    """Tells the event loop which sockets matter to whom."""

    def __call__(self, station: Station, sock: socket.socket | None, *, write: bool) -> None:
        """Watch this socket of the station, also for room to write; None: no socket any more."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all stations share."""

    address: tuple[str, int]
    family: socket.AddressFamily
    keys: wire.AckVerifier
    tally: Tally
    watch: Watch
    dice: random.Random
    context: Callable[[str], ssl.SSLContext] | None = None
    """Gives the TLS context of a station; None: no TLS."""


class Station:
    """Connects, says hello, sends its events, takes acknowledgements, and comes back after a loss."""

    def __init__(self, config: SyncConfig, around: Surroundings, connect_at: float) -> None:
        self._config, self._around = config, around
        self.name = config.station.id
        self.journal, self.store = MemoryJournal(around.dice.getrandbits(63)), MemoryStore()
        self.uplink = Uplink(config, self.journal, self.store, around.keys, VERSIONS)
        self._downlink = Downlink(config.station, self.store, self._acknowledge)
        self._waiting: deque[tuple[int, float]] = deque()
        self._sock: socket.socket | None = None
        self._line: Line | None = None
        self._shaking = False
        self.online, self._heard, self._attempts = False, False, 0
        self._connect_at, self._give_up_at, self._lost_at = connect_at, 0.0, 0.0
        self._tele_at = self._tick_at = 0.0

    # --- what the loop asks for -------------------------------------------------------------------------------------

    def due(self, now: float) -> float:
        """Return when the station has something to do next."""
        if self._sock is None:
            return self._connect_at
        if not self.online:
            return self._give_up_at
        times = (self._tele_at, self._tick_at, self.uplink.deadline(now))
        return min(time for time in times if time is not None)

    def act(self, now: float) -> None:
        """Do what is due."""
        if self._sock is None:
            if now >= self._connect_at:
                self._dial(now)
        elif not self.online:
            if now >= self._give_up_at:
                self._drop("the broker did not answer", now)
        elif self._line is not None:
            if now >= self._tele_at:
                self._tele_at = now + self._config.timers.tele_s
                self._send_tele(self._line)
            if now >= self._tick_at:
                self._tick_at = now + self._config.broker.keepalive / 4
                self._line.tick()
            self._pump(now)

    def ready(self, now: float) -> None:
        """The socket can be read or written."""
        if self._line is None:
            self._shake(now)
        else:
            self._line.read()
            self._pump(now)

    def write(self, now: float) -> None:
        """Record an event, as if somebody had shown a pass."""
        dice, (outcome, reason) = self._around.dice, self._around.dice.choice(OUTCOMES)
        payload = {"lane": dice.choice(("in", "out")), "outcome": outcome, "reason": reason, "rule": dice.choice(RULES)}
        payload["cti"] = f"{dice.getrandbits(64):016x}"
        instant = Instant(time.time_ns() // 1000, round(now * 1e6))
        self.journal.append(events.encode(self.journal.last + 1, instant, "5f3a91c0", events.Kind.DECISION, payload))
        self._waiting.append((self.journal.last, now))
        self._around.tally.written += 1
        if self.online:
            self._pump(now)

    @property
    def prefix(self) -> int:
        """Up to which event central has acknowledged all."""
        delivered = self.store.delivered(self.journal.epoch)
        return delivered[0] if delivered else 0

    def oldest_s(self, now: float) -> float:
        """Return how long the oldest event without acknowledgement has waited, seconds; 0 where there is none."""
        return now - self._waiting[0][1] if self._waiting else 0.0

    def end(self) -> None:
        """Say goodbye."""
        if self._line is not None:
            self._line.close()

    # --- the connection ---------------------------------------------------------------------------------------------

    def _dial(self, now: float) -> None:
        if self._lost_at and self._attempts == 1:
            self._around.tally.first_try(self._connect_at - self._lost_at)
        self._give_up_at = now + CONNECT_TIMEOUT_S
        sock = socket.socket(self._around.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        sock.setblocking(False)
        self._sock = sock
        if (code := sock.connect_ex(self._around.address)) not in (0, errno.EINPROGRESS):
            self._drop(errno.errorcode.get(code, str(code)), now)
            return
        self._around.watch(self, sock, write=True)

    def _shake(self, now: float) -> None:
        """Go on with the connection: TCP, then TLS, then MQTT."""
        sock = self._sock
        assert sock is not None  # noqa: S101 - only a socket can be ready
        try:
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(errno.errorcode.get(code, str(code)), now)
                return
            if self._around.context is not None and not isinstance(sock, ssl.SSLSocket):
                context, host = self._around.context(self.name), self._config.broker.host
                sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
                self._sock = sock
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            self._around.watch(self, sock, write=isinstance(error, ssl.SSLWantWriteError))
            return
        except OSError as error:
            self._drop(str(error), now)
            return
        self._around.watch(self, sock, write=False)
        self._line = Line(self._settings(), self._handle, sock, self._forget_socket)
        self._line.begin()
        self._watch_writing()

    def _settings(self) -> mqtt.Settings:
        will = mqtt.Will(
            wire.up(self.name, "state"), wire.encode(wire.State(state="offline")), wire.JSON_TYPE, WILL_DELAY_S
        )
        return mqtt.Settings(
            client_id=self.name,
            broker=self._config.broker,
            clean_start=False,
            session_expiry_s=SESSION_EXPIRY_S,
            receive_maximum=100,
            max_packet=MAX_PACKET,
            will=will,
        )

    def _drop(self, reason: str, now: float) -> None:
        """Give a connection up that the broker has not accepted."""
        if self._line is not None:
            self._line.end(reason)
            return
        if (sock := self._sock) is not None:
            self._forget_socket()
            sock.close()
        self._retry(now)

    def _retry(self, now: float) -> None:
        """Wait as gate-sync does: the first try spread as central said, then twice as long each time, all jitter."""
        longest = 2.0 ** min(self._attempts, 16) if self._attempts else self.uplink.spread_s
        if not self._attempts:
            self._lost_at = now
        else:
            self._around.tally.failures += 1
        self._attempts += 1
        most = self._config.timers.reconnect_max_s
        self._connect_at = now + self._around.dice.uniform(0, min(longest, most))

    def _forget_socket(self) -> None:
        self._around.watch(self, None, write=False)
        self._sock = None

    # --- what a connection tells ------------------------------------------------------------------------------------

    def _handle(self, happening: mqtt.Happening) -> None:
        now = time.monotonic()
        match happening:
            case mqtt.Up() if self._line is not None:
                self._on_up(self._line, now)
            case mqtt.Down():
                self._on_down(now)
            case mqtt.Published():
                self.uplink.published(happening.mid, happening.reason, now)
            case mqtt.Received():
                self._around.tally.documents += happening.topic.startswith("gs/1/doc/")
                retained = happening.retained
                self._downlink.receive(happening.topic, happening.payload, retained=retained, answer=self._publish)

    def _on_up(self, line: Line, now: float) -> None:
        self.online, self._attempts = True, 0
        self._around.tally.connected(now)
        self._tele_at, self._tick_at = now, now + self._config.broker.keepalive / 4
        line.subscribe(self._downlink.filters(), as_published=True)
        state = wire.encode(wire.State(state="online"))
        line.publish(wire.up(self.name, "state"), state, retain=True, content_type=wire.JSON_TYPE)
        self.uplink.connected(self._publish, now)

    def _on_down(self, now: float) -> None:
        if self._sock is not None:
            self._forget_socket()
        if self.online:
            self._around.tally.lost(now, was_heard=self._heard)
            self.uplink.disconnected()
        self.online, self._heard, self._line = False, False, None
        self._retry(now)

    def _publish(self, leaf: str, payload: bytes, content_type: str) -> int | None:
        if self._line is None:
            return None
        return self._line.publish(wire.up(self.name, leaf), payload, content_type=content_type)

    def _send_tele(self, line: Line) -> None:
        self._around.tally.tele += 1
        tele = wire.encode(wire.Tele(queue=self.uplink.queue, versions=VERSIONS))
        line.publish(wire.up(self.name, "tele"), tele, qos=0, content_type=wire.JSON_TYPE)

    def _acknowledge(self, raw: bytes) -> None:
        now = time.monotonic()
        self.uplink.acknowledge(raw, now)
        self.uplink.save()
        prefix = self.prefix
        while self._waiting and self._waiting[0][0] <= prefix:
            self._around.tally.waited(now - self._waiting.popleft()[1])

    def _pump(self, now: float) -> None:
        if self._line is None:
            return
        self.uplink.work(now)
        self.uplink.save()
        if self.uplink.is_heard and not self._heard and self.online:
            self._heard = True
            self._around.tally.answered(now)
        self._watch_writing()

    def _watch_writing(self) -> None:
        if self._line is not None and self._sock is not None:
            left = self._line.flush()
            if self._sock is not None:  # writing may have found the connection lost
                self._around.watch(self, self._sock, write=left)
