"""Runs the guard screen in a thread of the station process: uvicorn on the configured address."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path

import uvicorn

from station.config import ScreenConfig
from station.guard_screen import Gate
from station.ports import DeviceFault
from station.screen.app import Application

MAX_CONNECTIONS = 64
STOP_S = 5.0
_BACKLOG = 64

_log = logging.getLogger(__name__)


class ScreenServer:
    """The screen of one station. `start` after `stop` or after its thread died works: it can be restarted alone."""

    def __init__(self, gate: Gate, config: ScreenConfig, guards_path: Path, live_page: str = "") -> None:
        """`live_page`: address of the phones' pass page (station.live_page); empty: numbers stand for themselves."""
        self._gate, self._config, self._guards_path, self._live_page = gate, config, guards_path, live_page
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._application: Application | None = None
        self.port = config.port
        """The real port once started, also where the configuration says 0."""

    @property
    def alive(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"http://{host}:{self.port}/"

    def start(self) -> None:
        """Bind the address and serve. Raises DeviceFault where the address cannot be had."""
        if self.alive:
            return
        listener = self._bind()
        self.port = listener.getsockname()[1]
        self._application = Application(self._gate, self._guards_path, live_page=self._live_page)
        server = _Server(
            uvicorn.Config(
                self._application.asgi(self._config.host),
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                lifespan="on",
                http="h11",
                ws="none",
                loop="asyncio",
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=2,
            ),
            self._application,
        )
        self._server = server
        self._thread = threading.Thread(target=_run, args=(server, listener), name="screen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every stream, close the socket and wait for the thread, at most 5 s. May be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_S)
            if self._thread.is_alive():
                _log.warning("the guard screen did not stop within %.0f s; it ends with the process", STOP_S)
        self._server = self._thread = None

    def _bind(self) -> socket.socket:
        host, port = self._config.host, self._config.port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except (OSError, OverflowError, UnicodeError) as error:
            remedy = "Stop what listens there (ss -ltnp) or set another host or port under [screen]."
            raise DeviceFault("screen", f"{host} port {port} cannot be listened on ({error})", remedy) from error


class _Server(uvicorn.Server):
    """uvicorn waits for open answers before it ends the lifespan; event streams must be told to end before that."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        self._application.screens.end()
        await super().shutdown(sockets)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    except (Exception, SystemExit):  # noqa: BLE001 - whatever happens to the screen, the gate goes on
        _log.exception("the guard screen's server failed; the station goes on without it until it is restarted")
    finally:
        with contextlib.suppress(OSError):
            listener.close()
