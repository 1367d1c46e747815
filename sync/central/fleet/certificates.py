"""The certificates of simulated stations, from a folder: ca.pem, and ID.pem and ID.key for each."""

from __future__ import annotations

import ssl
from pathlib import Path

from sync.config import TlsConfig
from sync.mqtt import tls_context


class Certificates:
    """Makes TLS contexts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def context(self, station: str) -> ssl.SSLContext:
        """Return the context of mutual TLS for a station. Raises OSError where a file cannot be used."""
        folder = self._folder
        return tls_context(
            TlsConfig(ca=folder / "ca.pem", cert=folder / f"{station}.pem", key=folder / f"{station}.key")
        )
