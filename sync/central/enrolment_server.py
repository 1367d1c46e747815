"""The HTTPS endpoint where stations get their certificates (sync/enrolment_wire.py). TLS 1.3, no client certificate."""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync import enrolment_wire as wire
from sync.central import authority, web
from sync.central.certificate_table import CertificateTable, RefusedError
from sync.central.config import EnrolmentConfig
from sync.central.enrolment_desk import Desk
from sync.central.keyfiles import KeyringError
from sync.central.rate import Rate
from sync.central.root_file import read_roots
from sync.config import ConfigError

log = logging.getLogger(__name__)

TOGETHER_PER_MINUTE = 1200
MOST_CONNECTIONS = 256
_STATUS = {"unknown-code": 403, "code-used": 409, "code-expired": 403, "other-station": 409, "revoked": 403}

M = TypeVar("M", bound=wire.Message)
Work = Callable[[M, dt.datetime], wire.Message]


class Endpoint:
    """The web application."""

    def __init__(self, desk: Desk, rate: Rate, clock: Callable[[], dt.datetime]) -> None:
        """`clock`: the time now, with a time zone."""
        self._desk, self._rate, self._clock = desk, rate, clock

    def application(self) -> Starlette:
        """Return it; there are four addresses and nothing else."""
        return Starlette(
            routes=[
                Route(wire.ANCHOR, self._anchor),
                Route(wire.CHALLENGE, self._challenge, methods=["POST"]),
                Route(wire.ENROL, self._taking(wire.Enrol, self._desk.enrol), methods=["POST"]),
                Route(wire.RENEW, self._taking(wire.Renew, self._desk.renew), methods=["POST"]),
            ]
        )

    async def _anchor(self, _request: Request) -> Response:
        return _answer(self._desk.anchor())

    async def _challenge(self, _request: Request) -> Response:
        return _answer(self._desk.challenge(self._clock()))

    def _taking(self, kind: type[M], work: Work[M]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if not self._rate.allows(request.client.host if request.client else ""):
                return _refusal(429, "too-many-tries", "too many tries; wait a minute, then try again")
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > wire.MAX_REQUEST:
                    return _refusal(413, "too-large", f"a request has at most {wire.MAX_REQUEST} bytes")
            try:
                asked = wire.decode(bytes(body), kind)
            except ValueError:  # its message would quote the request, and with it perhaps the secret
                return _refusal(400, "bad-request", "the request is not of the form that this version knows")
            return await run_in_threadpool(self._work, asked, work)

        return serve

    def _work(self, asked: M, work: Work[M]) -> Response:
        try:
            return _answer(work(asked, self._clock()))
        except RefusedError as refused:
            log.warning("no certificate given (%s): %s", refused.reason, refused)
            return _refusal(_STATUS.get(refused.reason, 403), refused.reason, str(refused))
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            log.error("the database cannot be used: %s", type(error).__name__)  # noqa: TRY400 - no statement in the log
            return _refusal(503, "not-now", "central's database cannot be used at the moment; try again in a minute")
        except KeyringError as error:
            log.error("no certificate given: %s", error)  # noqa: TRY400 - it says what to do
            return _refusal(503, "not-now", "central's authority cannot be used at the moment; try again in a minute")


def _answer(message: wire.Message, status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(wire.encode(message), status, headers, "application/json")


def _refusal(status: int, reason: str, say: str) -> Response:
    return _answer(wire.Refusal(reason=reason, say=say), status)


def tls_context(config: EnrolmentConfig) -> ssl.SSLContext:
    """Return the endpoint's side of TLS. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # both ends are ours
    try:
        context.load_cert_chain(config.cert, config.key)
    except OSError as error:
        raise ConfigError(
            f"{config.cert}, {config.key}: cannot be used ({error}) - at `$.enrolment`; make them with: "
            "gate-central authority server"
        ) from error
    return context


def serve(
    config: EnrolmentConfig,
    table: CertificateTable,
    ready: Callable[[str], None],
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> None:
    """Serve until SIGINT or SIGTERM. `ready`: told the address. Raises ConfigError and KeyringError."""
    context = tls_context(config)
    desk = Desk(authority.load(config.authority), read_roots(config.roots), table, config.life_days)
    endpoint = Endpoint(desk, Rate(config.tries_per_minute, max(TOGETHER_PER_MINUTE, config.tries_per_minute)), clock)
    try:
        listener = web.bind(config.host, config.port)
    except web.AddressError as error:
        raise ConfigError(f"{error} - at `$.enrolment`") from error
    server = web.settings(endpoint.application(), limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=5)
    server.load()
    server.ssl = context  # uvicorn's own would take TLS 1.2, and files only
    ready(web.address("https", config.host, listener))
    web.run(server, listener)
