"""What the tests of the phone page share: its server as a process, and a phone (a Chromium window) that opens it."""

from __future__ import annotations

import re
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
from station.ports import Gray
from tests.core.issuing import NOW, TRUST

ROOT = Path(__file__).parents[2]
SERVE = "from sync.central.phone_page import serve_page; serve_page(port=0, ready=lambda url: print(url, flush=True))"
DOTS = 2
"""Of the screen, per CSS pixel."""
FINDER_MODULES = 7


class PhoneServer:
    """A server with the page on a free loopback port, ended by its process id: our own, or Python's for `folder`."""

    def __init__(self, folder: Path | None = None) -> None:
        foreign = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
        command = [sys.executable, *(foreign if folder else ["-c", SERVE])]
        quiet = subprocess.DEVNULL if folder else None
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True, cwd=ROOT)
        assert self._child.stdout is not None
        said = re.search(r"http://127\.0\.0\.1:\d+/", self._child.stdout.readline())
        assert said, "the page's server did not start"
        self.url = said[0]

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
        """`browser`: Playwright's; `shots`: a folder for pictures of the screen; `size`: CSS pixels."""
        width, height = size
        self.url, self._shots, self._taken = url, shots, 0
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=DOTS,
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

    def picture(self) -> Path:
        """A screenshot of what is on the screen."""
        self._taken += 1
        path = self._shots / f"screen-{self._taken}.png"
        self.page.screenshot(path=str(path))
        return path

    def code(self, selector: str = "#code") -> Gray:
        """A code with its quiet zone, cut out of a screenshot two dots inside its edge, which browsers shift."""
        self.page.locator(selector).scroll_into_view_if_needed()
        box = self.page.locator(selector).bounding_box()
        left, top, side = (round(box[name] * DOTS) for name in ("x", "y", "width"))
        return load_gray(self.picture(), "test")[top + 2 : top + side - 2, left + 2 : left + side - 2]

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


def measured(code: Gray) -> tuple[int, float]:
    """The version of the QR code in a picture that holds nothing else, and its quiet zone in modules.

    Fails where the code is not square or its modules are not of one whole number of dots: counted on its frame.
    """
    dark = code < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
    module = int(np.argmin(dark[top, left:])) / FINDER_MODULES  # the finder pattern's upper edge is seven dark modules
    count = (right - left) / module
    assert count == (bottom - top) / module == round(count), "the modules are not whole dots"
    quiet = min(left, top, code.shape[1] - right, code.shape[0] - bottom) / module
    return (round(count) - 17) // 4, quiet
