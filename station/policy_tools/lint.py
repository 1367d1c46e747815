"""All checks of one policy, in the order in which their findings are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from station.core.policy import Policy
from station.core.policy_reader import PolicyError, read_table
from station.policy_tools import lint_reach, lint_sense, lint_texts
from station.policy_tools.findings import Finding, Severity, error, note
from station.policy_tools.layout import Layout
from station.policy_tools.sources import SourceError, read_fields
from station.policy_tools.space import TooHardError

CHECKS: tuple[Callable[[Layout], Iterator[Finding]], ...] = (
    lint_reach.never_decides,
    lint_reach.never_open,
    lint_reach.uncovered,
    lint_sense.measured,
    lint_sense.foreseen,
    lint_sense.escorted,
    lint_sense.quotas,
    lint_sense.health,
    lint_sense.clock,
    lint_sense.places,
    lint_texts.misleading,
    lint_sense.times,
    lint_sense.calendar,
    lint_sense.alone,
    lint_reach.overlaps,
)
_ORDER = list(Severity)


def check_file(path: Path, now_s: int) -> tuple[Policy | None, list[Finding]]:
    """Read and check a policy: source in TOML or JSON, or the signed document. None where it cannot be read."""
    try:
        source = read_fields(path)
    except SourceError as problem:
        return None, [error("unreadable", "", str(problem))]
    lacking = list(lint_texts.missing(source.fields))
    try:
        policy = read_table(source.version, source.fields)
    except PolicyError as problem:
        return None, lacking or [error("unreadable", "", f"a station refuses it ({problem.reason}): {problem}")]
    return policy, sorted([*lacking, *check(policy, now_s)], key=lambda finding: _ORDER.index(finding.severity))


def check(policy: Policy, now_s: int) -> list[Finding]:
    """Return all findings about a policy; what was before `now_s` (unsigned seconds) does not matter."""
    layout = Layout(policy, now_s)
    found = list(lint_texts.alike(policy))
    for one in CHECKS:
        try:
            found += one(layout)
        except TooHardError:
            found.append(note("undecided", "", f"the check {one.__name__} needs too many steps for this policy"))
    return found
