"""Part of the bench: every smallest change of the vectors, and the hunt with hypothesis. None may be accepted."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from station.core import base45
from tests.passes import mutants, office, plain_dcc, reading
from tests.passes.figures import Bar, Part
from tests.passes.hunt import hunt_documents, hunt_texts
from tests.passes.mutants import Tally, edited, flipped_bits

BITS, EDITS = "single bits flipped", "single characters edited"


@dataclass(frozen=True)
class Job:
    """A piece of work for one process: a vector's mutants of one kind, or a share of a hunt."""

    name: str
    kind: str
    number: int
    count: int = 0


def texts(name: str) -> list[str]:
    """Return the accepted texts of a file of vectors."""
    return [case["text"] for case in reading.load(name)["cases"] if "accepted" in case]


def done(job: Job) -> Tally:
    """Do a piece of work."""
    if job.kind in (BITS, EDITS):
        file = reading.load(job.name)
        text = texts(job.name)[job.number]
        return mutants.tally(_changed(text, job.kind), reading.trust_of(file), file["zone"])
    hunt = hunt_texts if job.kind == "texts" else hunt_documents
    return hunt(job.number, job.count)


def _changed(text: str, kind: str) -> Iterator[str]:
    if kind == EDITS:
        return edited(text)
    return (text[:4] + base45.encode(raw) for raw in flipped_bits(base45.decode(text[4:])))


def measure(seed: int, vectors: int | None, hunted: int, processes: int) -> Part:
    """`vectors`: how many of each file (None: all); `hunted`: how many texts, and a quarter as many documents."""
    jobs = [
        Job(name, kind, number)
        for name in ("ep1", "el1", "et1")
        for number in range(len(texts(name)[:vectors]))
        for kind in (EDITS, BITS)
    ]
    for share in range(processes):
        each = -(-hunted // processes)
        jobs += [
            Job("hunt", "texts", seed * 100 + share, each),
            Job("hunt", "documents", seed * 100 + share, each // 4),
        ]
    totals: dict[tuple[str, str], Tally] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for job, tally in zip(jobs, pool.map(done, jobs), strict=True):
            totals.setdefault((job.name, job.kind), Tally()).join(tally)
    part = _part(totals, [job.number for job in jobs if job.kind == "texts"])
    part.tables.append((("peer: the same pass as COSE, zlib and Base45", "tried", "accepted"), _peer()))
    return part


def _part(totals: dict[tuple[str, str], Tally], seeds: list[int]) -> Part:
    part = Part("Strictness")
    rows = []
    for (name, kind), tally in totals.items():
        label = f"{name.upper()}: {kind}" if name != "hunt" else f"hypothesis: {kind}"
        part.bars.append(Bar(f"{label}, wrongly accepted or raising", tally.wrongs, 0, f"of {tally.tried:,}"))
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in tally.reasons.most_common())
        rows.append((label, f"{tally.tried:,}", f"{tally.accepted:,}", reasons))
        part.remarks += [f"WRONG: {what[:600]!r}" for what in tally.wrong]
    part.tables.append((("changed", "tried", "accepted, signed as they are", "refused for"), rows))
    part.remarks.append(
        "Accepted may be only what the office's own keys signed: the hunt signs many of its strange passes. "
        f"Seeds of the hunt, texts and documents: {', '.join(map(str, seeds))}."
    )
    return part


def _peer() -> list[tuple[str, str, str]]:
    """Count the mutants of the same pass that a plain verifier of the EU DCC's manner takes."""
    keys = {office.PASSES.kid: office.PASSES.private.public_key()}
    text = plain_dcc.text_of(office.pass_raw(office.PHONE))
    assert plain_dcc.verify(text, keys)
    rows = []
    for kind, changed in ((BITS, _changed(text, BITS)), (EDITS, _changed(text, EDITS))):
        verdicts = [plain_dcc.verify(one, keys) is not None for one in changed]
        rows.append((kind, f"{len(verdicts):,}", f"{sum(verdicts):,}"))
    return rows
