"""What the doctor says of clock and documents is what the station says of them: the same judges, asked the same way."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import station.clock
from station.config import Config, parse
from station.core.model import ClockState, Instant
from station.doctor import examination
from station.doctor.findings import Finding
from station.journal import FILE
from station.papers import paper_ailments
from station.wording import text
from tests.core.issuing import CENTRAL, DAY_S, NOW, ROOT_BYTES, STRANGER, ZONE, key_row, key_rows, trust_raw
from tests.core.succeeding import STATION
from tests.flow.held_documents import CHUNK, Keeper, policy_raw
from tests.flow.signed_papers import status_raw

TOML = """
station = {{ id = "{station}", gate = "east", zone = "{zone}" }}
trust.roots = [{roots}]
paths = {{ state = "{folder}/state", sync_state = "{folder}/sync", documents = "{folder}/documents" }}
time.require_sync = {require_sync}
[[lane]]
id = "in"
direction = "in"
camera.source = "v4l2:/dev/video0"
door.relay.pin = 17
"""


@pytest.fixture
def machine(monkeypatch) -> SimpleNamespace:
    """The machine's clocks: at NOW, synchronised, without a real-time clock, unless the test says otherwise."""
    made = SimpleNamespace(synced=True, from_rtc=False, now_s=NOW)
    clocks = SimpleNamespace(time_ns=lambda: made.now_s * 1_000_000_000, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr(station.clock, "time", clocks)
    monkeypatch.setattr(station.clock, "kernel_synced", lambda: made.synced)
    monkeypatch.setattr(station.clock, "set_from_rtc", lambda: made.from_rtc)
    return made


@pytest.fixture
def keeper(tmp_path):
    """A station that has run, with nothing in force."""
    made = Keeper(tmp_path / "state")
    yield made
    made.journal.close()


def configured(folder: Path, *, require_sync: bool = True) -> Config:
    """A station whose files are in `folder`."""
    roots = ", ".join(f'"{root.hex()}"' for root in ROOT_BYTES)
    wanted = str(require_sync).lower()
    return parse(TOML.format(station=STATION, zone=ZONE, roots=roots, folder=folder, require_sync=wanted))


def finding(config: Config, part: str) -> Finding:
    """What the doctor says of clock or documents."""
    return next(one for one in examination.papers(config) if one.part == part)


def provision(folder: Path, **files: bytes) -> None:
    """Put files into the folder of provisioned documents, and the status chunk beside them."""
    documents = folder / "documents"
    (documents / "chunks").mkdir(parents=True, exist_ok=True)
    (documents / "chunks" / f"{hashlib.sha256(CHUNK).hexdigest()}.bin").write_bytes(CHUNK)
    for name, raw in files.items():
        (documents / f"{name}.cose").write_bytes(raw)


def expect_ailments(found: Finding, *keys: str) -> None:
    """It fails for these ailments alone, in both languages, with the station's remedies."""
    assert not found.good
    assert [part.strip() for part in found.found.split(";")] == [
        f"{text(key)['zh']} / {text(key)['en']}" for key in keys
    ]
    for key in keys:
        assert all(words in found.remedy for words in text(key, "next").values())


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("synced", "from_rtc", "require_sync"),
    [(True, False, True), (False, True, True), (False, False, False)],
    ids=["ntp", "rtc", "believed"],
)
def test_a_clock_that_the_station_trusts_is_good(tmp_path, machine, synced, from_rtc, require_sync):
    """Synchronised, set from a real-time clock, or believed by configuration: the doctor trusts it too."""
    machine.synced, machine.from_rtc = synced, from_rtc
    found = finding(configured(tmp_path, require_sync=require_sync), "clock")
    assert found.good, found


def test_a_clock_without_any_voucher_fails(tmp_path, machine):
    """Nothing vouches for it: the doctor says what the guard's screen says, and how to get the time."""
    machine.synced = False
    found = finding(configured(tmp_path), "clock")
    expect_ailments(found, "health-clock-lost")
    assert "timedatectl set-ntp true" in found.remedy
    assert "dtoverlay=i2c-rtc" in found.remedy


