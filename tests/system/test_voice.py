"""The voice as a technician meets it: the commands, the doctor, and a station that announces through its card."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.speech import SpeechCache, in_turn
from drivers.twins.sound_card import SoundCard
from station.core.documents import Role
from station.core.events import Kind
from station.wording import text
from tests.demo.processes import command, until
from tests.demo.rig import Rig

pytestmark = pytest.mark.skipif(
    not (shutil.which("aplay") and shutil.which("espeak-ng")), reason="needs alsa-utils and espeak-ng (.ci/packages.sh)"
)

VOICE = '[voice]\nenabled = true\ndevice = "card"\nvolume = 100\n'
WORDS = {"zh": "今天停水", "en": "No water today"}


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    """A card that this process and its children see, and no other."""
    (tmp_path / "sound").mkdir()
    found = SoundCard(tmp_path / "sound")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def rig(tmp_path: Path, card: SoundCard) -> Rig:
    """A station with a loudspeaker; nothing runs yet."""
    made = Rig(tmp_path)
    path = tmp_path / "station.toml"
    path.write_text(path.read_text() + VOICE)
    return made


def run(rig: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the station's commands."""
    name, *more = words
    line = command("gate-station", name, "--config", str(rig.folder / "station.toml"), *more)
    return subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)


def sentence(folder: Path, words: dict[str, str], languages: tuple[str, ...] = ("zh", "en")) -> np.ndarray:
    """What espeak-ng makes of words."""
    cache = SpeechCache(folder / "compare", 160)
    return in_turn(cache.samples(words[language], language) for language in languages)


def test_say_says_it(rig: Rig, card: SoundCard) -> None:
    """Without a text the test sentence is heard in both languages; a text in the language that is named."""
    for words, said, languages in (
        ((), dict(text("voice-test")), ("zh", "en")),
        (("hello", "--language", "en"), {"en": "hello"}, ("en",)),
        (("请通行",), {"zh": "请通行"}, ("zh",)),
    ):
        done = run(rig, "voice", "say", *words)
        assert done.returncode == 0, done.stderr
        expected = sentence(rig.folder, said, languages)
        assert np.array_equal(card.heard()[: len(expected)], expected)


def test_render_renders_everything_once(rig: Rig) -> None:
    """Every sentence of the catalogue is a file afterwards; the second time there is nothing to do."""
    first, second = run(rig, "voice", "render"), run(rig, "voice", "render")
    assert first.returncode == second.returncode == 0, first.stderr
    count = int(first.stdout.split()[0])
    assert f"{count} of them made now" in first.stdout
    assert " 0 of them" in second.stdout
    assert len(list((rig.folder / "station" / "voice").iterdir())) == count > 100


def test_a_missing_card_is_told_with_what_to_do(rig: Rig, card: SoundCard) -> None:
    """`say` fails with a remedy, and the doctor finds it; with the card back the doctor is content."""
    found = []
    for change in (card.unplug, card.plug_in):
        change()
        report = json.loads(run(rig, "doctor", "--json").stdout)
        found.append(next(row for row in report if row["part"] == "loudspeaker"))
    assert [row["good"] for row in found] == [False, True]
    assert "aplay -L" in found[0]["remedy"]
    card.unplug()
    done = run(rig, "voice", "say")
    assert done.returncode == 1
    assert "aplay" in done.stderr


@pytest.mark.timeout(180)
def test_a_station_announces_through_its_card(rig: Rig, card: SoundCard) -> None:
    """An idle station says what its document bids, the very samples, once, and records it; a fault of the card ends."""
    office, now = rig.office, int(time.time())
    office.keyring.create("speaker", [Role.ANNOUNCE], ["3206"], [], (now - 1000, now + 10**6))
    office.shelf.sign_trust(office.keyring, (now, now + 10**6))
    rows = [{"id": "water-off", "text": WORDS, "from": now - 60, "to": now + 3600, "volume": 100}]
    office.shelf.sign_announcements(rows, office.keyring.key("speaker"), (now, now + 10**6))
    card.unplug()
    try:
        rig.start_world()
        rig.start_station()
        until(lambda: _faults(rig) == ["begins"], 30, "the fault of the card")
        card.plug_in()
        until(lambda: any(event.kind == Kind.ANNOUNCED for event in rig.journal()), 120, "the announcement")
        until(lambda: _faults(rig) == ["begins", "ends"], 30, "the end of the fault")
        expected = sentence(rig.folder, WORDS)
        assert np.array_equal(card.heard()[: len(expected)], expected)
    finally:
        rig.stop_all()
    assert [event.payload["id"] for event in rig.journal() if event.kind == Kind.ANNOUNCED] == ["water-off"]


def _faults(rig: Rig) -> list[object]:
    mine = [event for event in rig.journal() if event.kind == Kind.FAULT and event.payload["part"] == "loudspeaker"]
    return [event.payload["what"] for event in mine]
