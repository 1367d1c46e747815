"""Visitors' passes made at the gate: only with the office's word, only with a record, and good for this gate alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import Future
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

from station import visitor_key
from station.config import Config, LaneConfig, PathsConfig, StationConfig
from station.config import TrustConfig as Trust
from station.core import base45, scan
from station.core.credential import parse
from station.core.documents import kid_of
from station.core.events import Kind, decode
from station.core.model import Credential, Direction, PassClass, Rejected
from station.core.reasons import Reason
from station.device_config import CameraConfig, DoorConfig, RelayConfig
from station.guard_screen import VisitorAnswer, VisitorRequest
from station.recorder import Recorder
from station.reserve import Reserve
from station.visitor_desk import VisitorDesk
from station.visitor_key import FILE, VisitorKeyError
from station.wording import text
from tests.core.issuing import DAY_S, NOW, ROOT_BYTES, ZONE, rule
from tests.core.succeeding import STATION, delegation_raw
from tests.flow.held_documents import CHUNK, Keeper
from tests.flow.lane_bench import SetClock, fill_up
from tests.flow.signed_papers import NOW_US, papers, status_raw

GATE = "east"
BEGUN, ENDS = NOW - 60, NOW - 60 + DAY_S
"""When the delegation was signed, and until when it lasts."""


class Desk:
    """A station with a key of its own and, once `delegate` was called, the office's word for it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.keeper = Keeper(self.state)
        self.keeper.provide()
        self.clock = SetClock(NOW_US)
        self.recorder = Recorder(self.keeper.journal, Reserve(self.state, 1 << 20), lambda _fault: None)
        camera = CameraConfig(source="v4l2:/dev/video0")
        config = Config(
            station=StationConfig(id=STATION, gate=GATE, zone=ZONE),
            trust=Trust(roots=tuple(root.hex() for root in ROOT_BYTES)),
            lane=(LaneConfig(id="in", direction=Direction.IN, camera=camera, door=DoorConfig(RelayConfig(pin=17))),),
            paths=PathsConfig(state=self.state),
        )
        self.desk = VisitorDesk(config, self.keeper.documents, self.recorder, self.clock)

    def make_key(self) -> bytes:
        """Make the station's key; return the public half."""
        return visitor_key.create(self.state).public_key().public_bytes_raw()

    def delegate(self, public: bytes, **changes: object) -> None:
        """Let the office's delegation for a key arrive."""
        self.keeper.offer("delegation", delegation_raw(pub=public, **changes))

    def issue(self, name: str = "张*", hours: float = 4.0) -> VisitorAnswer:
        """Ask for a pass as the guard screen does."""
        return self.desk.issue(VisitorRequest("li", name, hours, Future()))

    def issued(self) -> list[dict[str, object]]:
        """The recorded passes."""
        events = [decode(raw) for _, raw in self.keeper.journal.last(100)]
        return [dict(event.payload) for event in events if event.kind == Kind.ISSUED]

    def close(self) -> None:
        self.recorder.close()


@pytest.fixture
def bare(tmp_path):
    """A station without key and without delegation."""
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(bare):
    """A station whose key the office has delegated to."""
    bare.delegate(bare.make_key())
    return bare


def read(desk: Desk, answer: VisitorAnswer) -> Credential:
    """Read the pass of an answer at the station that made it."""
    assert answer.code is not None, answer.text
    verdict = scan.read(answer.code, desk.keeper.documents.trust, ZONE)
    assert isinstance(verdict, Credential), verdict
    return verdict


def refuses(desk: Desk, key: str) -> None:
    """Ask for a pass that must not be made: the guard is told why in both languages, and nothing is recorded."""
    answer = desk.issue()
    assert (answer.code, answer.text) == (None, text(key))
    assert set(answer.text) == {"zh", "en"}
    assert desk.issued() == []


# --- issuing ---------------------------------------------------------------------------------------------------------


def test_a_visitor_gets_a_pass_for_this_gate(desk):
    """Class visitor, this zone, this gate, both ways, for the hours asked; the name is the guard's."""
    answer = desk.issue(hours=4)
    assert answer.text == text("answer-issued")
    credential = read(desk, answer)
    assert (credential.pass_class, credential.home_zone, credential.gates) == (PassClass.VISITOR, ZONE, {GATE})
    assert credential.directions == frozenset(Direction)
    assert (credential.not_before, credential.expires, answer.expires) == (NOW, NOW + 4 * 3600, NOW + 4 * 3600)
    assert credential.name == "张*"
    assert credential.status_index is None
    assert credential.extra_zones == frozenset()


def test_the_journal_knows_the_pass_and_not_the_name(desk):
    """Who issued which pass until when is recorded; the visitor's name is on the pass alone."""
    credential = read(desk, desk.issue())
    assert desk.issued() == [
        {
            "cti": credential.cti.hex(),
            "kid": credential.kid.hex(),
            "class": "visitor",
            "exp": credential.expires,
            "operator": "li",
        }
    ]
    assert "张".encode() not in b"".join(raw for _, raw in desk.keeper.journal.last(100))


def test_each_pass_is_another(desk):
    """Two visitors with the same name have two passes."""
    assert read(desk, desk.issue()).cti != read(desk, desk.issue()).cti


def test_a_pass_without_a_name_is_one(desk):
    """The masked name is optional."""
    assert read(desk, desk.issue(name="")).name == ""


