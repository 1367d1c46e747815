"""The server's main loop: one thread connects, collects and publishes. Any number of these may run side by side."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sync import mqtt, wire
from sync.central.beacon import Beacon
from sync.central.collector import FILTERS, MOST_PER_FLUSH, Collector
from sync.central.command_room import ANSWERS, CommandRoom, is_answer
from sync.central.command_table import CommandTable
from sync.central.config import CentralConfig, KeyConfig
from sync.central.inbound import Inbound, read
from sync.central.keyfiles import SigningKey
from sync.central.metrics import CentralMetrics
from sync.central.publisher import Publisher
from sync.central.site_desk import SiteDesk
from sync.central.site_round import SiteRound
from sync.central.store import Store
from sync.config import ConfigError
from sync.notify import notify

log = logging.getLogger(__name__)

MAX_PACKET = 2 << 20
LOOK_S = 0.25
PARTITIONS_S = 6 * 3600
"""How often the tables' partitions for the coming months are looked after."""
MOST_UNACKNOWLEDGED = 2000
"""Health, which comes with QoS 0, is dropped beyond this; all else has QoS 1, which the receive maximum holds back."""
MOST_AT_ONCE = 2 * MOST_PER_FLUSH
"""Happenings between two flushes: batches, PUBACKs of acknowledgements, answers (each a transaction of its own)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What central signs with: `ack` acknowledgements and notices, `time` the time."""

    ack: SigningKey
    time: SigningKey


def read_keys(config: CentralConfig) -> Keys:
    """Return the keys that sign messages to stations. Raises ConfigError."""
    ack = _read_key(config.ack, "ack")
    return Keys(ack, _read_key(config.time, "time") if config.time else ack)


