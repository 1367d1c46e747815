"""`gate-station policy`: check, explain and simulate, as a technician runs them, on real files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from station.core.credential import parse
from station.core.documents import TrustBundle, open_trust
from station.core.events import Kind
from station.core.model import Credential, Decision, Instant, Outcome, PassClass, Status
from station.core.policy_source import read_source
from station.core.reasons import Reason
from station.documents import Documents, Taken
from station.journal import Journal
from station.payloads import decision_payload, entered_payload
from tests.demo.office import GATE, ZONE, Office
from tests.demo.processes import command

POLICIES = Path(__file__).parents[2] / "docs" / "how-to" / "policies"
CONFIG = """
[station]
id = "gate-east-1"
gate = "{gate}"
zone = "{zone}"
[trust]
roots = [{roots}]
[paths]
state = "{folder}/station"
run = "{folder}/run"
sync_state = "{folder}/sync"
documents = "{folder}/office/documents"
guards = "{folder}/guards.toml"
[[lane]]
id = "in"
direction = "in"
camera = {{ source = "v4l2:/dev/video0" }}
thermometer = {{ bus = "i2c:1" }}
[lane.door]
relay = {{ pin = 17 }}
[[lane]]
id = "out"
direction = "out"
camera = {{ source = "v4l2:/dev/video1" }}
[lane.door]
relay = {{ pin = 5 }}
"""
SHADOWED = """
utc_offset_minutes = 480
[[rules]]
id = "all"
version = 1
outcome = "grant"
describe = { zh = "放行", en = "All pass" }
when = {}
[[rules]]
id = "night"
version = 1
outcome = "deny"
describe = { zh = "夜间关闭", en = "Closed at night" }
say = { zh = "请白天再来。", en = "Please come by day." }
when = { minute_of_day = { lt = 360 } }
"""


class Place:
    """An office and a station's configuration in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.office = folder, Office(folder / "office")
        roots = ", ".join(f'"{root}"' for root in self.office.roots)
        text = CONFIG.format(gate=GATE, zone=ZONE, folder=folder, roots=roots)
        (folder / "station.toml").write_text(text, encoding="utf-8")

    def run(self, *line: str) -> subprocess.CompletedProcess[str]:
        """Run `gate-station policy` with this configuration."""
        action = command("gate-station", "policy", "--config", str(self.folder / "station.toml"), *line)
        return subprocess.run(action, capture_output=True, text=True, timeout=60, check=False)

    def explain(self, text: str, *line: str) -> str:
        """Explain a pass; return what is said."""
        done = self.run("explain", text, *line)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, text: str) -> Credential:
        """Read a pass as the station reads it."""
        roots = [bytes.fromhex(root) for root in self.office.roots]
        trust = open_trust((self.office.shelf.folder / "trust.cose").read_bytes(), roots)
        assert isinstance(trust, TrustBundle), trust
        holder = parse(text, trust)
        assert isinstance(holder, Credential), holder
        return holder

    def journal(self) -> Journal:
        """Open the station's journal."""
        return Journal(self.folder / "station", "boot-1")

    def take_into_force(self, journal: Journal) -> None:
        """Let the office's documents take effect, as a station does it."""
        roots = [bytes.fromhex(root) for root in self.office.roots]
        chunks = {hashlib.sha256(chunk).digest(): chunk for _, chunk in self.office.shelf.chunks()}
        documents = Documents(journal, roots, ZONE, chunks.get)
        for kind in ("trust", "policy", "status"):
            raw = (self.office.shelf.folder / f"{kind}.cose").read_bytes()
            taken = documents.offer(kind, raw, Instant(time.time_ns() // 1000, 1))
            assert isinstance(taken, Taken), taken


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An office with the compound's policy, and a station that never ran."""
    return Place(tmp_path)


# --- lint ------------------------------------------------------------------------------------------------------------


def test_lint_ends_well_for_what_is_shipped(place):
    """Every shipped policy in one call: exit status 0, one summary each, and nothing but notes."""
    files = [str(path) for path in sorted(POLICIES.glob("*.toml"))]
    done = place.run("lint", *files, "--quiet")
    assert done.returncode == 0, done.stdout
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == files
    assert all(" 0 errors, 0 warnings" in line for line in done.stdout.splitlines())


def test_lint_reads_source_json_and_signed_documents(place):
    """The same mistake is found in TOML, in JSON and in the signed document; the exit status is 1."""
    source = place.folder / "shadowed.toml"
    source.write_text(SHADOWED, encoding="utf-8")
    fields = read_source(SHADOWED, as_json=False)
    (place.folder / "shadowed.json").write_text(json.dumps(fields), encoding="utf-8")
    now = int(time.time())
    place.office.shelf.sign_policy(fields, place.office.central, (now, now + 3600))
    for path in (source, source.with_suffix(".json"), place.office.shelf.folder / "policy.cose"):
        done = place.run("lint", str(path))
        assert done.returncode == 1, done.stdout
        assert f"{path}: error unreachable: night: it can never fire: all (grant) comes first" in done.stdout
        assert f"{path}: 2 rules, 1 errors, 0 warnings" in done.stdout


def test_lint_names_what_cannot_be_read(place):
    """A missing file, a broken one, one a station refuses, a document of another kind: each is told, none raises."""
    broken, refused = place.folder / "broken.toml", place.folder / "refused.toml"
    broken.write_text("rules = [", encoding="utf-8")
    refused.write_text(SHADOWED.replace("minute_of_day", "mood"), encoding="utf-8")
    trust = place.office.shelf.folder / "trust.cose"
    done = place.run("lint", str(place.folder / "absent.toml"), str(broken), str(refused), str(trust))
    assert done.returncode == 1
    assert done.stderr == ""
    said = [line for line in done.stdout.splitlines() if " error " in line]
    assert len(said) == 4
    assert "absent.toml: cannot be read" in said[0]
    assert "broken.toml" in said[1]
    assert "policy-unknown-fact" in said[2]
    assert "unreadable" in said[3]


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_goes_by_the_documents_folder(place):
    """For a station that never ran: the rule that fires, and for each before it the condition that is not met."""
    text = place.office.issue()
    place.office.sign_status()
    said = place.explain(text)
    assert "outcome   measure, reason measure-first, rule measure-coming" in said
    first = next(line for line in said.splitlines() if "quarantine-leaving (deny): no, " in line)
    assert "direction is in, asked: out" in first
    assert "status is ok, asked: home-quarantine" in first
    assert "measure-coming (measure): FIRES" in said
    assert "Look at the sensor" in said
    assert "rule welcome" in place.explain(text, "--temperature", "normal")
    assert "rule fever" in place.explain(text, "--temperature", "raised")
    assert "王" not in said


def test_explain_with_assumptions(place):
    """Direction, status, time, second pass, facts and another policy are assumed as they are named."""
    text = place.office.issue(PassClass.VISITOR)
    place.office.sign_status()
    leaving = place.explain(text, "--direction", "out", "--status", "home-quarantine")
    assert "outcome   deny, reason home-quarantine, rule quarantine-leaving" in leaving
    visitors = ["--policy", str(POLICIES / "visitors.toml"), "--at", _tomorrow("10:00")]
    assert "rule resident-fetches" in place.explain(text, *visitors)
    assert "rule visitors-with-resident" in place.explain(text, *visitors, "--escort", "resident")
    assert "rule visitors-once" in place.explain(text, *visitors, "--fact", "passback=violation")
    assert "rule visitors-by-day" in place.explain(text, *visitors[:2], "--at", _tomorrow("22:00"))
    lost = place.explain(text, *visitors, "--fact", "clock=lost")
    assert "check     check:clock decides; no rule is asked" in lost


def _tomorrow(clock: str) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + 86_400))
    return f"{day}T{clock}"


