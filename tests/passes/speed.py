"""Part of the bench: time for a live code, a status, a rule; each beside its peers, in the same run, in turns."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import thread_time_ns

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from station.core import cose, credential, live
from station.core.decide import decide
from station.core.documents import DocumentType, open_document
from station.core.facts import FACTS, Presented, Site
from station.core.model import Band, Credential, Direction, Instant, Outcome, Rejected, Status, TemperatureReading
from station.core.policy import Policy
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, StatusList, gather, read_manifest, write_entry
from tests.passes import office, plain_dcc, reading
from tests.passes.figures import Bar, Part
from tests.passes.office import CENTRAL, GATE, NOW, PASSES, PHONE, ZONE, payload, sign1, written
from tests.passes.rules import BASE, SOURCE

RUNS = 5
BEST = "Times are the best of five runs, in turns, as the machine's speed swings; ratios are the median."
QUIET = 1.25
"""Runs of the same bare checks may differ by so much; beyond it something else was busy on the machine."""
MILLION = 1_000_000
HERE = Site(GATE, ZONE, Direction.IN, can_measure=True)
NORMAL = Presented(reading=TemperatureReading(Band.NORMAL, 34.0))
INSTANT = Instant(NOW * MILLION, 5 * MILLION)


def in_turns(work: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Return the median CPU time of each piece of work, microseconds; one after the other, `times` rounds."""
    spent: list[list[int]] = [[] for _ in work]
    for _ in range(times):
        for number, piece in enumerate(work):
            begin = thread_time_ns()
            piece()
            spent[number].append(thread_time_ns() - begin)
    return [median(some) / 1000 for some in spent]


