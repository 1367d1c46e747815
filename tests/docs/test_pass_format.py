"""The worked example is a pass that the station reads, and nothing like it is."""

from __future__ import annotations

from station.core.credential import parse
from station.core.model import Credential, Rejected
from station.core.reasons import Reason
from tests.docs.blocks import read_rows
from tests.docs.example_pass import example_credential, example_text, example_trust
from tests.docs.tables import TABLES


def _printed() -> dict[str, str]:
    table = next(table for table in TABLES if table.name == "example")
    return {part: value.strip("`") for part, value in read_rows(table.found())}


def _printed_text() -> str:
    return next(value for part, value in _printed().items() if part.startswith("QR text"))


def test_printed_text_is_read() -> None:
    """The text on the page, character by character, gives exactly the credential the page describes."""
    assert parse(_printed_text(), example_trust()) == example_credential()


def test_printed_text_survives_markdown() -> None:
    """The text has no two spaces in a row and none at its ends, which a browser would swallow."""
    text = example_text()
    assert "  " not in text
    assert text == text.strip()


def test_changed_example_is_refused() -> None:
    """Each change of one character on the page is refused, with a reason and without an exception."""
    text, trust = _printed_text(), example_trust()
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert isinstance(parse(changed, trust), Rejected), place


def test_live_pass_is_refused_as_said() -> None:
    """EL1 is named as not read yet, as the page says."""
    verdict = parse("EL1:ABC", example_trust())
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.LIVE_UNSUPPORTED


def test_example_needs_its_issuer() -> None:
    """The example opens nothing where its key is not believed."""
    assert not isinstance(parse(example_text(), None), Credential)
