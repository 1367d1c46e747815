"""What the tests of the phone page share: its server as a process, and a phone (a Chromium window) that opens it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from drivers.camera.recorded import load_gray
from drivers.decoder import read_still
from station.core.credential import parse
from station.core.model import Credential
from tests.core.issuing import NOW, TRUST

ROOT = Path(__file__).parents[2]
SERVE = "from sync.central.phone_page import serve_page; serve_page(port=0, ready=lambda url: print(url, flush=True))"
QUIET_MODULES, FINDER_MODULES = 4, 7


class PhoneServer:
    """The page's own server on a free loopback port, ended by its process id."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._child.stdout is not None
        self.url = self._child.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the page's server did not start"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    def stop(self) -> int:
        """Tell it to end; return its exit status."""
        self._child.terminate()
        status = self._child.wait(10)
        assert self._child.stdout is not None
        self._child.stdout.close()
        return status


class Phone:
    """One person's phone: storage of its own, a clock that stands where the test puts it."""

    def __init__(self, browser: Any, url: str, shots: Path, size: tuple[int, int] = (360, 640)) -> None:
        """`browser`: Playwright's; `shots`: a folder for pictures of the screen; `size`: CSS pixels, two dots each."""
        width, height = size
        self.url, self._shots, self._taken = url, shots, 0
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page: Any = None
        self.new_tab()

    def new_tab(self) -> None:
        """Use a tab of its own from now on."""
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if "Content Sec" in line.text else None)
        self.at(NOW)

    def at(self, seconds: float) -> None:
        """Put the phone's clock; its timers go on running."""
        self.page.clock.set_fixed_time(datetime.fromtimestamp(seconds, UTC))

    def open(self, fragment: str = "") -> None:
        """Open the page, or follow a link to it, and wait until it has begun."""
        self.page.goto(self.url + fragment)
        self.page.wait_for_selector("#key:not([hidden])", state="attached")

    def reload(self) -> None:
        """Open it anew."""
        self.page.reload()
        self.page.wait_for_selector("#key:not([hidden])", state="attached")

    def key(self) -> bytes:
        """The public key as the page shows it, 33 bytes."""
        return bytes.fromhex(self.page.locator("#key-text").text_content())

    def paste(self, text: str) -> None:
        """Store a pass by hand."""
        if not self.page.locator("#bring").evaluate("details => details.open"):
            self.page.click("#bring summary")
        self.page.fill("#text", text)
        self.page.click("#bring-form button")

    def words(self, selector: str) -> str:
        """What a visible element says, in both languages."""
        self.page.wait_for_selector(f"{selector}:not([hidden])")
        return str(self.page.locator(selector).inner_text())

    def drawn(self, t: int, nonce: bytes = b"") -> None:
        """Wait until the code of this moment is drawn."""
        self.page.wait_for_selector(f'#code[data-t="{t}"][data-nonce="{nonce.hex()}"]')

    def picture(self, selector: str = "") -> Path:
        """A screenshot of the screen, or of one element alone."""
        self._taken += 1
        path = self._shots / f"screen-{self._taken}.png"
        (self.page.locator(selector) if selector else self.page).screenshot(path=str(path))
        return path

    def text(self) -> str:
        """The one code on the screen, as the station's reader reads it from a picture."""
        (code,) = read_still(self.picture())
        return code.text

    def shown(self) -> Credential:
        """The code on the screen, as the station verifies it."""
        verdict = parse(self.text(), TRUST)
        assert isinstance(verdict, Credential), verdict
        return verdict


def link(text: str) -> str:
    """The fragment that brings a pass."""
    return "#p=" + quote(text, safe="")


def version(picture: Path) -> int:
    """The version of the QR code that fills a picture with its quiet zone, measured; checks the quiet zone, too."""
    dark = load_gray(picture, "test") < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    first = dark[rows[0], left:]
    module = int(np.argmin(first)) / FINDER_MODULES  # the upper edge of the finder pattern is seven dark modules
    for margin in (left, int(rows[0]), dark.shape[1] - right, dark.shape[0] - int(rows[-1]) - 1):
        assert margin >= QUIET_MODULES * module
    count = (right - left) / module
    assert count == round(count), "the modules are not whole pixels"
    return (round(count) - 17) // 4
