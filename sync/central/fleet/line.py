"""One MQTT connection over a socket that somebody else watches: the same paho, settings and callbacks as sync.mqtt."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from socket import socket

from paho.mqtt.enums import MQTTErrorCode

from sync import mqtt

FINE = MQTTErrorCode.MQTT_ERR_SUCCESS


class Line(mqtt.Link):
    """A link without a thread. `sink` gets what a link tells; `Down` comes once, last."""

    def __init__(self, settings: mqtt.Settings, sink: mqtt.Sink, sock: socket, on_close: Callable[[], None]) -> None:
        """`sock`: connected and not blocking; `on_close`: called just before it is closed."""
        # Not the one of Link: it makes a thread and two more sockets, too many for thousands of stations.
        self._settings, self._sink = settings, sink
        self._reason, self._closing, self._over = "", False, False
        self._sock = sock
        self._client = self._make_client()
        self._client.on_socket_register_write = lambda *_: None  # `flush` writes
        self._client.on_socket_close = lambda *_: on_close()
        self._client._create_socket = lambda: sock  # type: ignore[method-assign]  # noqa: SLF001 - no other way

    def begin(self) -> None:
        """Send CONNECT. `Up` or `Down` follows."""
        self._connect()
        self.flush()

    def read(self) -> None:
        """Read what has come."""
        self._judge(self._client.loop_read())
        while not self._over and isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            self._judge(self._client.loop_read())

    def flush(self) -> bool:
        """Write what the socket takes; say whether something is left to write."""
        if not self._over and self._client.want_write():
            self._judge(self._client.loop_write())
        return not self._over and bool(self._client.want_write())

    def tick(self) -> None:
        """Look after keep-alive; to be called some times in each keep-alive interval."""
        self._judge(self._client.loop_misc())
        self.flush()

    def end(self, reason: str) -> None:
        """Close the socket without a goodbye, as a power cut does."""
        self._reason = self._reason or reason
        self._client._sock_close()  # noqa: SLF001 - its `disconnect` would say goodbye
        self._judge(MQTTErrorCode.MQTT_ERR_CONN_LOST)

    def close(self, timeout_s: float = 0.0) -> None:  # noqa: ARG002 - nothing to wait for
        """Say goodbye."""
        self._closing = True
        self._client.disconnect()
        self.flush()
        self.end("closed")

    def _judge(self, rc: MQTTErrorCode) -> None:
        if self._over or (rc == FINE and self._client.socket() is not None):
            return
        self._over = True
        self._sink(mqtt.Down(self, self._reason or "the connection was lost"))
