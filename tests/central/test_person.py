"""gate-central person: from a gate's sealed decision over the wire to one person found, handed out and erased."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from station.core import events, rehoming
from station.core.events import Kind
from station.core.model import Instant
from sync import wire
from sync.central import person_table, tables
from sync.central.cli import main
from sync.central.event_rows import Fresh
from sync.central.personal_key import PersonalKey
from sync.central.store import Store, offer
from sync.outbox import Outbox
from tests.core.issuing import pass_text, rule
from tests.flow.gate_bench import Bench
from tests.sync.lab import STATION, central_toml, free_port

NAME, PLATE = "欧阳*", "京A12345"
HERS, HIS = "a1" * 8, "b2" * 8


def went_through(folder: Path, recipient: bytes) -> bytes:
    """Two people go through a gate; return the message that gate-sync would send."""
    folder.mkdir()
    bench = Bench(folder)
    bench.provide(rule(id="welcome"), personal=recipient)
    for cti, name, plate in ((HERS, NAME, PLATE), (HIS, "王*", "")):
        bench.show(pass_text(cti=bytes.fromhex(cti), name=name, plate=plate))
        bench.look(60)
    outbox = Outbox(folder / "journal.db")
    found = outbox.look()
    assert found is not None
    message = wire.encode_batch(outbox.batch(found.epoch, 1, found.last, 1 << 20, bytes(32)))
    outbox.close()
    bench.close()
    bench.sync.close()
    return message


def chained(epoch: int, raws: list[bytes], sealed: list[str]) -> wire.Batch:
    """Return the first batch of a stream, as it arrives."""
    head = events.GENESIS
    for raw in raws:
        head = events.chain(head, raw)
    told = {"prev_hash": events.GENESIS.hex(), "last_hash": head.hex(), "sealed": sealed}
    batch = wire.Batch(epoch=epoch, first_seq=1, n=len(raws), events=list(map(msgspec.Raw, raws)), **told)
    return wire.decode_batch(wire.encode_batch(batch))


def carried_over(batch: wire.Batch, epoch: int) -> wire.Batch:
    """Return what a station sends that carries a stream over into a new one, sealed texts and all."""
    raws = [
        events.encode(n, Instant(10**15, n), "b", Kind.REHOMED, rehoming.carried(batch.epoch, seq, digest, bytes(raw)))
        for n, (seq, digest, raw) in enumerate(
            zip(range(1, 1 + batch.n), wire.hashes(batch), batch.events, strict=True), 1
        )
    ]
    return chained(epoch, raws, batch.sealed)


class Office:
    """An office's key, a database that holds a batch of one gate, and the commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self.key = PersonalKey(folder / "office")
        self.store = Store(url)
        self.store.open()
        self.batch = wire.decode_batch(went_through(folder / "gate", self.key.create()))
        self.config = central_toml(folder, free_port(), url)
        self.commit()

    def commit(self, batch: wire.Batch | None = None, station: str = STATION) -> bool:
        """Offer a batch, or that of the gate (again); say whether central takes it for a fork."""
        return next(iter(self.store.commit_batches([offer(station, batch or self.batch)]).values())).forked

    def run(self, *words: str) -> int:
        """Run the command with the office's key."""
        return main(["person", *words, "--key", str(self.key.path), "--config", str(self.config)])


@pytest.fixture
def office(tmp_path: Path, url: str) -> Iterator[Office]:
    """An office."""
    made = Office(tmp_path, url)
    yield made
    made.store.close()


