"""One MQTT 5 connection, from attempt to end, over paho. A new connection is a new Link: no state is carried over.

paho's own network thread dies silently when anything raises inside it while `is_connected()` stays true. So the loop is
run here, over paho's interface for external event loops, and whatever ends it is reported as `Down`, exactly once.
All callbacks only hand a value to `sink`.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import MQTT_LOG_ERR, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from sync.config import BrokerConfig, TlsConfig
from sync.known_time import clock_is_lost, without_dates

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
MAX_UNPUBACKED = 10
"""paho cannot take up the broker's receive maximum, so it must be the smallest usual one (HiveMQ 10, Mosquitto 20)."""
SUBSCRIPTION_FAILED = 0x80
NOT_YET_VALID = 9
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID."""
EXPIRED = "CERTIFICATE_EXPIRED"
"""The broker's word (TLS alert 45) for a certificate of ours that has ended."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection is lost; `delay_s` after it."""

    topic: str
    payload: bytes
    content_type: str
    delay_s: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect."""

    client_id: str
    broker: BrokerConfig
    clean_start: bool
    session_expiry_s: int
    receive_maximum: int
    max_packet: int
    manual_ack: bool = False
    will: Will | None = None


@dataclass(frozen=True, slots=True)
class Up:
    """The broker has accepted the connection."""

    link: Link


@dataclass(frozen=True, slots=True)
class Down:
    """The connection has ended or never came about. The last thing a Link ever says.

    `out_of_date`: as it would be if this clock is behind: our certificate has ended, or the broker's has not begun.
    """

    link: Link
    reason: str
    out_of_date: bool = False


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has answered a subscription; `refused` is empty where it granted everything."""

    link: Link
    refused: str


@dataclass(frozen=True, slots=True)
class Published:
    """PUBACK of a message sent with QoS 1; `reason`: MQTT 5, 3.4.2.1."""

    link: Link
    mid: int
    reason: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker."""

    link: Link
    topic: str
    payload: bytes
    content_type: str
    qos: int
    mid: int
    retained: bool


Happening = Up | Down | Subscribed | Published | Received
Sink = Callable[[Any], None]


def tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return the context of mutual TLS. Raises OSError (ssl.SSLError among them) where a file cannot be used."""
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if clock_is_lost(tls.cert):
        without_dates(context)
    context.load_cert_chain(str(tls.cert), str(tls.key))
    return context


def _properties(kind: int, **values: object) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Link:
    """One connection. Methods may be called from one thread other than the network thread; none of them raises."""

    def __init__(self, settings: Settings, sink: Sink) -> None:
        self._settings, self._sink = settings, sink
        self._reason, self._out_of_date = "", False
        self._closing = False
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{settings.client_id}", daemon=True)

    def start(self) -> None:
        """Begin to connect. `Up` or `Down` follows."""
        self._thread.start()

    def subscribe(self, filters: Iterable[str], qos: int = 1, *, as_published: bool = False) -> None:
        """Subscribe; `Subscribed` follows. `as_published`: messages tell whether they were published as retained."""
        options = SubscribeOptions(qos=qos, retainAsPublished=as_published)
        self._client.subscribe([(topic, options) for topic in filters])

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        content_type: str = "",
        expiry_s: int | None = None,
    ) -> int | None:
        """Send a message. Returns its id, None where there is no connection. `expiry_s`: until the broker drops it."""
        values = dict[str, object]({"ContentType": content_type} if content_type else {})
        if expiry_s is not None:
            values["MessageExpiryInterval"] = expiry_s
        properties = _properties(PacketTypes.PUBLISH, **values)
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def acknowledge(self, message: Received) -> None:
        """Send the PUBACK of a message received with manual acknowledgement."""
        if message.link is self and message.qos:
            self._client.ack(message.mid, message.qos)

    def close(self, timeout_s: float = 2.0) -> None:
        """Say goodbye, so that the broker drops the will, and wait until the network thread has ended."""
        self._closing = True
        self._client.disconnect()
        self._wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=self._settings.manual_ack,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = MAX_UNPUBACKED
        client.on_connect = self._on_connect
        client.on_log = self._on_log
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        client.on_socket_register_write = lambda *_: self._wake()
        if will := self._settings.will:
            properties = _properties(
                PacketTypes.WILLMESSAGE, WillDelayInterval=will.delay_s, ContentType=will.content_type
            )
            client.will_set(will.topic, will.payload, qos=1, retain=True, properties=properties)
        return client

    def _run(self) -> None:
        try:
            self._connect()
            if not self._closing:
                self._loop()
        except Exception as error:  # noqa: BLE001 - whatever a broker or resolver provokes in paho ends only this link
            self._out_of_date |= getattr(error, "verify_code", 0) == NOT_YET_VALID or EXPIRED in str(error)
            self._reason = self._reason or f"{type(error).__name__}: {error}"
        finally:
            with contextlib.suppress(Exception):
                if sock := self._client.socket():
                    sock.close()
            self._wake_in.close()
            self._wake_out.close()
            self._sink(Down(self, self._reason or "the connection was lost", self._out_of_date))

    def _connect(self) -> None:
        settings, broker = self._settings, self._settings.broker
        if broker.tls:
            self._client.tls_set_context(tls_context(broker.tls))
        properties = _properties(
            PacketTypes.CONNECT,
            SessionExpiryInterval=settings.session_expiry_s,
            ReceiveMaximum=settings.receive_maximum,
            MaximumPacketSize=settings.max_packet,
        )
        self._client.connect(
            broker.host, broker.port, broker.keepalive, clean_start=settings.clean_start, properties=properties
        )

    def _loop(self) -> None:
        started, rc = time.monotonic(), MQTTErrorCode.MQTT_ERR_SUCCESS
        while rc == MQTTErrorCode.MQTT_ERR_SUCCESS and (sock := self._client.socket()) is not None:
            pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            writing = [sock] if self._client.want_write() else []
            readable, writable, _ = select.select([sock, self._wake_in], writing, [], 0 if pending else 1.0)
            if self._wake_in in readable:
                self._drain_wake()
            if pending or sock in readable:
                rc = self._client.loop_read()
            if rc == MQTTErrorCode.MQTT_ERR_SUCCESS and (writable or self._client.want_write()):
                rc = self._client.loop_write()
            if rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                rc = self._client.loop_misc()
            if not self._client.is_connected() and not self._closing and time.monotonic() - started > CONNECT_TIMEOUT_S:
                raise TimeoutError("the broker accepted the connection but did not answer")

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: the link has ended
            self._wake_out.send(b"\0")

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_in.recv(4096):
                pass

    def _on_log(self, _client: Client, _userdata: Any, level: int, text: str) -> None:
        """Hear why the broker ended the handshake: paho tells it nowhere else. Only until the connection stands."""
        if level == MQTT_LOG_ERR and not self._reason:
            self._reason, self._out_of_date = text, EXPIRED in text

    def _on_connect(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._client.on_log = None
        if reason.is_failure:
            self._reason = f"the broker refused the connection: {reason}"
            return
        self._sink(Up(self))

    def _on_disconnect(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._reason = self._reason or f"disconnected: {reason}"

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        content_type = getattr(message.properties, "ContentType", "")
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._sink(
            Received(self, topic, bytes(message.payload), content_type, message.qos, message.mid, message.retain)
        )

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._sink(Published(self, mid, reason.value))

    def _on_subscribe(self, _client: Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = ", ".join(str(code) for code in reasons if code.value >= SUBSCRIPTION_FAILED)
        self._sink(Subscribed(self, refused))

    @staticmethod
    def _on_socket_open(_client: Client, _userdata: Any, sock: Any) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
