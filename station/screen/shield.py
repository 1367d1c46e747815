"""What every request passes first, and every answer carries: the browser's own protections, switched on."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from station.screen import texts
from station.screen.auth import host_allowed, same_origin

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Shield:
    """ASGI middleware: refuses foreign hosts and origins (403) and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app, self._host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if self._foreign(Headers(scope=scope), scope["method"]):
            refusal = JSONResponse({"ok": False, "text": dict(texts.NOT_HERE), "retry_after_s": 0}, 403)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _foreign(self, headers: Headers, method: str) -> bool:
        host = headers.get("host", "")
        if not host_allowed(host, self._host):
            return True
        # Another site's page cannot read our answers, but it could hold the few event streams.
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return True
        return method not in {"GET", "HEAD"} and not same_origin(headers.get("origin"), host)