def test_explain_tells_what_the_station_itself_refuses(place):
    """An expired pass is refused by a check, a damaged text before that; both are told with the reason."""
    expired = place.office.issue(days=(-2, -1))
    place.office.sign_status()
    assert "check:expired decides; no rule is asked" in place.explain(expired)
    done = place.run("explain", expired[:-1])
    assert done.returncode == 1
    assert "the text is no pass that can be judged" in done.stdout


def test_explain_refuses_what_it_does_not_understand(place):
    """A fact that does not exist, and a policy that cannot be read, end with a message and exit status 1."""
    text = place.office.issue()
    for line, says in (
        (["--fact", "mood=good"], "no fact 'mood'"),
        (["--at", "tomorrow"], "not a time"),
        (["--policy", "absent.toml"], "absent.toml: cannot be read"),
    ):
        done = place.run("explain", text, *line)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr


def test_explain_goes_by_what_is_in_force(place):
    """A running station's documents come before those of the folder, unless the folder is named."""
    text = place.office.issue()
    place.office.sign_status()
    journal = place.journal()
    place.take_into_force(journal)
    place.office.sign_policy("control")
    try:
        assert "rule welcome" in place.explain(text, "--direction", "out")
        folder = str(place.office.shelf.folder)
        assert "rule zone-closed-to-leaving" in place.explain(text, "--direction", "out", "--documents", folder)
    finally:
        journal.close()


