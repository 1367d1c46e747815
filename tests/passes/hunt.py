"""Looks for a text or a document that a reader should not take, or that makes it stumble: hypothesis, without pytest.

What is found is counted instead of raised, so that one hunt looks at everything it was asked to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from station.core import credential, scan
from station.core.model import Credential
from tests.passes import documents_strategies as papers
from tests.passes import office
from tests.passes.mutants import Tally
from tests.passes.strategies import Input, inputs

ROUND = 400
"""At most so many draws for each seed: hypothesis remembers what it has tried, and its memory is not endless."""
EACH = 30
"""Inputs that a draw gives, more or less."""


def note_text(tally: Tally, one: Input) -> None:
    """Read one text; what is accepted must also mean the same when it is written anew."""
    trust = office.trust()
    found = tally.note(one.text, lambda text: scan.read(text, trust, office.ZONE), signed=one.signed)
    if isinstance(found, Credential) and found.live is None:
        signer = office.PASSES if found.kid == office.PASSES.kid else office.VISITORS
        again = credential.parse(credential.write(found, signer.private), trust)
        if again != found:
            tally.fault(f"written anew it is another pass: {one.text!r}")


def note_document(tally: Tally, one: papers.Paper) -> None:
    """Hand one document to its reader."""
    tally.note(one.raw.hex(), lambda _: papers.read(one), signed=one.signed)


def _round(strategy: Any, note: Callable[[Tally, Any], None], number: int, draws: int) -> Tally:
    tally = Tally()

    @seed(number)
    @settings(
        max_examples=draws,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(some: list[Any]) -> None:
        for one in some:
            note(tally, one)

    look()
    return tally


def _hunt(strategy: Any, note: Callable[[Tally, Any], None], number: int, count: int) -> Tally:
    total, turn, draws = Tally(), 0, min(ROUND, -(-count // EACH))
    while total.tried < count:
        total.join(_round(strategy, note, number * 1_000_003 + turn, draws))
        turn += 1
    return total


def hunt_texts(number: int, count: int) -> Tally:
    """Read at least `count` texts, the same ones for the same seed `number`."""
    return _hunt(inputs, note_text, number, count)


def hunt_documents(number: int, count: int) -> Tally:
    """Read at least `count` documents, the same ones for the same seed `number`."""
    return _hunt(papers.papers, note_document, number, count)
