"""Hands out the phone page (sync/central/phone): as files for any web server, or by a small server of its own.

The page makes and keeps the phone's key, holds the pass and shows it live (EL1). It talks to nobody: everybody gets the
same few public files. Browsers let it keep a key only under https, or on loopback.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sync.central import web
from sync.central.keyfiles import replace_file

HOST, PORT = "127.0.0.1", 8460
INDEX, WORKER = "index.html", "sw.js"
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_VERSION = b"@VERSION@"
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]+)"')


def page_files() -> dict[str, bytes]:
    """Return the page's files, name to content, with their common version in the service worker, which comes last."""
    folder = files("sync.central").joinpath("phone")
    content = {entry.name: entry.read_bytes() for entry in folder.iterdir() if Path(entry.name).suffix in MEDIA}
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content[name]).digest())
    worker = content.pop(WORKER).replace(_VERSION, digest.hexdigest()[:16].encode())
    return {name: content[name] for name in sorted(content)} | {WORKER: worker}


def write_page(folder: Path) -> list[Path]:
    """Write the page's files into `folder`, over those of an earlier version; return their paths. Raises OSError.

    The service worker is written last: phones take a new version only when all of it is there.
    """
    paths = []
    for name, content in page_files().items():
        replace_file(folder / name, content)
        paths.append(folder / name)
    return paths


def headers(index: bytes) -> dict[str, str]:
    """Return what every answer carries: the policy that stands in the page, and what only a header can say."""
    policy = _POLICY.search(index)
    if policy is None:
        raise ValueError("index.html carries no Content-Security-Policy")
    return {
        "content-security-policy": f"{policy[1].decode()}; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), screen-wake-lock=(self)",
        # The service worker keeps the files; what the network gives must be of one version.
        "cache-control": "no-cache",
    }


def application() -> Starlette:
    """Return the page as a web application. Only the listed files exist, so no path can lead elsewhere."""
    content = page_files()
    common = headers(content[INDEX])
    routes = [Route(f"/{name}", _static(name, body, common)) for name, body in content.items()]
    routes.append(Route("/", _static(INDEX, content[INDEX], common)))

    async def missing(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("没有这个页面。 There is no such page.\n", 404, common)

    return Starlette(routes=routes, exception_handlers={404: missing})


def _static(name: str, body: bytes, common: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    sent = common | {"etag": tag, "content-type": MEDIA[Path(name).suffix]}

    async def serve(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=common | {"etag": tag})
        return Response(body, headers=sent)

    return serve


def serve_page(host: str = HOST, port: int = PORT, ready: Callable[[str], None] = lambda _url: None) -> None:
    """Serve the page until SIGINT or SIGTERM. `port` 0: any free one; `ready`: told the address. Raises AddressError.

    Only on loopback, or behind a server that speaks https for it, will a browser let the page keep a key.
    """
    listener = web.bind(host, port)
    ready(web.address("http", host, listener))
    web.run(web.settings(application()), listener)