@pytest.mark.parametrize(
    ("at", "hours", "expires"),
    [(NOW, 24, ENDS), (NOW, 100, ENDS), (NOW + DAY_S - 1000, 4, ENDS), (NOW, 0.5, NOW + 1800)],
)
def test_no_pass_reaches_beyond_the_delegation(desk, at, hours, expires):
    """However many hours are asked for, the pass ends with the delegation at the latest: it would not be believed."""
    desk.clock.move(at - NOW)
    answer = desk.issue(hours=hours)
    assert answer.expires == expires
    assert read(desk, answer).expires == expires


def test_a_clock_a_little_behind_the_office_makes_a_valid_pass(bare):
    """A delegation signed a minute ahead of the station's clock: the pass begins with it, and is believed."""
    bare.delegate(bare.make_key(), iat=NOW + 60, exp=NOW + 3600)
    assert read(bare, bare.issue()).not_before == NOW + 60


def test_no_other_station_believes_it(desk, tmp_path):
    """The pass is good here alone: a station with the same bundle knows no such issuer."""
    answer = desk.issue()
    other = Keeper(tmp_path / "other")
    other.provide()
    verdict = parse(str(answer.code), other.documents.trust)
    other.journal.close()
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.PASS_UNKNOWN_ISSUER


def test_the_pass_opens_the_gate_and_another_ones_does_not(desk, make_lane):
    """At a lane of this gate the visitor is granted by a rule for visitors."""
    visitors = rule(id="visitors", when={"class": {"eq": "visitor"}})
    answer = desk.issue()
    lane = make_lane(papers(visitors))
    lane.documents.trust = desk.keeper.documents.trust  # the lane's own documents hold no delegation
    assert lane.pass_with(answer.code) == ("grant", "granted")


# --- refusing --------------------------------------------------------------------------------------------------------


def test_without_a_delegation_no_pass(bare):
    """A key alone is good for nothing."""
    bare.make_key()
    refuses(bare, "answer-no-delegation")


def test_without_a_key_no_pass(bare):
    """A delegation for a key that is not here any more: the technician makes a new one."""
    public = bare.make_key()
    (bare.state / FILE).unlink()
    bare.delegate(public)
    refuses(bare, "answer-no-visitor-key")


def test_a_key_that_others_could_read_is_not_used(desk):
    """A file that is readable by anybody else counts as given away."""
    (desk.state / FILE).chmod(0o640)
    refuses(desk, "answer-no-visitor-key")


def test_a_new_key_needs_a_new_delegation(desk):
    """The delegation names the old key: nothing is signed with the new one until the office has seen it."""
    public = desk.make_key()
    refuses(desk, "answer-no-delegation")
    desk.delegate(public, seq=2)
    assert desk.issue().code is not None


@pytest.mark.parametrize(("left_s", "good"), [(301, True), (300, True), (299, False)])
def test_a_delegation_about_to_end_makes_no_pass(desk, left_s, good):
    """A pass for less than five minutes helps no visitor."""
    desk.clock.move(ENDS - left_s - NOW)
    assert (desk.issue().code is not None) is good


@pytest.mark.parametrize("who", ["own", "issuer"])
def test_a_withdrawn_key_makes_no_pass(desk, who):
    """The status list withdraws the key, or the issuer that let the station have it: at once."""
    assert desk.keeper.documents.own_key is not None
    issuer = desk.keeper.documents.in_force["delegation"].signers[0]
    kid = desk.keeper.documents.own_key.kid if who == "own" else issuer
    desk.keeper.offer("status", status_raw(CHUNK, [kid], seq=2))
    refuses(desk, "answer-no-delegation")


def test_what_cannot_be_recorded_is_not_handed_out(desk):
    """On a full disk no pass is made."""
    fill_up(desk.recorder, desk.clock.now())
    refuses(desk, "answer-not-recorded")


# --- the key's file --------------------------------------------------------------------------------------------------


def test_the_key_is_in_a_file_its_owner_alone_can_read(tmp_path):
    """Whatever the umask, the file has mode 0600 from its first byte on, and a second key replaces the first."""
    before = os.umask(0)
    try:
        first = visitor_key.create(tmp_path).public_key()
    finally:
        os.umask(before)
    path = tmp_path / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert visitor_key.load(tmp_path).public_key() == first
    assert visitor_key.create(tmp_path).public_key() != first
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_a_left_over_of_a_crash_does_not_stand_in_the_way(tmp_path):
    """A half-written file beside the key, even one that others can read, is made anew."""
    beside = tmp_path / f".{FILE}.new"
    beside.write_bytes(b"half")
    beside.chmod(0o644)
    made = visitor_key.create(tmp_path)
    assert visitor_key.load(tmp_path).public_key() == made.public_key()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, b"", b"no key", "x25519"])
def test_what_is_no_key_is_told_with_the_next_step(tmp_path, content):
    """Absent, damaged, or a key of another kind: the message names the file and the command."""
    if content == "x25519":
        content = x25519.X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
        (tmp_path / FILE).chmod(0o600)
    with pytest.raises(VisitorKeyError, match=r"visitor\.key.*gate-station visitor-key new"):
        visitor_key.load(tmp_path)


def test_the_request_names_key_and_station(tmp_path):
    """What the office is asked to sign for: the public key and the station's id, in QR characters."""
    key = visitor_key.create(tmp_path)
    request = visitor_key.request(STATION, key)
    public = key.public_key().public_bytes_raw()
    assert request.startswith("EV1:")
    assert base45.decode(request[4:]) == public + STATION.encode()
    assert kid_of(public).hex() not in request
