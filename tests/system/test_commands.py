"""The commands, as a technician and an office clerk run them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from station.core.events import Kind
from station.core.model import Instant
from station.journal import Journal
from tests.demo.processes import command
from tests.demo.rig import Rig

ZONE = "320611001001"


def run(*line: str, **options) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands."""
    name, *arguments = line
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture
def office(tmp_path):
    """An office made with the commands alone."""
    folder = str(tmp_path / "office")
    for line in (
        ["keys", "roots"],
        ["keys", "issuer", "passes", "--role", "pass", "--class", "resident", "--zone", "3206"],
        ["keys", "issuer", "central", "--role", "policy", "--role", "status"],
        ["keys", "trust"],
    ):
        done = run("gate-central", *line, "--office", folder)
        assert done.returncode == 0, done.stderr
    return tmp_path / "office"


def issue(office: Path, out: Path, name: str) -> str:
    """Issue a resident's pass; return its text."""
    line = [
        "--key",
        "passes",
        "--class",
        "resident",
        "--zone",
        ZONE,
        "--name",
        "王*",
        "--out",
        str(out),
        "--file",
        name,
    ]
    done = run("gate-central", "pass", "issue", "--office", str(office), *line)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_decode_reads_every_issued_picture(office, tmp_path):
    """`decode` prints the text of every clean picture of a folder and ends with 0."""
    texts = [issue(office, tmp_path / "cards", f"pass-{number}") for number in range(2)]
    done = run("gate-station", "decode", str(tmp_path / "cards"))
    assert done.returncode == 0, done.stderr
    assert sorted(line.split(": ", 1)[1] for line in done.stdout.splitlines()) == sorted(texts)
    assert {path.suffix for path in (tmp_path / "cards").iterdir()} == {".png", ".svg", ".html"}


def test_decode_names_the_picture_without_a_code(office, tmp_path):
    """One picture without a code: the others are read, this one is named, the exit status is not 0."""
    text = issue(office, tmp_path / "cards", "pass")
    cv2.imwrite(str(tmp_path / "cards" / "empty.png"), np.full((200, 200), 255, np.uint8))
    (tmp_path / "cards" / "broken.png").write_bytes(b"no picture")
    done = run("gate-station", "decode", "--json", str(tmp_path / "cards"))
    assert done.returncode == 1
    rows = {Path(row["file"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["pass.png"]["texts"] == [text]
    assert rows["empty.png"]["texts"] == rows["broken.png"]["texts"] == []
    assert "empty.png" in run("gate-station", "decode", str(tmp_path / "cards")).stderr


def test_private_keys_are_readable_by_their_owner_alone(office):
    """No private key file of an office can be read by anybody else, and one that can is not used."""
    keys = [*office.glob("roots/*.key"), *office.glob("keys/*.key")]
    assert len(keys) == 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
    (office / "keys" / "passes.key").chmod(0o644)
    done = run(
        "gate-central",
        "pass",
        "issue",
        "--office",
        str(office),
        "--key",
        "passes",
        "--class",
        "resident",
        "--zone",
        ZONE,
    )
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


def test_a_pass_no_gate_would_take_is_not_handed_out(office, tmp_path):
    """A class outside the key's scope is refused at the office, not at the gate."""
    line = ["--key", "passes", "--class", "medic", "--zone", ZONE, "--out", str(tmp_path)]
    done = run("gate-central", "pass", "issue", "--office", str(office), *line)
    assert done.returncode == 1
    assert "pass-out-of-scope" in done.stderr


def test_a_policy_stations_would_refuse_is_not_signed(office, tmp_path):
    """An unknown fact is found at the desk, with its reason code and the rule's name."""
    source = Path(__file__).parents[2] / "docs" / "how-to" / "policies" / "compound.toml"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(source.read_text().replace("temperature = { eq", "mood = { eq", 1))
    done = run("gate-central", "policy", "sign", str(wrong), "--key", "central", "--office", str(office))
    assert done.returncode == 1
    assert "policy-unknown-fact" in done.stderr
    done = run("gate-central", "policy", "sign", str(source), "--key", "central", "--office", str(office))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def rig(tmp_path):
    """A prepared folder with configuration; nothing runs but the world."""
    made = Rig(tmp_path / "rig")
    made.office.issue()
    made.office.sign_status()
    made.start_world()
    yield made
    made.stop_all()


def configured(rig: Rig, *line: str, **options) -> subprocess.CompletedProcess[str]:
    """Run gate-station with the rig's configuration."""
    name, *rest = line
    return run("gate-station", name, "--config", str(rig.folder / "station.toml"), *rest, **options)


def test_check_config_names_the_path_of_a_mistake(rig):
    """A good file is called good; an unknown key is an error that names file and path."""
    assert configured(rig, "check-config").returncode == 0
    path = rig.folder / "station.toml"
    path.write_text(path.read_text().replace("[screen]", "[screen]\ncolour = 1"))
    done = configured(rig, "check-config")
    assert done.returncode == 2
    assert "colour" in done.stderr
    assert "$.screen" in done.stderr


def test_pass_show_takes_a_pass_apart(rig):
    """`pass show` prints the fields of a good pass and the reason and remedy for a bad one."""
    text = rig.office.issue(name="李*")
    good = configured(rig, "pass", "show", text)
    assert good.returncode == 0, good.stderr
    assert "李*" in good.stdout
    bad = configured(rig, "pass", "show", text[:-1])
    assert bad.returncode == 1
    assert "pass-" in bad.stdout


def test_export_writes_the_journal_and_notices_a_change(rig):
    """CSV and JSON lines hold every event; an event changed on disk stops the export with a remedy."""
    journal = Journal(rig.folder / "station", "boot-1")
    for number in range(3):
        journal.append(
            Kind.DECISION, {"lane": "in", "outcome": "deny", "reason": "pass-expired", "n": number}, Instant(1, 1)
        )
    rows = list(csv.DictReader(io.StringIO(configured(rig, "export").stdout)))
    assert [row["reason"] for row in rows] == ["pass-expired"] * 3
    lines = configured(rig, "export", "--format", "jsonl", "--since", "2").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [2, 3]
    journal.rows("UPDATE event SET raw = CAST(replace(CAST(raw AS TEXT), 'expired', 'revoked') AS BLOB) WHERE seq = 2")
    journal.close()
    done = configured(rig, "export")
    assert done.returncode == 1
    assert "event 2 was changed" in done.stderr


def test_doctor_finds_what_is_wrong_and_says_what_to_do(rig):
    """With a silent thermometer the doctor fails, names it, and every failure carries a remedy."""
    rig.face(36.0, fault="nack")
    done = configured(rig, "doctor", "--json")
    findings = {row["part"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not findings["thermometer in"]["good"]
    assert findings["camera in"]["good"], findings["camera in"]
    assert findings["guards"]["good"], findings["guards"]
    assert findings["clock"]["good"], findings["clock"]  # time.require_sync is false: the station believes it as well
    assert all(row["remedy"] for row in findings.values() if not row["good"])


def test_safe_outputs_leaves_every_relay_at_rest(rig):
    """`safe-outputs`, as systemd runs it after a crash, drives each relay to its de-energised level."""
    assert configured(rig, "safe-outputs").returncode == 0
    driven = {
        r["pin"]: r["level"] for r in rig.pin_records() if r.get("what") == "pin" and r.get("function") == "output"
    }
    assert (driven[17], driven[5]) == (0, 1)
