"""The phone page's files: complete, of one version, and handed out with what protects them."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
from collections.abc import Iterator

import pytest

from sync.central import phone_page
from sync.central.phone_page import MEDIA, page_files, serve_page, write_page
from sync.central.web import AddressError

from .device import PhoneServer


@pytest.fixture(scope="module")
def server() -> Iterator[PhoneServer]:
    """The page's own server."""
    running = PhoneServer()
    yield running
    running.stop()


def ask(server: PhoneServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Get one path."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_written_page_is_the_served_page(tmp_path, server):
    """What is written for another web server is byte for byte what our own server hands out, and nothing is missing."""
    paths = write_page(tmp_path / "web" / "pass")
    assert {path.name for path in paths} == set(page_files())
    assert sorted(paths) == sorted((tmp_path / "web" / "pass").iterdir())
    for path in paths:
        status, headers, body = ask(server, f"/{path.name}")
        assert (status, body) == (200, path.read_bytes()), path.name
        assert headers["content-type"] == MEDIA[path.suffix]
    assert ask(server, "/")[2] == (tmp_path / "web" / "pass" / "index.html").read_bytes()


def test_writing_again_replaces_the_files(tmp_path):
    """A second writing brings the page up to date and leaves what it does not own."""
    write_page(tmp_path)
    (tmp_path / "pass.js").write_text("old", encoding="utf-8")
    (tmp_path / "robots.txt").write_text("theirs", encoding="utf-8")
    write_page(tmp_path)
    assert (tmp_path / "pass.js").read_bytes() == page_files()["pass.js"]
    assert (tmp_path / "robots.txt").read_text(encoding="utf-8") == "theirs"


def test_the_service_worker_keeps_every_file():
    """The worker lists each file the page needs; without one of them the page would not open offline."""
    worker = page_files()["sw.js"].decode()
    listed = re.search(r"const FILES = \[(.*?)\];", worker, re.DOTALL)
    assert listed
    names = set(re.findall(r'"([^"]+)"', listed[1]))
    assert names == {"./"} | set(page_files()) - {"index.html", "sw.js", "qrcode.LICENSE.txt"}


def test_every_change_is_a_new_version(tmp_path, monkeypatch):
    """A changed file changes the service worker, by which phones notice; an unchanged page does not."""
    before = page_files()["sw.js"]
    assert before == page_files()["sw.js"]
    assert b"@VERSION@" not in before
    package = tmp_path / "phone"
    write_page(package)
    monkeypatch.setattr(phone_page, "files", lambda _name: tmp_path)
    (package / "sw.js").write_bytes(before.replace(re.findall(rb'VERSION = "(\w+)"', before)[0], b"@VERSION@"))
    assert page_files()["sw.js"] == before
    (package / "words.js").write_bytes((package / "words.js").read_bytes() + b"\n")
    assert page_files()["sw.js"] != before


def test_every_answer_is_protected(server):
    """The page's own policy stands in a header, too; nothing is sniffed, framed or kept unasked."""
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page_files()["index.html"].decode())
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy[1]
    for path in ("/", "/sw.js", "/pass.js", "/nothing"):
        headers = ask(server, path)[1]
        assert headers["content-security-policy"] == f"{policy[1]}; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_unchanged_files_are_not_sent_again(server):
    """A phone that has the file gets 304."""
    tag = ask(server, "/qrcode.js")[1]["etag"]
    status, _, body = ask(server, "/qrcode.js", If_None_Match=tag)
    assert (status, body) == (304, b"")
    assert ask(server, "/qrcode.js", If_None_Match='"other"')[0] == 200


@pytest.mark.parametrize("path", ["/../cli.py", "/%2e%2e/cli.py", "/phone/pass.js", "/PASS.JS", "//pass.js"])
def test_only_the_page_is_served(server, path):
    """No path leads outside the page's files."""
    assert ask(server, path)[0] == 404


def test_no_file_points_elsewhere():
    """Neither page nor style nor script nor manifest names another address; the vendored file does in its licence."""
    allowed = {b"http://www.w3.org/2000/svg"}
    for name, body in page_files().items():
        if not name.startswith("qrcode."):
            assert set(re.findall(rb"https?://[^\s\"'<>)]+", body)) <= allowed, name


def test_the_vendored_generator_is_unchanged():
    """The QR generator is the file whose digest stands in its licence file, with the licence in it."""
    body = page_files()["qrcode.js"]
    assert hashlib.sha256(body).hexdigest() in page_files()["qrcode.LICENSE.txt"].decode()
    assert b"Licensed under the MIT license" in body


def test_a_taken_address_is_told():
    """Where the port is taken the error names it and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1 port {port} cannot be listened on.*ss -ltnp"):
            serve_page(port=port)