def _read_key(config: KeyConfig, where: str) -> SigningKey:
    try:
        key = load_pem_private_key(config.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        msg = f"{config.key}: cannot be used ({error}) - at `$.{where}.key`; it must be a PEM file without a password"
        raise ConfigError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{config.key}: not an Ed25519 key - at `$.{where}.key`; name one that gate-central keys issuer has made"
        raise ConfigError(msg)
    return SigningKey(bytes.fromhex(config.kid), key)


def _prepare_directory(url: str, state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def run(config: CentralConfig, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Collect and publish until `stop` is set. `ready` is called once, when the subscriptions stand for the first time.

    Raises ConfigError where the key cannot be used or a directory cannot be made; broker and database may come and go.
    """
    try:
        _prepare_directory(config.database.url, config.paths.state)
    except OSError as error:
        msg = (
            f"{config.paths.state}: cannot be made ({error}) - at `$.paths.state`; name a directory that can be written"
        )
        raise ConfigError(msg) from error
    _Server(config, read_keys(config), stop, ready).run()


class _Server:
    """The loop's state."""

    def __init__(self, config: CentralConfig, keys: Keys, stop: threading.Event, ready: Callable[[], None]) -> None:
        self._config, self._stop, self._ready = config, stop, ready
        self._queue: queue.Queue[mqtt.Happening | Inbound] = queue.Queue()
        self._store = Store(config.database.url, [station for site in config.site for station in site.stations])
        self._metrics = CentralMetrics(config.metrics, config.database.url)
        self._sites = SiteDesk(config.site, self._store, keys.ack)
        self._site_round = SiteRound(self._sites, config.timers.sites_s)
        self._collector = Collector(
            self._store,
            lambda ack: wire.seal_ack(ack, keys.ack.kid, keys.ack.private),
            credit=config.collector.credit,
            retry_ms=round(config.collector.spread_s * 1000),
            beacon=Beacon(keys.time),
            sites=self._sites,
            figures=self._metrics.figures,
        )
        self._publisher = Publisher(self._store)
        commands = CommandTable(config.database.url)
        for database in (self._store, commands):
            database.give_way()
        self._commands = CommandRoom(commands)
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._link: mqtt.Link | None = None
        self._online, self._is_ready, self._broker_fault = False, False, False
        self._connect_at, self._attempts, self._publish_at = 0.0, 0, 0.0
        self._partitions_at = time.monotonic() + PARTITIONS_S  # opening the store has just done it

    def run(self) -> None:
        """Work until told to stop."""
        try:
            self._patiently(self._store.open)
            while not self._stop.is_set():
                self._step()
        finally:
            notify("STOPPING=1")
            if self._link is not None:
                self._link.close()
            self._metrics.close()
            self._commands.close()
            self._store.close()

    def _step(self) -> None:
        notify("WATCHDOG=1")
        now = time.monotonic()
        if self._link is None and now >= self._connect_at:
            self._connect()
        messages = list[Inbound]()
        with contextlib.suppress(queue.Empty):
            for taken in range(MOST_AT_ONCE):
                happening = self._queue.get(block=not taken, timeout=LOOK_S)
                if happening.link is self._link:
                    self._sort(happening, messages)
                if len(messages) >= MOST_PER_FLUSH:
                    break
        if messages and self._link is not None:  # those of a session that has just ended are sent again
            self._flush(messages, self._link)
        if time.monotonic() >= self._partitions_at:
            self._partitions_at = time.monotonic() + PARTITIONS_S
            self._patiently(self._keep_partitions)
        if self._online and time.monotonic() >= self._publish_at:
            self._publish_at = time.monotonic() + self._config.timers.publish_poll_s
            self._patiently(lambda: self._publisher.look(self._publish_retained))
        if self._online:
            self._patiently(lambda: self._commands.look(self._publish_command, time.monotonic()))
        if self._online:
            self._patiently(lambda: self._site_round.look(self._publish_notice, time.monotonic()))

    def _keep_partitions(self) -> None:
        if made := self._store.keep_partitions():
            log.info("new partitions: %s", ", ".join(made))

    def _sort(self, happening: mqtt.Happening | Inbound, messages: list[Inbound]) -> None:
        match happening:
            case Inbound():
                messages.append(happening)
            case mqtt.Received():
                if self._patiently(lambda: self._commands.take(happening)):
                    happening.link.acknowledge(happening)
            case mqtt.Up():
                self._on_up(happening.link)
            case mqtt.Down():
                self._on_down(happening.reason)
            case mqtt.Subscribed():
                self._on_subscribed(happening.refused)
            case mqtt.Published():
                self._patiently(lambda: self._publisher.published(happening.mid, happening.reason))
                self._patiently(lambda: self._commands.published(happening.mid, happening.reason))
                self._site_round.published(happening.mid)

    def _flush(self, messages: list[Inbound], link: mqtt.Link) -> None:
        def send(topic: str, payload: bytes) -> None:
            link.publish(topic, payload, content_type=wire.SIGNED_TYPE)

        if self._patiently(lambda: self._collector.flush(messages, send)):
            for one in messages:
                link.acknowledge(one.message)

    def _patiently(self, work: Callable[[], None]) -> bool:
        """Do something with the database, again and again until it works. Says False only when told to stop.

        Where that takes long, the broker is left: batches given to this collector would wait here, while another one,
        or nobody ("no matching subscribers", on which stations pause), would answer them sooner.
        """
        wait, timers = 0.1, self._config.timers
        failed, leave_at = False, time.monotonic() + timers.database_leave_s
        while not self._stop.is_set():
            try:
                work()
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                if not failed:
                    log.error("the database cannot be used (%s); nothing is acknowledged until it can", error)  # noqa: TRY400
                failed = True
                notify("WATCHDOG=1")
                self._stop.wait(self._random.uniform(wait / 2, wait))
                wait = min(wait * 2, timers.database_retry_max_s)
                if self._link is not None and time.monotonic() >= leave_at:
                    self._leave(self._link)
            else:
                if failed:
                    log.info("the database can be used again")
                return True
        return False

    # --- the connection ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        settings = mqtt.Settings(
            client_id=self._config.collector.id,
            broker=self._config.broker,
            # A dead member with a persistent session would go on absorbing its share of the batches.
            clean_start=True,
            session_expiry_s=0,
            receive_maximum=self._config.collector.receive_maximum,
            max_packet=MAX_PACKET,
            manual_ack=True,
        )
        self._link = mqtt.Link(settings, self._put)
        self._link.start()

    def _leave(self, link: mqtt.Link) -> None:
        log.warning("leaving the broker until the database can be used again")
        link.close()
        self._link, self._online, self._connect_at = None, False, time.monotonic()

    def _put(self, happening: mqtt.Happening) -> None:
        """Take what the network's thread has; stations' messages are read here, while the worker may be committing."""
        if not isinstance(happening, mqtt.Received):
            self._queue.put(happening)
        elif not happening.qos and not happening.topic.endswith("/up/tele"):
            self._metrics.figures.rejected("qos")
        elif is_answer(happening):
            self._queue.put(happening)
        elif happening.qos or self._queue.qsize() < MOST_UNACKNOWLEDGED:
            self._queue.put(read(happening))

    def _on_up(self, link: mqtt.Link) -> None:
        self._online, self._attempts, self._publish_at = True, 0, 0.0
        self._publisher.connected()
        self._sites.connected()
        self._site_round.connected()
        self._commands.connected()
        link.subscribe((*FILTERS, ANSWERS))

    def _on_subscribed(self, refused: str) -> None:
        if refused:
            log.error("the broker refused a subscription (%s); give this collector its access list", refused)
            return
        self._broker_fault = False
        log.info("collecting from %s:%d", self._config.broker.host, self._config.broker.port)
        if not self._is_ready:
            self._is_ready = True
            self._ready()

    def _on_down(self, reason: str) -> None:
        if not self._broker_fault:
            self._broker_fault = True
            broker = self._config.broker
            log.warning("no connection to %s:%d: %s; trying again", broker.host, broker.port, reason)
        most = self._config.timers.reconnect_max_s
        self._connect_at = time.monotonic() + self._random.uniform(0, min(most, 0.5 * 2.0 ** min(self._attempts, 16)))
        self._attempts += 1
        self._link, self._online = None, False

    def _publish_command(self, topic: str, payload: bytes, expiry_s: int) -> int | None:
        link = self._link
        return link.publish(topic, payload, content_type=wire.SIGNED_TYPE, expiry_s=expiry_s) if link else None

    def _publish_notice(self, topic: str, payload: bytes) -> int | None:
        return self._link.publish(topic, payload, content_type=wire.SIGNED_TYPE) if self._link is not None else None

    def _publish_retained(self, topic: str, payload: bytes) -> int | None:
        return self._link.publish(topic, payload, retain=True) if self._link is not None else None
