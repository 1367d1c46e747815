"""Checks a small policy, written as rows, and names what is found."""

from __future__ import annotations

from station.core.model import Band
from station.core.policy import Policy
from station.core.policy_reader import read_table
from station.policy_tools.findings import Finding, Severity
from station.policy_tools.lint import check
from tests.core.issuing import rule, table
from tests.policy_tools.presenting import USUAL

REST = rule(id="rest")
"""Grants whatever is left."""
SAY = {"zh": "请询问值守人员。", "en": "Please ask the guard."}
BANDS = tuple(band.value for band in Band if band not in (Band.NOT_MEASURED, Band.NORMAL))
"""What a screening may say that is not well."""


def policy(*rows: object, **changes: object) -> Policy:
    """Read a policy of these rows."""
    return read_table(1, table(*rows, **changes))  # type: ignore[arg-type]


def deny(identifier: str, when: object, **changes: object) -> dict[str, object]:
    """Return a row that denies, with words of its own."""
    return rule(**{"id": identifier, "outcome": "deny", "when": when, "say": SAY, **changes})


def found(*rows: object, **changes: object) -> list[Finding]:
    """Return what is found in a policy of these rows."""
    return check(policy(*rows, **changes), USUAL)


def only(code: str, *rows: object, **changes: object) -> Finding:
    """Return the one finding of a kind, which is the only mistake or doubt that is found."""
    serious = [one for one in found(*rows, **changes) if one.severity is not Severity.NOTE or one.code == code]
    assert [one.code for one in serious] == [code], serious
    return serious[0]


def measuring(*bands: str) -> list[dict[str, object]]:
    """Return rules that measure who comes in, and look at these bands."""
    looking = [
        rule(id=band, outcome="refer", reason="guard-check", when={"temperature": {"eq": band}}) for band in bands
    ]
    when = {"direction": {"eq": "in"}, "temperature": {"eq": "not-measured"}}
    return [*looking, rule(id="measure", outcome="measure", when=when)]
