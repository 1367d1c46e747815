"""Lets atheris look for inputs that a reader should not take, guided by which code they reach. Optional, x86-64.

    python -m pip install --editable '.[fuzz]'
    python -m tests.passes.fuzz_atheris -max_total_time=600

What follows the module's name goes to libFuzzer: `-runs=N`, `-max_total_time=SECONDS`, a folder to keep inputs in.
An input that is found is written to a file crash-...; hand it over once more by naming the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

ABSENT = (
    "skipped: atheris is not installed. It is optional and made for x86-64 alone: "
    "python -m pip install --editable '.[fuzz]'"
)


def target() -> Callable[[bytes], None]:
    """Return the function that is fed: half of the inputs are bytes of a text or document, half steer the strategies.

    It raises AssertionError where something is accepted that nobody signed, and whatever a reader raises.
    """
    from hypothesis import HealthCheck, given, settings  # noqa: PLC0415 - imported where atheris watches

    from station.core import base45  # noqa: PLC0415
    from tests.passes import documents_strategies, hunt, strategies  # noqa: PLC0415
    from tests.passes.mutants import Tally  # noqa: PLC0415

    def judged(note: Callable[[Tally, Any], None], some: list[Any]) -> None:
        tally = Tally()
        for one in some:
            note(tally, one)
        assert not tally.wrong, tally.wrong[0]

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategies.inputs)
    def texts(some: list[strategies.Input]) -> None:
        judged(hunt.note_text, some)

    def look(data: bytes) -> None:
        kind, rest = data[:1], data[1:]
        if kind < b"\x40":
            text = base45.encode(rest)
            judged(hunt.note_text, [strategies.Input(prefix + text) for prefix in strategies.PREFIXES])
        elif kind < b"\x80":
            kinds = documents_strategies.kinds
            judged(hunt.note_document, [documents_strategies.Paper(k, rest, signed=k == "deltas") for k in kinds])
        else:
            texts.hypothesis.fuzz_one_input(rest)

    return look


def main() -> int:
    """Run the hunt until it is stopped or finds something; says so where atheris is absent."""
    try:
        import atheris  # noqa: PLC0415 - optional
    except ImportError:
        print(ABSENT)
        return 0
    with atheris.instrument_imports(include=["station.core"]):
        look = target()
    atheris.Setup(sys.argv, look)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
