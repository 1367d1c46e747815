"""`make picture`: takes the README's picture of the guard screen from the running demo, with real Chromium."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.browser import launched
from tests.demo.actor import Actor
from tests.demo.crowd import crowd
from tests.demo.rig import GUARD, PIN, Rig

SHOWN = ("resident", "visitor", "worker", "vehicle", "expired", "revoked", "home quarantine", "face cold", "payment")


def main(target: Path) -> int:
    """Play some visits, leave a fever and a grant on the screen, and take the picture."""
    rig = Rig(Path(tempfile.mkdtemp(prefix="gate-picture-")))
    visits = crowd(rig.office)
    rig.office.sign_status()
    try:
        rig.start_all()
        actor = Actor(rig)
        for visit in visits:
            if visit.name.startswith(SHOWN) and not visit.incident:
                actor.play(visit)
        fever = next(visit for visit in visits if visit.name.startswith("fever"))
        leaving = next(visit for visit in visits if visit.name == "resident leaves")
        rig.face(fever.face_c)
        rig.show("in", {"id": "fever", "codes": fever.codes})
        threading.Event().wait(1.5)
        _photograph(rig.screen_url, target, lambda: rig.show("out", {"id": "leaving", "codes": leaving.codes}))
    finally:
        rig.stop_all()
        shutil.rmtree(rig.folder)
    return 0


def _photograph(url: str, target: Path, last_moment: Callable[[], None]) -> None:
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        sign_in(page)
        page.wait_for_timeout(4000)  # until the words "signed in" have gone
        last_moment()
        page.wait_for_selector('[data-lane="out"][data-signal="granted"]')
        page.screenshot(path=str(target))


def sign_in(page: Page) -> None:
    """Sign in as the demo's guard."""
    page.locator("#session").click()
    page.locator("#name").fill(GUARD)
    page.locator("#pin").fill(PIN)
    page.press("#pin", "Enter")
    page.wait_for_selector(f"#operator:has-text('{GUARD}')")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
