"""The station's side of the enrolment endpoint: HTTPS with the standard library, strict about size, form and time."""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sync import enrolment_wire as wire
from sync.known_time import without_dates

TIMEOUT_S = 20.0

M = TypeVar("M", bound=wire.Message)


class EndpointError(Exception):
    """The endpoint could not be reached or made no sense. The message says what to look at."""


class RefusedError(Exception):
    """Central says no. `reason`: a word for machines; the message is for people."""

    def __init__(self, refusal: wire.Refusal) -> None:
        super().__init__(refusal.say)
        self.reason = refusal.reason


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where it is."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read https://HOST[:PORT]. Raises EndpointError."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port or 443
        except ValueError as error:
            raise EndpointError(f"{url}: no address ({error}); write https://HOST:PORT") from error
        if parts.scheme != "https" or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise EndpointError(f"{url}: write https://HOST:PORT, nothing more")
        return cls(host, port)

    def unverified(self) -> wire.Anchor:
        """Fetch what has to be held against a code before anything else. Raises EndpointError, RefusedError."""
        context = _context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return self._ask(context, "GET", wire.ANCHOR, b"", wire.Anchor)

    def ask(
        self,
        authority: x509.Certificate,
        path: str,
        message: wire.Message | None,
        kind: type[M],
        at_s: float | None = None,
    ) -> M:
        """Post a message, `None`: an empty one, to the endpoint that `authority` vouches for; return the answer.

        `at_s`: the time (Unix seconds) at which its certificate must be good; None: its dates are not looked at, for a
        question without secrets from a machine whose clock may be wrong. Raises EndpointError, RefusedError.
        """
        context = _context()
        context.load_verify_locations(cadata=authority.public_bytes(Encoding.PEM).decode())
        without_dates(context)  # the system's clock is not to be asked; _check_dates does it with the given time
        return self._ask(context, "POST", path, wire.encode(message) if message else b"", kind, at_s)

    def _ask(
        self, context: ssl.SSLContext, method: str, path: str, body: bytes, kind: type[M], at_s: float | None = None
    ) -> M:
        where = f"https://{self.host}:{self.port}"
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=context)
        try:
            connection.connect()
            if at_s is not None:
                _check_dates(where, connection.sock.getpeercert(binary_form=True), at_s)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            raw, status = answer.read(wire.MAX_ANSWER + 1), answer.status
        except ssl.SSLCertVerificationError as error:
            todo = "is this the right address? Its certificate must be for it and from central's authority"
            raise EndpointError(f"{where}: not central ({error.verify_message}); {todo}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise EndpointError(f"{where}: no answer ({error}); check cable, address and port") from error
        finally:
            connection.close()
        return _read(where, status, raw, kind)


def _check_dates(where: str, der: object, at_s: float) -> None:
    certificate = x509.load_der_x509_certificate(der if isinstance(der, bytes) else b"")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins.timestamp() <= at_s <= ends.timestamp():
        raise EndpointError(f"{where}: its certificate is good from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, not today")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _read(where: str, status: int, raw: bytes, kind: type[M]) -> M:
    try:
        if status == http.client.OK:
            return wire.decode(raw, kind)  # one that is too long was cut off, and cannot be read either
        refusal = wire.decode(raw, wire.Refusal)
    except ValueError as error:
        todo = "is this the enrolment endpoint, and of this version?"
        raise EndpointError(f"{where}: an answer (status {status}) that cannot be read; {todo}") from error
    raise RefusedError(refusal)
