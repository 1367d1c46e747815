"""What a decision knows of a person leaves the station sealed, and nothing of it is readable on its card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from station.core.events import Event, Kind, decode
from station.core.model import Instant
from station.core.sealing import Personal, Sealed, open_key, read, unseal
from station.inbox import Rehoming
from station.journal import Journal
from station.rehoming import rehome
from sync.outbox import Outbox
from tests.core.issuing import pass_text, rule
from tests.flow.gate_bench import Bench
from tests.flow.signed_papers import NOW_US

OFFICE = X25519PrivateKey.generate()
RECIPIENT = OFFICE.public_key().public_bytes_raw()
NAME, PLATE = "欧阳*", "京A12345"


@pytest.fixture
def gate(tmp_path) -> Iterator[Bench]:
    """A gate whose trust bundle names central's key for personal fields."""
    bench = Bench(tmp_path)
    bench.provide(rule(id="welcome"), personal=RECIPIENT)
    yield bench
    bench.close()
    bench.sync.close()


def passes(bench: Bench, **fields: object) -> None:
    """Somebody shows a pass, and goes through or not; then the lane is free again."""
    bench.show(pass_text(**fields))
    bench.look(60)


def sent(bench: Bench) -> list[str]:
    """What gate-sync would send beside the events."""
    outbox = Outbox(bench.folder / "journal.db")
    found = outbox.look()
    batch = outbox.batch(found.epoch, 1, found.last, 1 << 20, bytes(32))
    outbox.close()
    return batch.sealed


def opened(bench: Bench, event: Event, texts: list[str]) -> Personal:
    """What central reads of an event."""
    (run,) = bench.events(Kind.SEALING)
    key = open_key(read(run.payload["key"]), OFFICE)
    return unseal(key, Sealed(read(event.payload["sealed"]), read(texts[event.seq - 1])))


def test_central_reads_name_and_plate(gate):
    """The run's key stands before the first decision that uses it, once; each decision opens to its own person."""
    passes(gate, name=NAME, plate=PLATE)
    passes(gate, cti=bytes(8), name="王*")
    first, second = gate.events(Kind.DECISION)
    (run,) = gate.events(Kind.SEALING)
    assert run.seq < first.seq
    texts = sent(gate)
    assert opened(gate, first, texts) == Personal(NAME, PLATE)
    assert opened(gate, second, texts) == Personal("王*")
    assert [seq for seq, text in enumerate(texts, 1) if text] == [first.seq, second.seq]


def test_the_card_tells_no_name(gate):
    """Neither name nor plate stand in any file of the station, in any encoding it writes."""
    passes(gate, name=NAME, plate=PLATE)
    assert gate.events(Kind.DECISION)
    for path in gate.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (NAME, PLATE):
                assert secret.encode() not in content, path
                assert secret.encode("unicode_escape") not in content, path


def test_without_a_key_nothing_is_kept(tmp_path):
    """An office that has made no key for personal fields gets none, sealed or not."""
    bench = Bench(tmp_path)
    bench.provide(rule(id="welcome"))
    passes(bench, name=NAME, plate=PLATE)
    (decision,) = bench.events(Kind.DECISION)
    assert "sealed" not in decision.payload
    assert bench.events(Kind.SEALING) == []
    assert sent(bench) == []
    bench.close()
    bench.sync.close()


def test_a_restart_has_a_key_of_its_own(gate):
    """The key of the run before is gone with its memory; central gets another."""
    passes(gate, name=NAME)
    gate.close()
    gate._open("boot-2")
    passes(gate, cti=bytes(8), name=NAME)
    runs = gate.events(Kind.SEALING)
    assert len({open_key(read(run.payload["key"]), OFFICE) for run in runs}) == 2


def test_eviction_takes_the_sealed_part_along(gate):
    """What is no longer kept as an event is not kept sealed either."""
    for number in range(3):
        passes(gate, cti=bytes([number] * 8), name=NAME)
    gate.close()
    journal = Journal(gate.folder, "boot-2")
    decisions = [seq for seq, raw in journal.last(50) if decode(raw).kind == Kind.DECISION]
    journal.evict(decisions[1])
    assert journal.rows("SELECT seq FROM personal") == [(decisions[2],)]
    journal.close()
    gate._open("boot-3")


@pytest.mark.parametrize("acked", [0, 4])
def test_a_new_stream_takes_the_sealed_parts_along(gate, acked):
    """Carried over into a new stream, an event still has its own sealed part beside it."""
    for number in range(3):
        passes(gate, cti=bytes([number] * 8), name=f"{number}*")
    gate.close()
    journal = Journal(gate.folder, "boot-2")
    before = {seq: text for seq, text in journal.rows("SELECT seq, text FROM personal") if seq > acked}
    first = acked + 1
    head = journal.rows("SELECT hash FROM event WHERE seq = ?", (acked,))[0][0] if acked else bytes(32)
    rehome(journal, Rehoming(journal.epoch, acked, head, "fork"), Instant(NOW_US, 1), lambda: None)
    expected = {seq - first + 2: text for seq, text in before.items()}
    assert dict(journal.rows("SELECT seq, text FROM personal")) == expected
    journal.close()
    gate._open("boot-3")
