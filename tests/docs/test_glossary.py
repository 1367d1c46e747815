"""The glossary explains each word once, in order, and the words exist."""

from __future__ import annotations

from station.core.model import Outcome
from tests.docs.blocks import DOCS, read_rows

ROWS = read_rows((DOCS / "glossary.md").read_text(encoding="utf-8"))
TERMS = [term.strip() for row in ROWS for term in row[0].split(",")]


def test_each_term_is_explained_once() -> None:
    """No word has two explanations."""
    assert len(TERMS) > 50
    assert not {term for term in TERMS if [t.lower() for t in TERMS].count(term.lower()) > 1}


def test_terms_are_in_order() -> None:
    """A reader finds a word by the alphabet."""
    first = [row[0].lower() for row in ROWS]
    assert first == sorted(first)


def test_explanations_are_short_and_not_circular() -> None:
    """Each explanation fits a line and is not the word itself."""
    for term, meaning in ROWS:
        assert 10 < len(meaning) < 130, term
        assert meaning.lower() != term.lower()


def test_outcomes_are_explained() -> None:
    """The words every guard sees are there."""
    assert {outcome.value for outcome in Outcome} <= set(TERMS)
