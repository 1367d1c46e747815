"""Tells systemd how the service does: the sd_notify(3) protocol, one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send one state ("READY=1", "WATCHDOG=1", "STATUS=..."); without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as datagrams, contextlib.suppress(OSError):
        datagrams.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