def test_a_plate_finds_its_pass(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """By whole plate or masked name the pass id is found, and nobody else's."""
    assert office.run("find", "--plate", PLATE) == 0
    assert capsys.readouterr().out == f"{HERS} 1 events\n"
    assert office.run("find", "--name", "王*") == 0
    assert capsys.readouterr().out == f"{HIS} 1 events\n"
    assert office.run("find", "--plate", "京A1234") == 0
    assert "nobody" in capsys.readouterr().out


def test_one_person_is_handed_out(office: Office, tmp_path: Path) -> None:
    """The file holds this person's decisions with name and plate, nobody else's; it is private and never replaced."""
    target = tmp_path / "person.jsonl"
    assert office.run("export", HERS, str(target)) == 0
    (told,) = [json.loads(line) for line in target.read_text().splitlines()]
    assert (told["name"], told["plate"], told["cti"], told["station"]) == (NAME, PLATE, HERS, STATION)
    assert target.stat().st_mode & 0o777 == 0o600
    assert office.run("export", HERS, str(target)) == 1


def test_a_time_that_no_calendar_holds_costs_nobody_the_file(office: Office, tmp_path: Path) -> None:
    """Such a decision is handed out without a time, after all that have one; those are in the order of their times."""
    text = next(text for text in office.batch.sealed if text)
    times = [10**18, 10**30, 1_700_000_000_000_000, -(10**18), 3, 253_402_300_799_999_999]
    raws = [
        events.encode(n, Instant(wall_us, n), "b", Kind.DECISION, {"cti": HERS, "sealed": "A" * 22, "zone": n})
        for n, wall_us in enumerate(times, 1)
    ]
    office.commit(chained(9, raws, [text] * len(raws)))
    target = tmp_path / "person.jsonl"
    assert office.run("export", HERS, str(target)) == 0
    told = [json.loads(line)["time"] for line in target.read_text().splitlines()]
    assert len(told) == len(times) + 1
    known = [time for time in told if time]
    assert known == sorted(known)
    assert known[0] == "1970-01-01T00:00:00.000003+00:00"
    assert told == [*known, None, None, None]


def test_no_payload_speaks_for_the_database_nor_breaks_the_file(office: Office, tmp_path: Path) -> None:
    """What an event calls time, station, name or plate is not taken for them; half a character is written as such."""
    raw = (
        b'[1,5,1,"b","trusted",0,"decision",{"cti":"%s","sealed":"AAAAAAAAAAAAAAAAAAAAAA","time":"now","station":"x",'
        b'"name":"x","odd":"\\ud800"}]' % HERS.encode()
    )
    told = rehoming.carried(8, 1, bytes(32), raw)  # carried over, because no batch holds half a character openly
    wrapped = events.encode(1, Instant(10**15, 1), "b", Kind.REHOMED, told)
    office.commit(chained(9, [wrapped], [next(text for text in office.batch.sealed if text)]))
    target = tmp_path / "person.jsonl"
    assert office.run("export", HERS, str(target)) == 0
    told = json.loads(target.read_text().splitlines()[0])
    assert len(target.read_text().splitlines()) == 2
    assert (told["time"][:4], told["station"], told["name"], told["odd"]) == ("1970", STATION, "", "\ud800")


def test_erasing_one_person_keeps_the_chain(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """Name and plate are gone for good, the other person's stay, and the same rows sent again are still the same."""
    assert office.run("erase", HERS) == 0
    assert "1 of 1" in capsys.readouterr().out
    assert office.run("find", "--plate", PLATE) == 0
    assert "nobody" in capsys.readouterr().out
    assert office.run("find", "--name", "王*") == 0
    assert HIS in capsys.readouterr().out
    assert not office.commit()
    assert office.run("find", "--plate", PLATE) == 0
    assert "nobody" in capsys.readouterr().out


def sealed_for(office: Office, cti: str) -> int:
    """Return beside how many events of a pass there is a sealed text."""
    return sum(known.sealed is not None and known.event.payload["cti"] == cti for known in office.store.with_fields())


def test_who_was_erased_stays_erased_when_a_card_is_carried_over(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """A restored card carries its rows into a new stream, and that into another one: nobody comes back by either."""
    assert office.run("erase", HERS) == 0
    office.commit(carried_over(office.batch, 2))
    office.commit(carried_over(carried_over(office.batch, 2), 3))
    capsys.readouterr()
    assert office.run("find", "--plate", PLATE) == 0
    assert "nobody" in capsys.readouterr().out
    assert (sealed_for(office, HERS), sealed_for(office, HIS)) == (0, 3)
    with office.store.reading() as db:
        c = tables.personal.c
        rows = db.execute(sa.select(c.text, c.erased_us).where(c.erased_us.is_not(None))).all()
    assert len(rows) == 3
    assert all(row.text is None for row in rows)


def test_who_was_erased_in_a_new_stream_alone_stays_erased_in_the_next(office: Office) -> None:
    """The stream in which the events were recorded never came: where they were carried to once names them as well."""
    never_came = chained(8, [bytes(raw) for raw in office.batch.events], office.batch.sealed)
    office.commit(carried_over(never_came, 2), "gate-2")
    assert office.run("erase", HERS) == 0
    office.commit(carried_over(never_came, 3), "gate-2")
    assert (sealed_for(office, HERS), sealed_for(office, HIS)) == (0, 3)


def test_only_the_same_event_is_erased_with_another(office: Office) -> None:
    """Other bytes under the same numbers, or another station's, are other events: their persons were not erased."""
    assert office.run("erase", HERS) == 0
    raws = [bytes(raw) for raw in office.batch.events]
    other_life = chained(office.batch.epoch, [raws[0].replace(b"boot-1", b"boot-2"), *raws[1:]], office.batch.sealed)
    assert bytes(other_life.events[0]) != raws[0]
    office.commit(carried_over(other_life, 2))
    office.commit(carried_over(office.batch, 3), "gate-2")
    assert sealed_for(office, HERS) == 2


def test_a_batch_without_carried_events_costs_no_question(office: Office) -> None:
    """Nearly every batch: what is sealed beside it is inserted, and nothing is looked up before."""
    asked = list[str]()
    with office.store.reading() as db:
        sa.event.listen(db, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))
        stream = db.execute(
            sa.insert(tables.stream).values(station=STATION, epoch=5, first_seen_us=1).returning(sa.text("id"))
        )
        asked.clear()
        raws = [bytes(raw) for raw in office.batch.events]
        fresh = [Fresh(stream.scalar_one(), 1, raws, wire.hashes(office.batch))]
        person_table.insert_personal(db, fresh[0].stream, office.batch, fresh)
    assert [statement.split()[0] for statement in asked] == ["INSERT"]


def test_another_offices_key_opens_nothing(office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a key that nothing was sealed for, nothing is said but how much stays shut."""
    stranger = PersonalKey(tmp_path / "elsewhere")
    stranger.create()
    office.key = stranger
    assert office.run("find", "--plate", PLATE) == 0
    said = capsys.readouterr().out
    assert "nobody" in said
    assert "2 events were sealed for another key" in said


def test_the_database_tells_no_name(office: Office) -> None:
    """What central stores without the offline key shows neither name nor plate."""
    stored = [known for known in office.store.with_fields() if known.sealed]
    assert len(stored) == 2
    for known in stored:
        assert known.event.kind == Kind.DECISION
        for part in (known.sealed.text, known.sealed.mark, msgspec.json.encode(known.event.payload)):
            assert NAME.encode() not in part
            assert PLATE.encode() not in part


@pytest.mark.parametrize(
    "sealed",
    [["AAAA"], ["A"] * 10_000, "one bad", ["!"], [base64.b64encode(bytes(300)).decode()]],
    ids=["too few", "too many", "no base64", "alphabet", "too long"],
)
def test_malformed_sealed_texts_are_refused(office: Office, sealed: list[str] | str) -> None:
    """A wrong count or a text that is none is a malformed message: counted, nothing of it stored, nothing raised."""
    texts = ["A" if n == 0 else "" for n in range(office.batch.n)] if isinstance(sealed, str) else sealed
    message = wire.encode_batch(msgspec.structs.replace(office.batch, sealed=texts))
    with pytest.raises(wire.WireError, match="malformed"):
        wire.decode_batch(message)
