"""Random and structure-aware inputs: a short hunt here, 200,000 inputs in the bench."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from station.core import cose
from station.core.reasons import Reason
from tests.passes import documents_strategies, fuzz_atheris, office, strategies
from tests.passes.documents_strategies import CONTENT
from tests.passes.hunt import hunt_documents, hunt_texts, note_text
from tests.passes.mutants import Tally

TEXTS, DOCUMENTS = 2000, 800
ROOT = strategies.office.__file__.rsplit("/tests/", 1)[0]


def test_no_text_is_wrongly_accepted():
    """Texts from noise to passes right but for one thing: accepted only where signed, refused with a reason else."""
    result = hunt_texts(20, TEXTS)
    assert not result.wrong
    assert result.accepted > 20
    assert {
        Reason.PASS_UNREADABLE,
        Reason.PASS_MALFORMED,
        Reason.PASS_FORGED,
        Reason.LIVE_MALFORMED,
        Reason.TIME_CODE_REFUSED,
        Reason.FOREIGN_TEXT,
    } <= set(result.reasons)


def test_no_document_is_wrongly_accepted():
    """Documents with anything in the place of any value, signed or not: only the typed refusal comes out."""
    result = hunt_documents(20, DOCUMENTS)
    assert not result.wrong
    assert {Reason.DOCUMENT_MALFORMED, Reason.DOCUMENT_UNSIGNED, Reason.DOCUMENT_OUT_OF_ROLE} <= set(result.reasons)


def test_the_same_seed_hunts_the_same():
    """A hunt can be repeated by its seed."""
    first, second, other = (hunt_texts(number, 200) for number in (5, 5, 6))
    assert (first.tried, first.reasons) == (second.tried, second.reasons)
    assert first.reasons != other.reasons


@pytest.mark.parametrize("kind", CONTENT)
def test_documents_are_good_before_they_are_changed(kind):
    """What the hunt starts from is accepted as it is, so its changes reach every check."""
    good = documents_strategies._signed(kind, cose.encode(CONTENT[kind]), wrong=False)
    result = Tally()
    result.note(kind, lambda _: documents_strategies.read(good), signed=True)
    assert (result.accepted, result.wrongs) == (1, 0)


@pytest.mark.parametrize("text", strategies.GOOD)
def test_texts_are_good_before_they_are_changed(text):
    """The three texts that are damaged and spliced are accepted as they are."""
    result = Tally()
    note_text(result, strategies.Input(text, signed=True))
    assert (result.accepted, result.wrongs) == (1, 0)


def test_a_reader_without_signatures_would_be_found(monkeypatch):
    """Where the reader believes every signature, the hunt finds it."""
    office.trust()
    monkeypatch.setattr(cose.Signature, "good", lambda *_: True)
    assert hunt_texts(1, 500).wrongs


# --- atheris ---------------------------------------------------------------------------------------------------------


def run_target(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the target as a person does."""
    command = [sys.executable, "-m", "tests.passes.fuzz_atheris", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def test_the_target_takes_any_bytes():
    """What atheris feeds is judged without atheris too: noise, damaged bytes, bytes that steer strategies."""
    look = fuzz_atheris.target()
    for data in (
        b"",
        b"\x00",
        b"\x00" + strategies.LIVE[:-1],
        b"\x41" + office.trust_raw()[:-1],
        b"\xff" + bytes(range(256)),
    ):
        look(data)


def test_the_target_stops_at_what_is_wrong(monkeypatch):
    """Where the reader believes every signature, the target raises."""
    look = fuzz_atheris.target()
    office.trust()
    monkeypatch.setattr(cose.Signature, "good", lambda *_: True)
    with pytest.raises(AssertionError, match="accepted"):
        look(b"\x00" + office.pass_raw(office.PAPER, office.PASSES))


@pytest.mark.skipif(importlib.util.find_spec("atheris") is not None, reason="atheris is installed")
def test_without_atheris_the_target_says_so():
    """Where atheris is absent the target says what it is and how to install it, and does not fail."""
    done = run_target()
    assert (done.returncode, done.stdout.strip()) == (0, fuzz_atheris.ABSENT)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=fuzz_atheris.ABSENT)
def test_atheris_hunts():
    """Where atheris is installed, it runs the target for a while and finds nothing."""
    done = run_target("-runs=300", "-seed=1")
    assert done.returncode == 0, done.stderr[-2000:]