def runs(work: Sequence[Callable[[], object]], times: int) -> list[list[float]]:
    """Return the medians of each of five runs."""
    in_turns(work, max(1, times // 10))  # the first calls load what is loaded once
    return [in_turns(work, times) for _ in range(RUNS)]


# --- documents -------------------------------------------------------------------------------------------------------


def policy() -> Policy:
    """Return the policy of fifteen rules, read from its signed document."""
    found = reading.read_signed_policy(sign1(payload("policy", SOURCE), CENTRAL), office.trust(), ZONE)
    assert isinstance(found, Policy), found
    return found


def ten_million(passes: int = 10 * MILLION) -> tuple[StatusList, int]:
    """Return the status list of one issuer's passes, one in a hundred of them not ok, and its size on the wire."""
    chance = random.Random(7)
    chunks = []
    for _ in range(-(-passes // ENTRIES_PER_CHUNK)):
        chunk = bytearray(CHUNK_BYTES)
        for index in chance.sample(range(ENTRIES_PER_CHUNK), ENTRIES_PER_CHUNK // 100):
            write_entry(chunk, index, chance.choice([Status.REVOKED, Status.HOME_QUARANTINE, Status.REFER]))
        chunks.append(bytes(chunk))
    write_entry(first := bytearray(chunks[0]), PHONE.status_index or 0, Status.OK)
    chunks[0] = bytes(first)
    rows = [[PASSES.kid, passes, [hashlib.sha256(chunk).digest() for chunk in chunks]]]
    raw = sign1(payload("status", {"issuers": rows}), CENTRAL)
    envelope = open_document(raw, DocumentType.STATUS, office.trust(), ZONE)
    assert not isinstance(envelope, Rejected), envelope
    manifest = read_manifest(envelope)
    assert not isinstance(manifest, Rejected), manifest
    return gather(manifest, chunks), len(raw) + sum(map(len, chunks))


# --- a live code -----------------------------------------------------------------------------------------------------


def measure_live(statuses: StatusList, times: int) -> Part:
    """Measure parsing, verifying, looking up and deciding, against the two bare signature checks."""
    trust, rules = office.trust(), policy()
    raw = office.pass_raw(PHONE)
    shown = office.live_raw(raw)
    paper, text = written(raw), written(shown, live.PREFIX)
    inner = cose.open_sign1(raw).signatures[0]
    issuer, phone = PASSES.private.public_key(), office.phone().public_key()
    halves = [int.from_bytes(half, "big") for half in (shown[-64:-32], shown[-32:])]
    der, covered, es256 = encode_dss_signature(*halves), live.covered(raw, office.SHOWN), ec.ECDSA(SHA256())
    certificate, keys = plain_dcc.text_of(raw), {PASSES.kid: issuer}

    def bare_pass() -> None:
        issuer.verify(inner.value, inner.covered)

    def bare() -> None:
        issuer.verify(inner.value, inner.covered)
        phone.verify(der, covered, es256)

    def whole() -> None:
        found = credential.parse(text, trust)
        assert isinstance(found, Credential)
        assert decide(found, NORMAL, HERE, rules, statuses, INSTANT).outcome is Outcome.GRANT

    measured = runs(
        [bare, whole, bare_pass, lambda: credential.parse(paper, trust), lambda: plain_dcc.verify(certificate, keys)],
        times,
    )
    best = min(run[1] for run in measured)
    ratio = median(run[1] / run[0] for run in measured)
    part = Part("A live code: parse, verify, status, policy")
    part.bars = [
        Bar("live code: parse, verify, status and policy", best / 1000, 0.5, "ms"),
        Bar("live code: against the two bare signature checks", ratio, 2.5, "times"),
    ]
    names = (
        "bare: Ed25519 and ES256 verified, keys loaded",
        "live code, the whole",
        "bare: Ed25519 verified, key loaded",
        "pass shown without a phone's signature: parse and verify",
        "peer: the same pass as COSE + zlib + Base45, plain verifier",
    )
    part.tables.append(_per_run(names, measured, "us"))
    part.remarks += [BEST, *disturbed([run[0] for run in measured])]
    return part


def disturbed(bare: Sequence[float]) -> list[str]:
    """Return a remark where the same bare checks took much longer in one run than in another."""
    spread = max(bare) / min(bare)
    if spread <= QUIET:
        return []
    return [f"> The machine was not quiet: the bare checks took {spread:.1f} times as long in one run as in another."]


def _per_run(
    names: Sequence[str], measured: Sequence[Sequence[float]], unit: str
) -> tuple[Sequence[str], list[Sequence[str]]]:
    head = (f"CPU time, {unit}", "best", "median", *(f"run {number}" for number in range(1, len(measured) + 1)))
    rows: list[Sequence[str]] = [
        (name, f"{min(column):.2f}", f"{median(column):.2f}", *(f"{value:.2f}" for value in column))
        for name, column in zip(names, zip(*measured, strict=True), strict=True)
    ]
    return head, rows


# --- status and rules ------------------------------------------------------------------------------------------------


def measure_status(statuses: StatusList, size: int, times: int) -> Part:
    """Measure lookups in a list of ten million passes, and its size."""
    chance = random.Random(8)
    kid, entries = PASSES.kid, statuses.manifest.issuers[PASSES.kid].entries
    indexes = [chance.randrange(entries) for _ in range(1000)]
    not_ok = {(kid, index) for index in range(entries) if index % 100 == 0}
    lookup = statuses.lookup

    def ours() -> None:
        for index in indexes:
            lookup(kid, index)

    def in_a_set() -> None:
        for index in indexes:
            (kid, index) in not_ok  # noqa: B015 - the time of asking is what is measured

    measured = [[each / len(indexes) for each in run] for run in runs([ours, in_a_set], times)]
    best = min(run[0] for run in measured)
    part = Part("Status list")
    held = sys.getsizeof(not_ok) + sum(sys.getsizeof(one) + sys.getsizeof(one[1]) for one in not_ok)
    part.bars = [
        Bar("status: one lookup among ten million passes", best, 1.0, "us"),
        Bar("status: ten million passes, manifest and chunks", size / 1e6, 3.0, "MB"),
        Bar("peer: the one in a hundred that are not ok, as a Python set", held / 1e6, None, "MB"),
    ]
    part.remarks.append(BEST)
    part.tables.append(_per_run(("lookup", "peer: asking a set (says no more than ok or not)"), measured, "us"))
    return part


def random_facts(chance: random.Random, count: int) -> list[dict[str, object]]:
    """Return facts: ordinary ones with up to six exchanged, words and numbers, now and then no value."""
    found = []
    for _ in range(count):
        facts = dict(BASE)
        for name in chance.sample(sorted(FACTS), chance.randrange(7)):
            info = FACTS[name]
            facts[name] = chance.choice(sorted(info.values)) if info.values else chance.randint(*info.bounds)
            if info.values is None and chance.random() < 0.1:
                facts[name] = None
        found.append(facts)
    return found


def measure_rules(statuses: StatusList, times: int) -> Part:
    """Measure which of fifteen rules fires, against asking them one by one."""
    rules = policy()
    facts = [reading.facts_of(one) for one in random_facts(random.Random(9), 500)]
    differing = 0
    for one in facts:
        expected = next((rule for rule in rules.rules if rule.applies(one, NOW)), None)
        differing += rules.first_match(one, NOW) is not expected

    def ours() -> None:
        for one in facts:
            rules.first_match(one, NOW)

    def one_by_one() -> None:
        for one in facts:
            next((rule for rule in rules.rules if rule.applies(one, NOW)), None)

    def decided() -> None:
        for _ in facts:
            decide(PHONE, NORMAL, HERE, rules, statuses, INSTANT)

    measured = [[each / len(facts) for each in run] for run in runs([ours, one_by_one, decided], times)]
    part = Part(f"Policy of {len(rules.rules)} rules")
    part.bars = [
        Bar("policy: one decision of fifteen rules", min(run[0] for run in measured), 5.0, "us"),
        Bar("policy: decisions that differ from asking the rules one by one", differing, 0, f"of {len(facts)}"),
    ]
    names = ("the table of the rules", "peer: the rules one by one", "decide(): checks, status, facts and rule")
    part.remarks.append(BEST)
    part.tables.append(_per_run(names, measured, "us"))
    return part