def test_a_clock_that_contradicts_the_documents_fails(tmp_path, machine, keeper):
    """A synchronised clock before the newest signed document is not believed by the station, nor by the doctor."""
    keeper.provide()
    assert finding(configured(tmp_path), "clock").good
    machine.now_s = NOW - DAY_S
    expect_ailments(finding(configured(tmp_path), "clock"), "health-clock-lost")


def test_a_real_time_clock_that_fell_back_fails(tmp_path, machine, keeper):
    """A dead battery: the journal knows a later time than the real-time clock."""
    keeper.provide()
    machine.synced, machine.from_rtc, machine.now_s = False, True, NOW - 30
    expect_ailments(finding(configured(tmp_path), "clock"), "health-clock-lost")


# --- documents -------------------------------------------------------------------------------------------------------


def test_documents_in_force_are_good(tmp_path, machine, keeper):
    """All three are in force, from the journal alone: which they are is told."""
    keeper.provide()
    found = finding(configured(tmp_path), "documents")
    assert found.good, found
    assert found.found == "trust 1, policy 1, status 1"


def test_a_station_that_ran_without_documents_fails(tmp_path, machine, keeper):
    """A journal is no proof of documents: each that is absent is named, with the station's remedy."""
    expect_ailments(finding(configured(tmp_path), "documents"), "health-trust", "health-policy", "health-status")
    keeper.offer("trust", trust_raw())
    keeper.offer("policy", policy_raw())
    expect_ailments(finding(configured(tmp_path), "documents"), "health-status")


def test_withdrawn_documents_fail(tmp_path, machine, keeper):
    """The bundle no longer names the key that signed them: the doctor says so of each."""
    keeper.provide()
    keeper.offer("trust", trust_raw([row for row in key_rows() if row["kid"] != CENTRAL.kid], seq=2))
    expect_ailments(finding(configured(tmp_path), "documents"), "health-policy-withdrawn", "health-status-withdrawn")


def test_documents_out_of_date_fail(tmp_path, machine, keeper):
    """After a day without a status list, and after the policy's end, each is named; the station says the same."""
    keeper.provide()
    machine.now_s = NOW + DAY_S + 3600
    expect_ailments(finding(configured(tmp_path), "documents"), "health-status-stale")
    machine.now_s = NOW + 31 * DAY_S
    expect_ailments(finding(configured(tmp_path), "documents"), "health-policy-stale", "health-status-stale")
    running = paper_ailments(keeper.documents, Instant(machine.now_s * 1_000_000, 0, ClockState.TRUSTED))
    assert {part for part, ailment in running.items() if ailment} == {"policy", "status-list"}


@pytest.mark.parametrize("ran", [False, True], ids=["new", "ran"])
def test_provisioned_files_count_as_at_the_next_start(tmp_path, machine, ran):
    """What lies in the folder will be in force once the station starts: nothing is left to be copied.

    The doctor writes nothing: no journal is made, and one that is there stays as it was.
    """
    if ran:
        Keeper(tmp_path / "state").journal.close()
    journal = tmp_path / "state" / FILE
    before = journal.read_bytes() if ran else b""
    provision(tmp_path, trust=trust_raw(), policy=policy_raw(), status=status_raw(CHUNK))
    found = finding(configured(tmp_path), "documents")
    assert found.good, found
    assert (journal.read_bytes() if ran else b"") == before
    assert journal.exists() == ran


def test_files_that_the_station_will_refuse_are_no_documents(tmp_path, machine):
    """Three files are not enough: a bundle of other roots is none, and nothing it would vouch for is in force."""
    strange = trust_raw([key_row(CENTRAL, ["policy", "status"])], signers=(STRANGER, CENTRAL))
    provision(tmp_path, trust=strange, policy=policy_raw(), status=status_raw(CHUNK))
    expect_ailments(finding(configured(tmp_path), "documents"), "health-trust", "health-policy", "health-status")


def test_a_journal_that_cannot_be_read_holds_nothing(tmp_path, machine):
    """A damaged journal is set aside at the next start; then only the folder counts."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_bytes(b"no database" * 1000)
    expect_ailments(finding(configured(tmp_path), "documents"), "health-trust", "health-policy", "health-status")
    provision(tmp_path, trust=trust_raw(), policy=policy_raw(), status=status_raw(CHUNK))
    assert finding(configured(tmp_path), "documents").good
