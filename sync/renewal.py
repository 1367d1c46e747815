"""Renews the station's certificate: at two thirds of its life, or when it has ended, by proof of the key in use.

A clock that is behind shows neither the end of this certificate nor, perhaps, that it is behind: known_time.py sees
only what is earlier than the certificate. So where the broker and this end find each other's certificates out of date,
it is renewed after a while in any case; the next one begins later than the clock, which proves the clock lost.

A clock that is wrong must not renew without end: each answer tells central's time, by which alone is judged from then
on, and after a renewal there is a rest.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from sync import enrolment_wire as wire
from sync.config import SyncConfig, TlsConfig
from sync.enrolment import read_certificate
from sync.enrolment_client import Endpoint, EndpointError, RefusedError
from sync.identity import Identity, IdentityError, IdentityFolder, Where, signing_request

log = logging.getLogger(__name__)

RENEW_AT = 2 / 3
"""Of a certificate's life."""
LOOK_S, RETRY_MIN_S, RETRY_MAX_S = 60.0, 60.0, 3600.0
REST_S = 6 * 3600.0
"""After a renewal nothing is renewed for so long, whatever the clock says."""
LOST_WAIT_S = 600.0
"""A station whose clock is lost renews when it has been offline for so long: its certificate may have ended unseen."""
DAY_S = 86_400


def days_left(tls: TlsConfig | None, now_s: float) -> int | None:
    """Return how many whole days this end's certificate is still good, negative after its end; None without one."""
    try:
        ends = x509.load_pem_x509_certificate(tls.cert.read_bytes()).not_valid_after_utc if tls else None
    except (OSError, ValueError):
        return None
    return None if ends is None else int((ends.timestamp() - now_s) // DAY_S)


def renew(folder: IdentityFolder) -> tuple[Identity, int]:
    """Get the next certificate for a new key and put both into use; return them, and central's time (Unix seconds).

    Cut off at any point, it can be run again. Raises EndpointError, RefusedError, IdentityError.
    """
    with folder.locked():
        before = folder.load()
        if before is None:
            raise IdentityError(f"{folder.current} does not exist; enrol the station: gate-sync enrol")
        endpoint, authority = Endpoint.parse(before.where.url), before.authority
        key = folder.next_key()
        request = signing_request(key)
        challenge = endpoint.ask(authority, wire.CHALLENGE, None, wire.Challenge).challenge
        signed = wire.to_sign(bytes.fromhex(challenge), request.public_bytes(Encoding.DER))
        asked = wire.Renew(
            certificate=before.certificate.public_bytes(Encoding.PEM).decode(),
            csr=request.public_bytes(Encoding.PEM).decode(),
            challenge=challenge,
            signature=before.key.sign(signed, ec.ECDSA(hashes.SHA256())).hex(),
        )
        granted = endpoint.ask(authority, wire.RENEW, asked, wire.Granted)
        certificate = read_certificate(granted, before.where.url)
        after = Identity(key, certificate, authority, before.roots, Where(before.where.url, granted.zone))
        if after.station != before.station:
            raise EndpointError(f"{before.where.url}: the certificate is for {after.station!r}, not {before.station}")
        folder.adopt(after)
    return after, granted.time_s


def due(certificate: x509.Certificate, now_s: float) -> bool:
    """Say whether a certificate has lived two thirds of its life. `now_s`: Unix seconds."""
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return now_s >= begins + RENEW_AT * (ends - begins)


class Renewal:
    """Looks once a minute whether it is time; the network is used by a thread of its own. For one thread."""

    def __init__(self, config: SyncConfig, wake: Callable[[], None], clock: Callable[[], float] = time.time) -> None:
        """`wake`: called from the other thread when something has happened; `clock`: Unix seconds."""
        tls = config.broker.tls
        self._folder = IdentityFolder(config.paths.state)
        self._ours = tls is not None and tls.cert.parent == self._folder.current
        self._wake, self._clock = wake, clock
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        self._thread: threading.Thread | None = None
        self._renewed, self._said = threading.Event(), ""
        self._look_at, self._failures = 0.0, 0
        self._offline_since: float | None = None
        self._told: tuple[float, int] | None = None
        """When central told its time last (monotonic seconds), and what it was."""

    def look(self, now: float, *, online: bool, out_of_date: bool = False) -> bool:
        """Renew where it is time. Says yes once when a new certificate is in use: then the link must be made anew.

        `now`: monotonic seconds; `out_of_date`: a connection has failed because of a certificate's dates. Never raises;
        failures are logged and tried again.
        """
        if not self._ours:
            return False
        if online or self._offline_since is None:
            self._offline_since = now
        if self._renewed.is_set():
            self._renewed.clear()
            self._look_at = now + REST_S
            return True
        if now >= self._look_at and (self._thread is None or not self._thread.is_alive()):
            self._look_at = now + LOOK_S
            if self._is_due(now, now - self._offline_since, out_of_date=out_of_date):
                self._look_at = now + self._pause()
                self._thread = threading.Thread(target=self._try, args=(now,), name="renewal", daemon=True)
                self._thread.start()
        return False

    def _is_due(self, now: float, offline_s: float, *, out_of_date: bool) -> bool:
        try:
            identity = self._folder.load()
        except IdentityError as error:
            self._say(str(error))
            return False
        if identity is None:
            return False
        now_s = self._clock() if self._told is None else self._told[1] + now - self._told[0]
        behind = out_of_date or now_s < identity.certificate.not_valid_before_utc.timestamp()
        return (behind and offline_s >= LOST_WAIT_S) or due(identity.certificate, now_s)

    def _pause(self) -> float:
        """Return how long to wait before the next try, should this one fail: many stations are due on one day."""
        longest = min(RETRY_MAX_S, RETRY_MIN_S * 2.0 ** min(self._failures, 16))
        return self._random.uniform(RETRY_MIN_S / 2, longest)

    def _try(self, now: float) -> None:
        try:
            identity, told_s = renew(self._folder)
        except (EndpointError, RefusedError, IdentityError) as error:
            self._failures += 1
            self._say(str(error))
        except Exception as error:  # noqa: BLE001 - a failed renewal must not end anything else
            self._failures += 1
            self._say(f"{type(error).__name__}: {error}")
        else:
            self._failures, self._said, self._told = 0, "", (now, told_s)
            log.info("the certificate was renewed; it is good until %s", identity.certificate.not_valid_after_utc)
            self._renewed.set()
            self._wake()

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            log.error("the certificate cannot be renewed: %s", what)


def describe(state: Path, tls: TlsConfig | None, now_s: float) -> str:
    """Return a line about this end's certificate, for people; empty without one."""
    days = days_left(tls, now_s)
    if days is None:
        return "" if tls is None else f"certificate: {tls.cert} cannot be read; enrol the station, or mend [broker.tls]"
    ours = tls is not None and tls.cert.parent == IdentityFolder(state).current
    how = "renewed by itself" if ours else "to be replaced by hand"
    return (
        f"certificate: good for {days} more days, {how}" if days >= 0 else f"certificate: ended {-days} days ago, {how}"
    )