# --- simulate --------------------------------------------------------------------------------------------------------


def test_simulate_says_whose_outcome_would_change(place):
    """A closure tried on a journal of the open zone: residents who left would have been denied, medics not."""
    journal, now = place.journal(), Instant(time.time_ns() // 1000, 1)
    people = [place.office.issue(kind) for kind in (PassClass.RESIDENT, PassClass.MEDIC)]
    place.office.sign_status()
    place.take_into_force(journal)
    seqs = []
    for text in people:
        holder = place.read(text)
        decision = Decision(Outcome.GRANT, Reason.GRANTED, "welcome", credential=holder)
        seqs.append(journal.append(Kind.DECISION, decision_payload("out", "out", decision), now))
        journal.append(Kind.PASSAGE, entered_payload("out", seqs[-1], "out", (holder,)), now)
    journal.close()
    compound = (POLICIES / "compound.toml").read_text(encoding="utf-8")
    closed = place.folder / "closed.toml"
    closed.write_text(compound.replace('= "precaution"', '= "control"'), encoding="utf-8")
    for where in (place.folder / "station", place.folder / "station" / "journal.db"):
        done = place.run("simulate", "--journal", str(where), "--policy", str(closed))
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len([line for line in lines if line.startswith("seq ")]) == 1
        assert lines[0].startswith(f"seq {seqs[0]}  ")
        assert lines[0].endswith("resident  out  changes: grant/welcome -> deny/zone-closed-to-leaving")
        assert lines[1] == "2 decisions: 1 stay, 1 change, 0 may change"
    later = place.run("simulate", "--journal", str(where), "--policy", str(closed), "--since", str(seqs[1]))
    assert later.stdout.splitlines()[0] == "1 decisions: 1 stay, 0 change, 0 may change"
    same = place.run("simulate", "--journal", str(where), "--policy", str(POLICIES / "compound.toml"))
    assert same.stdout.splitlines() == ["2 decisions: 2 stay, 0 change, 0 may change"]


def test_simulate_names_a_journal_it_cannot_read(place):
    """A file of another name, and a folder without a journal, end with a message and exit status 1."""
    other = place.folder / "yesterday.db"
    other.write_bytes(b"")
    for where, says in ((other, "name the folder that holds journal.db"), (place.folder, "cannot be read")):
        done = place.run("simulate", "--journal", str(where), "--policy", str(POLICIES / "office.toml"))
        assert done.returncode == 1
        assert says in done.stderr


def test_status_words_are_those_of_the_list(place):
    """Every status can be assumed, and "revoked" ends at the station's own check."""
    text = place.office.issue()
    for status in Status:
        said = place.explain(text, "--status", status.name.lower().replace("_", "-"))
        assert ("check:revoked decides" in said) == (status is Status.REVOKED)
