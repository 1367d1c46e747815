"""How central speaks HTTP: small pages and endpoints over uvicorn that say nothing about themselves and log nothing."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import uvicorn

BACKLOG = 256


class AddressError(OSError):
    """An address cannot be listened on. The message says which, why, and what to do."""


def settings(application: Any, **more: Any) -> uvicorn.Config:
    """Return the settings of a server for an ASGI application. `more`: further ones of uvicorn."""
    return uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        lifespan="off",
        http="h11",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=2,
        **more,
    )


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address; `port` 0: any free one. Raises AddressError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        remedy = "stop what listens there (ss -ltnp), or name another host or port"
        raise AddressError(f"{host} port {port} cannot be listened on ({error}); {remedy}") from error


def address(scheme: str, host: str, listener: socket.socket) -> str:
    """Return the URL under which a listener is found."""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{listener.getsockname()[1]}/"


def run(server: uvicorn.Config, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(server).run(sockets=[listener])
