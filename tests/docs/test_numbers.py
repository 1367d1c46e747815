"""Numbers in running text are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.core import cose, credential, documents, fever, presentation, ration, status, timekeeping
from station.device_config import ThermometerConfig
from station.papers import STALE_STATUS_S
from station.reserve import SIZE
from station.screen import auth
from station.signin import FREE_TRIES
from station.waiting import MOST_WAITING
from sync import agent, downlink
from tests.docs.blocks import DOCS

SENSOR = ThermometerConfig(bus="i2c:1")
SAID = [
    ("explanation/temperature.md", f"({SENSOR.samples} by default, {SENSOR.interval_s} s apart)"),
    ("explanation/temperature.md", f"`cold_c` ({SENSOR.cold_c} °C by default)"),
    ("explanation/temperature.md", f"`raised_c` ({SENSOR.raised_c} °C by default)"),
    ("explanation/temperature.md", f"Fewer than {fever.FEWEST_SAMPLES} samples"),
    ("explanation/temperature.md", f"Below {fever.FACE_FLOOR_C:.0f} °C nothing"),
    ("explanation/temperature.md", f"within {fever.STEADY_C} °C"),
    ("explanation/architecture.md", f"within {presentation.REPEAT_WINDOW_US // 1_000_000} s of the first"),
    ("reference/pass-format.md", f"more than {credential.LONGEST_TEXT:,} characters"),
    ("reference/pass-format.md", f"more than {documents.FUTURE_TOLERANCE_S} s in the future"),
    ("reference/pass-format.md", f"at most {MOST_WAITING} documents"),
    ("reference/pass-format.md", f"at most {cose.MOST_SIGNATURES} signatures"),
    ("reference/events.md", f"beyond {ration.NOTED} an hour"),
    ("explanation/security.md", f"beyond {ration.NOTED} an hour"),
    ("how-to/commands.md", f"at most {ration.NOTED} an hour"),
    ("reference/pass-format.md", f"{status.ENTRIES_PER_CHUNK:,} entries ({status.CHUNK_BYTES:,} bytes)"),
    ("reference/pass-format.md", f"more than {timekeeping.FARTHEST_AHEAD_US // 86_400_000_000} days after it"),
    ("reference/pass-format.md", f"{timekeeping.DRIFT * 1e6:.0f} millionths"),
    ("reference/pass-format.md", f"uncertainty {timekeeping.SYNCED_UNCERTAINTY_S} s when synchronised"),
    ("reference/pass-format.md", f"{timekeeping.RTC_UNCERTAINTY_S:.0f} s from a real-time clock"),
    ("reference/topics.md", f"at most {downlink.MAX_DOCUMENT >> 10} KiB for trust"),
    ("reference/topics.md", f"{downlink.MAX_CHUNK >> 10} KiB for a status chunk"),
    ("reference/topics.md", f"from the broker {agent.WILL_DELAY_S} s after a loss"),
    ("reference/databases.md", f"`reserve.bin`, {SIZE >> 20} MiB"),
    ("glossary.md", f"{SIZE >> 20} MiB set aside"),
    ("how-to/issue-passes.md", f"after {STALE_STATUS_S // 3600} h without"),
    ("explanation/privacy.md", f"{auth.IDLE_S // 60} minutes without use, and after {auth.ABSOLUTE_S // 3600} hours"),
    ("explanation/privacy.md", f"after {FREE_TRIES} wrong PINs"),
]


@pytest.mark.parametrize(("page", "words"), SAID, ids=[words for _, words in SAID])
def test_number_is_the_codes(page: str, words: str) -> None:
    """The page says the number that the code has."""
    text = " ".join(Path(DOCS / page).read_text(encoding="utf-8").split())
    assert words in text
