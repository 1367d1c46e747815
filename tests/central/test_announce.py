"""gate-central announce: what the office types reaches the gates, and what a gate would refuse is never signed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.core.documents import DocumentType
from tests.central.bureau import Bureau
from tests.central.test_office_to_gate import Town
from tests.sync.lab import ZONE, Broker, until

KIND = DocumentType.ANNOUNCEMENT
HERE = Path(__file__).parents[2]
SHIPPED = HERE / "docs" / "how-to" / "scenarios" / "announcements" / "testing-day.toml"
WORDS = ("--zh", "今天停水", "--en", "No water today")
ONLY_SIGN = ("--key", "speaker", "--no-publish")


def speaker(bureau: Bureau) -> Bureau:
    """Give the office a key that may announce, and nothing else."""
    bureau.run("keys", "issuer", "speaker", "--role", "announce", "--zone", "3206")
    bureau.run("keys", "trust")
    return bureau


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """An office with a key for announcements."""
    return speaker(Bureau(tmp_path / "office"))


@pytest.fixture
def town(tmp_path: Path, broker: Broker) -> Iterator[Town]:
    """A town whose central runs."""
    found = Town(tmp_path, broker)
    speaker(found.bureau)
    found.start_central()
    yield found
    found.stop()


def listed(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The ids that `announce list` prints."""
    capsys.readouterr()
    bureau.run("announce", "list")
    return [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]


def test_a_list_is_signed_and_added_to(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """`sign` replaces the list, `say` adds to it, `end` takes off; each makes the next number and is listed."""
    assert listed(bureau, capsys) == []
    bureau.run("announce", "sign", str(SHIPPED), *ONLY_SIGN)
    assert listed(bureau, capsys) == ["water-off", "testing"]
    bureau.run("announce", "sign", str(_source(bureau, "")), *ONLY_SIGN)
    bureau.run("announce", "say", "one", *WORDS, "--volume", "90", *ONLY_SIGN)
    bureau.run("announce", "say", "two", *WORDS, *ONLY_SIGN)
    assert listed(bureau, capsys) == ["one", "two"]
    bureau.run("announce", "end", "one", *ONLY_SIGN)
    assert listed(bureau, capsys) == ["two"]


def _source(bureau: Bureau, text: str) -> Path:
    path = bureau.folder / "source.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("say", "Water", *WORDS),
        ("say", "water", "--zh", "", "--en", "No water"),
        ("say", "water", *WORDS, "--volume", "101"),
        ("say", "water", *WORDS, "--hours", "0"),
        ("say", "there", *WORDS),
        ("end", "nothing"),
        ("sign", str(HERE / "nothing.toml")),
        ("sign", str(HERE / "pyproject.toml")),
    ],
)
def test_what_a_gate_would_refuse_is_not_signed(bureau: Bureau, words: tuple[str, ...]) -> None:
    """A wrong id, empty words, a wrong volume, no time, an id that is there, and no such thing: nothing is changed."""
    bureau.run("announce", "say", "there", *WORDS, *ONLY_SIGN)
    before = (bureau.folder / "documents" / "announcement.cose").read_bytes()
    assert bureau.status("announce", *words, *ONLY_SIGN) == 1
    assert (bureau.folder / "documents" / "announcement.cose").read_bytes() == before


def test_it_reaches_the_gates_of_its_scope(town: Town) -> None:
    """Through broker and gate-sync: a list for all reaches the gate, the next for another zone does not."""
    east = town.gate()
    town.publish()
    say = ("announce", "say", "--key", "speaker", "--config", str(town.config))
    town.bureau.run(*say, "one", *WORDS)
    until(lambda: east.holds(KIND, 1), what="the first list")
    town.bureau.run(*say, "two", *WORDS, "--scope", f"{ZONE[:-1]}9")
    town.bureau.run(*say, "three", *WORDS, "--scope", ZONE)
    until(lambda: east.holds(KIND, 3), what="the list of the zone")
    found = east.documents.announcements
    assert found is not None
    assert [item.id for item in found.items] == ["one", "two", "three"]
    assert found.items[0].words == {"zh": WORDS[1], "en": WORDS[3]}
    assert found.items[0].begins <= time.time() < found.items[0].ends
    refused = east.journal.rows("SELECT count(*) FROM event WHERE raw LIKE '%rollback%'")
    assert refused == [(0,)]


def test_a_technician_can_bring_it(town: Town) -> None:
    """A gate without a network takes the list from its folder of documents, after the trust bundle."""
    town.bureau.run("announce", "say", "one", *WORDS, *ONLY_SIGN)
    east = town.gate()
    documents = town.bureau.folder / "documents"
    east.provide(documents / "trust.cose", documents / "announcement.cose")
    east.restart()
    found = east.documents.announcements
    assert found is not None
    assert [item.id for item in found.items] == ["one"]
