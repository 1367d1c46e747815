"""gate-sync's main loop. One thread owns all state; the network and the doorbell only put into its queue."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import apsw

from sync import metrics, mqtt, wire
from sync.commands import AnswerDesk
from sync.config import SyncConfig
from sync.doorbell import Doorbell
from sync.downlink import Downlink
from sync.home_assistant import Figures, HomeAssistant
from sync.leftovers import Leftovers
from sync.notify import notify
from sync.outbox import JournalError, Outbox
from sync.renewal import Renewal, days_left
from sync.store import SyncStore
from sync.trust import TrustKeys
from sync.uplink import Uplink

log = logging.getLogger(__name__)

SESSION_EXPIRY_S = 60
WILL_DELAY_S = 30
MAX_PACKET = 512 * 1024
GOODBYE_S = 2.0
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Ring:
    """Somebody rang: look at the journal, or at `stop`."""


def versions() -> dict[str, str]:
    """Return what central is told about the software here."""
    try:
        found = importlib.metadata.version("gate-station")
    except importlib.metadata.PackageNotFoundError:
        found = "unknown"
    return {"gate-sync": found, "kernel": os.uname().release[:80]}


class Agent:
    """Keeps the connection, the way up and the way down going until told to stop."""

    def __init__(self, config: SyncConfig) -> None:
        self._config = config
        self._queue: queue.Queue[mqtt.Happening | Ring] = queue.Queue()
        self._store = SyncStore(config.paths.state)
        self._outbox = Outbox(config.paths.journal)
        self._versions = versions()
        keys = TrustKeys(self._outbox.trust, self._outbox.status)
        self._uplink = Uplink(config, self._outbox, self._store, keys, self._versions)
        self._downlink = Downlink(config.station, self._store, self._acknowledged)
        self._renewal = Renewal(config, self.wake)
        self._leftovers = Leftovers(config, self._outbox, self._store, keys)
        self._answers = AnswerDesk(
            self._outbox,
            self._store,
            self._uplink.resend,
            lambda: self._uplink.greet_again(time.monotonic()),
            self.wake,
        )
        home = HomeAssistant(config, self._outbox, self._versions["gate-sync"])
        self._home = home if config.home_assistant.enabled else None
        self._metrics = metrics.Endpoint(config.metrics, metrics.station_registry(config, self._counts))
        self._rang = threading.Event()
        self._doorbell = Doorbell(config.paths.run, self._on_ring)
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._link: mqtt.Link | None = None
        self._online, self._was_online, self._out_of_date = False, False, False
        # After a power cut of the whole town all stations start at once, so the first try is spread too, once known.
        known = self._store.spread_s() or 0.0
        self._connect_at, self._attempts = time.monotonic() + self._random.uniform(0, known), 0
        self._tele_at = 0.0
        self._error, self._shown = "not connected yet", (True, "")
        self._store_fault = False

    def wake(self) -> None:
        """Let the loop look up at once; for signal handlers and other threads."""
        self._queue.put(Ring())

    def _on_ring(self) -> None:
        if not self._rang.is_set():  # many rings between two looks are one
            self._rang.set()
            self.wake()

    def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Work until `stop` is set (and `wake` called); `ready` is called once the loop runs, connected or not."""
        ready()
        try:
            while not stop.is_set():
                well = self._work()
                notify("WATCHDOG=1")
                self._handle_all(self._timeout() if well else self._config.timers.poll_s)
        finally:
            self._goodbye()

    def _work(self) -> bool:
        now = time.monotonic()
        self._rang.clear()
        if self._link is None and now >= self._connect_at:
            self._connect()
        renewed = self._renewal.look(now, online=self._online, out_of_date=self._out_of_date)
        if renewed and self._link is not None:
            self._link.close(0)  # the next connection shows the new certificate
        if self._online and now >= self._tele_at:
            self._tele_at = now + self._config.timers.tele_s
            self._send_tele()
        try:
            well = self._uplink.work(now)
            self._uplink.save()
            self._show_link()
            self._answers.work(now)
            if self._home is not None:
                self._home.work(now, Figures(self._uplink.is_heard, self._uplink.queue))
            if self._uplink.is_drained:
                self._leftovers.work(now)
        except JournalError:
            return False  # said once by the uplink
        except apsw.Error as error:
            self._store_failed(error)
            return False
        if self._store_fault:
            self._store_fault = False
            log.info("%s can be written again", self._store.path)
        return well

    def _timeout(self) -> float:
        """Return how long to wait for something to happen: until the next deadline, at most until the next poll."""
        now = time.monotonic()
        times = [now + self._config.timers.poll_s]
        if self._link is None:
            times.append(self._connect_at)
        old = self._leftovers.deadline() if self._uplink.is_drained else None
        home = self._home.deadline() if self._home is not None else None
        dues = (self._uplink.deadline(now), self._answers.deadline(), old, home)
        times += [due for due in dues if due is not None]
        return max(0.0, min(times) - now)

    def _handle_all(self, timeout_s: float) -> None:
        try:
            happening = self._queue.get(timeout=timeout_s)
            for _ in range(MOST_AT_ONCE):
                self._handle(happening)
                happening = self._queue.get_nowait()
        except queue.Empty:
            return

    def _handle(self, happening: mqtt.Happening | Ring) -> None:
        if isinstance(happening, Ring) or happening.link is not self._link:
            return  # a ring has done its work by waking the loop; a link of before has nothing more to say
        match happening:
            case mqtt.Up():
                self._on_up(happening.link)
            case mqtt.Down():
                self._out_of_date |= happening.out_of_date  # until a connection stands: the next try may fail otherwise
                self._on_down(happening.reason)
            case mqtt.Published():
                self._uplink.published(happening.mid, happening.reason, time.monotonic())
                self._leftovers.published(happening.mid, time.monotonic())
                self._answer_published(happening)
            case mqtt.Subscribed():
                if happening.refused:
                    self._error = f"the broker refused a subscription ({happening.refused}); check its access list"
                    log.error("%s", self._error)
            case mqtt.Received():
                self._on_message(happening)

    # --- the connection ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        station = self._config.station.id
        will = mqtt.Will(
            wire.up(station, "state"), wire.encode(wire.State(state="offline")), wire.JSON_TYPE, WILL_DELAY_S
        )
        settings = mqtt.Settings(
            client_id=station,
            broker=self._config.broker,
            clean_start=False,
            session_expiry_s=SESSION_EXPIRY_S,
            receive_maximum=100,
            max_packet=MAX_PACKET,
            will=will,
        )
        self._link = mqtt.Link(settings, self._queue.put)
        self._link.start()

    def _on_up(self, link: mqtt.Link) -> None:
        broker = self._config.broker
        log.info("connected to %s:%d", broker.host, broker.port)
        self._online, self._was_online, self._attempts, self._error = True, True, 0, ""
        self._out_of_date = False
        self._tele_at = time.monotonic()
        link.subscribe(self._downlink.filters(), as_published=True)  # a command published as retained is refused
        self._send_state(link, wire.State(state="online"))
        self._uplink.connected(self._publish, time.monotonic())
        self._leftovers.connected(self._publish, time.monotonic())
        self._answers.connected(self._publish)
        if self._home is not None:
            link.subscribe(self._home.filters())
            self._home.connected(lambda topic, payload: link.publish(topic, payload, retain=True), time.monotonic())

    def _on_down(self, reason: str) -> None:
        broker, timers = self._config.broker, self._config.timers
        if self._online or (self._attempts == 0 and not self._was_online):
            log.warning("no connection to %s:%d: %s; trying again", broker.host, broker.port, reason)
        # A broker that comes back must not meet all its stations at once: the first try is spread as central said.
        longest = 2.0 ** min(self._attempts, 16) if self._attempts else self._uplink.spread_s
        self._attempts += 1
        self._connect_at = time.monotonic() + self._random.uniform(0, min(longest, timers.reconnect_max_s))
        self._link, self._online, self._error = None, False, reason
        self._uplink.disconnected()
        self._leftovers.disconnected()
        self._answers.disconnected()
        if self._home is not None:
            self._home.disconnected()

    def _acknowledged(self, raw: bytes) -> None:
        now = time.monotonic()
        self._uplink.acknowledge(raw, now)
        self._leftovers.acknowledge(raw, now)

    def _publish(self, leaf: str, payload: bytes, content_type: str) -> int | None:
        if self._link is None:
            return None
        return self._link.publish(wire.up(self._config.station.id, leaf), payload, content_type=content_type)

    def _send_state(self, link: mqtt.Link, state: wire.State) -> int | None:
        topic = wire.up(self._config.station.id, "state")
        return link.publish(topic, wire.encode(state), retain=True, content_type=wire.JSON_TYPE)

    def _send_tele(self) -> None:
        documents = list[wire.DocumentMark]()
        with contextlib.suppress(JournalError):  # said once by the uplink
            documents = self._outbox.documents()
        days = days_left(self._config.broker.tls, time.time())
        tele = wire.Tele(queue=self._uplink.queue, versions=self._versions, documents=documents, certificate_days=days)
        if self._link is not None:
            topic = wire.up(self._config.station.id, "tele")
            self._link.publish(topic, wire.encode(tele), qos=0, content_type=wire.JSON_TYPE)

    def _answer_published(self, happening: mqtt.Published) -> None:
        try:
            self._answers.published(happening.mid, happening.reason, time.monotonic())
        except apsw.Error as error:
            self._store_failed(error)

    def _on_message(self, message: mqtt.Received) -> None:
        if self._home is not None and self._home.receive(message.topic, message.payload, time.monotonic()):
            return
        try:
            fresh = self._downlink.receive(
                message.topic, message.payload, retained=message.retained, answer=self._publish
            )
        except apsw.Error as error:
            self._store_failed(error)
            if self._link is not None:
                self._link.close(0)  # on the next connection the broker sends all retained documents again
            return
        if fresh:
            self._doorbell.ring_station()

    # --- what others see --------------------------------------------------------------------------------------------

    def _counts(self) -> metrics.Counts:
        """Return what the metrics tell; called from their threads, so nothing but numbers is touched."""
        up = self._uplink
        return metrics.Counts(self._online, up.batches, up.retransmitted, up.complaints.ignored.copy())

    def _show_link(self) -> None:
        shown = (self._online, self._uplink.blocked or self._error or self._uplink.trouble)
        if shown != self._shown:
            self._store.set_link(connected=shown[0], error=shown[1])
            self._shown = shown
            self._doorbell.ring_station()

    def _store_failed(self, error: apsw.Error) -> None:
        if not self._store_fault:
            self._store_fault = True
            log.error("%s cannot be written (%s): is the disk full? Nothing is lost meanwhile", self._store.path, error)

    def _goodbye(self) -> None:
        """Announce the death ourselves: after a clean goodbye the broker drops the will."""
        notify("STOPPING=1")
        if self._link is not None:
            if self._online:
                mid = self._send_state(self._link, wire.State(state="offline", clean=True))
                self._await_puback(mid, time.monotonic() + GOODBYE_S)
            self._link.close()
        self._online, self._error = False, "gate-sync was stopped"
        with contextlib.suppress(apsw.Error):
            self._uplink.save()
            self._show_link()
        self._doorbell.close()
        self._metrics.close()
        self._answers.close()
        self._leftovers.close()
        self._outbox.close()
        self._store.close()

    def _await_puback(self, mid: int | None, until: float) -> None:
        while mid is not None and (left := until - time.monotonic()) > 0:
            try:
                happening = self._queue.get(timeout=left)
            except queue.Empty:
                return
            self._handle(happening)
            if isinstance(happening, mqtt.Down) or (isinstance(happening, mqtt.Published) and happening.mid == mid):
                return
