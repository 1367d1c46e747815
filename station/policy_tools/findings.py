"""What a check of a policy finds: mistakes, doubts, and what is good to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: the policy does not do what it says. WARNING: it may not do what is meant. NOTE: how it decides."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `code` names its kind (docs/how-to/write-a-policy.md), `rule` where it is, empty for the whole."""

    severity: Severity
    code: str
    rule: str
    text: str

    def __str__(self) -> str:
        place = f"{self.rule}: " if self.rule else ""
        return f"{self.severity} {self.code}: {place}{self.text}"


def error(code: str, rule: str, text: str) -> Finding:
    """Return an error."""
    return Finding(Severity.ERROR, code, rule, text)


def warning(code: str, rule: str, text: str) -> Finding:
    """Return a warning."""
    return Finding(Severity.WARNING, code, rule, text)


def note(code: str, rule: str, text: str) -> Finding:
    """Return a note."""
    return Finding(Severity.NOTE, code, rule, text)
