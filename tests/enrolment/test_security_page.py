"""The page on security names evidence that exists, and leaves out no provision."""

from __future__ import annotations

import re

from tests.docs.blocks import DOCS, ROOT

PAGE = (DOCS / "explanation" / "security.md").read_text(encoding="utf-8")


def test_every_file_it_names_exists() -> None:
    """What stands in backticks and looks like a file of the project is one."""
    named = set(re.findall(r"`((?:station|sync|drivers|systemd|tests|requirements)/[^` ]+)", PAGE))
    assert len(named) > 30
    assert not {name for name in named if not (ROOT / name).exists()}


def test_every_provision_has_a_state_and_a_reason() -> None:
    """5.1 to 5.13, each done, partly or not done, each with words that say why."""
    rows = re.findall(r"^\| (5\.\d+) [^|]+\| (done|partly|not done) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == [f"5.{number}" for number in range(1, 14)]
    for number, state, why in rows:
        assert len(why) > 40, number
        assert "`" in why if state == "done" else re.search(r"\bnot?\b", why, re.IGNORECASE), number
