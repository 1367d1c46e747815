"""The pages about policies name every key, kind of trouble and finding there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from station.core.facts import RISKS
from station.core.policy import DEGRADABLE, Degraded
from station.core.policy_reader import POLICY_KEYS, QUOTA_KEYS
from station.policy_tools.findings import Severity

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "policy.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "write-a-policy.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without code marks."""
    lines = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ")[0].splitlines()
    table = [line.strip("| ") for line in lines if line.startswith("| ")][2:]
    return [[cell.strip("` ") for cell in re.split(r" \| ", row)] for row in table]


def test_every_key_is_described():
    """The keys at the top and those of a quota are exactly those the reader takes."""
    assert {row[0] for row in rows("At the top")} == POLICY_KEYS
    assert {row[0] for row in rows("A quota")} == QUOTA_KEYS


def test_every_degraded_action_is_described():
    """The table of degraded actions says what the reader allows."""
    told = {row[0]: row[1:] for row in rows("Where the station cannot decide")}
    assert told == {
        matter.value: [
            "yes" if action in allowed else "no" for action in (Degraded.REFER, Degraded.DENY, Degraded.NONCE)
        ]
        for matter, allowed in DEGRADABLE.items()
    }


def test_every_risk_is_named():
    """The risks an area may have are those of the code."""
    line = next(line for line in PAGE.splitlines() if "Risks are" in line)
    assert re.findall(r"`([^`]+)`", line) == list(RISKS)


def findings_of_the_code() -> dict[str, str]:
    """Return the severity of every finding that the checks can make, by its code."""
    found = {}
    for path in (ROOT / "station" / "policy_tools").glob("lint*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called in list(Severity) and isinstance(node.args[0], ast.Constant):
                found[node.args[0].value] = called
    return found


def test_every_finding_is_described():
    """What lint can find, and how severe it is, is on the page; nothing else is."""
    assert {row[0]: row[1] for row in rows("What lint finds")} == findings_of_the_code()


def test_every_shipped_policy_is_named():
    """The how-to names each policy that comes with the project."""
    shipped = {path.name for path in (ROOT / "docs" / "how-to" / "policies").glob("*.toml")}
    assert set(re.findall(r"\(policies/([\w.-]+)\)", HOW_TO)) == shipped
