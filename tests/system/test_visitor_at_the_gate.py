"""A visitor, from the technician's key to the open door: every command, the real station, the real screen."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from drivers.decoder import read_still
from station.core.events import Event
from tests.browser import launched, needs_chromium
from tests.demo.audit import edges
from tests.demo.crowd import phone
from tests.demo.office import ZONE
from tests.demo.processes import command, until
from tests.demo.rig import GUARD, PIN, STATION, Rig

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(180)]

NAME = "欧阳小明"


def run(*line: str) -> str:
    """Run one of the project's commands; return what it printed."""
    name, *arguments = line
    done = subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def rig(tmp_path):
    """A station whose own key the office has delegated visitors to, running alone: no network, no central."""
    made = Rig(tmp_path)
    made.office.issue()
    made.office.sign_status()
    try:
        request = run("gate-station", "visitor-key", "--config", str(tmp_path / "station.toml"), "new").splitlines()[0]
        office = ["--office", str(made.office.folder)]
        run("gate-central", "keys", "delegate", request, "--key", "passes", "--zone", ZONE, *office)
        documents = made.office.folder / "documents"
        shutil.copy(documents / f"delegation-{STATION}.cose", documents / "delegation.cose")
        made.start_world()
        made.start_station()
        yield made
    finally:
        made.stop_all()


def issue(url: str, folder: Path) -> str:
    """Issue a visitor's pass as a guard does; return what the reader reads from the screen."""
    with launched() as browser:
        window = browser.new_page(viewport={"width": 1024, "height": 600})
        window.goto(url)
        window.wait_for_selector(".digits b")
        window.click("#session")
        window.fill("#name", GUARD)
        window.fill("#pin", PIN)
        window.press("#pin", "Enter")
        window.click("#visitor-ask")
        window.fill("#visitor-name", NAME)
        window.click("#usual-hours button:has-text('2 小时')")
        window.click("#visitor [type=submit]")
        window.wait_for_selector("#visitor-pass[open] svg")
        window.locator("#visitor-code svg").screenshot(path=folder / "slip.png")
    (code,) = read_still(folder / "slip.png")
    return code.text


def recorded(rig: Rig, kind: str) -> list[Event]:
    """The journal's events of a kind."""
    return [event for event in rig.journal() if event.kind == kind]


def test_a_visitor_goes_through_on_a_pass_from_the_screen(rig, tmp_path):
    """The pass shown on the screen opens the door; what was issued and decided is recorded, the name nowhere."""
    text = issue(rig.screen_url, tmp_path)
    (issued,) = recorded(rig, "issued")
    assert (issued.payload["class"], issued.payload["operator"]) == ("visitor", GUARD)

    before = len(edges(rig.pin_records()))
    rig.show("out", {"id": "visitor", "codes": [phone(text)]})
    until(lambda: recorded(rig, "decision"), 20, "the visitor's pass is decided")
    (decided,) = recorded(rig, "decision")
    assert (decided.payload["outcome"], decided.payload["cti"]) == ("grant", issued.payload["cti"])
    until(lambda: len(edges(rig.pin_records())) > before, 10, "the door is unlocked")
    rig.open("out")
    until(lambda: recorded(rig, "passage"), 10, "the passage is recorded")
    assert recorded(rig, "passage")[0].payload["what"] == "entered"
    rig.shut("out")

    shown = run("gate-station", "pass", "--config", str(tmp_path / "station.toml"), "show", text)
    assert "pass_class     2" in shown
    assert str(tmp_path / "station" / "journal.db") in shown
    # The world's log is the street before the camera: it knows what people hold up.
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(("slip.", "world."))]
    assert {"journal.db", "gate-station.log"} <= {path.name for path in kept}
    for secret in (NAME, "欧*", text):
        assert not [path for path in kept if secret.encode() in path.read_bytes()], secret
