"""Our collector over a session that is already full: `gate-central serve` as it is, but for that session."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from sync import mqtt
from sync.central import serve
from sync.central.config import load
from sync.central.inbound import Inbound
from tests.sync_bench.feed import CLIENT, SESSION_S


class _Kept(serve._Server):
    """A server that takes up a session, and says when the messages expected are committed and acknowledged."""

    expected = 0
    flushed = 0

    def _connect(self) -> None:
        collector = self._config.collector
        settings = mqtt.Settings(
            client_id=CLIENT,
            broker=self._config.broker,
            clean_start=False,
            session_expiry_s=SESSION_S,
            receive_maximum=collector.receive_maximum,
            max_packet=serve.MAX_PACKET,
            manual_ack=True,
        )
        self._link = mqtt.Link(settings, self._put)
        self._link.start()

    def _flush(self, messages: list[Inbound], link: mqtt.Link) -> None:
        super()._flush(messages, link)
        self.flushed += len(messages)
        if self.flushed >= self.expected:
            print("done", flush=True)


def main() -> None:
    """Arguments: configuration, number of messages."""
    config = load(Path(sys.argv[1]))
    stop = threading.Event()
    server = _Kept(config, serve.read_keys(config), threading.Event(), lambda: None)
    server.expected = int(sys.argv[2])
    threading.Thread(target=_command, args=(server, stop), daemon=True).start()
    stop.wait()


def _command(server: _Kept, stop: threading.Event) -> None:
    """Begin at one line, end at another; whatever ends the server before, this process ends with it."""

    def work() -> None:
        try:
            server.run()
        finally:
            stop.set()

    print("ready", flush=True)
    sys.stdin.readline()
    threading.Thread(target=work, daemon=True).start()
    sys.stdin.readline()
    server._stop.set()


if __name__ == "__main__":
    main()
