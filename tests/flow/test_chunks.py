"""Status chunks, whole or by delta: only what comes out with exactly the named hash is used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest

from station.chunks import find
from station.config import Config, LaneConfig, PathsConfig, StationConfig
from station.config import TrustConfig as Trust
from station.core.model import Direction, Status
from station.core.status import PREFIX_BYTES, ChunkDelta, difference, write_deltas
from station.device_config import CameraConfig, DoorConfig, RelayConfig
from station.documents import Documents, Taken, Waiting
from station.inbox import Inbox
from station.journal import Journal
from station.records import open_documents
from station.schema import SYNC_DDL
from tests.core.issuing import INDEX, NOW, NOW_INSTANT, PASSES, ROOT_BYTES, ZONE, trust_raw
from tests.flow.lane_bench import SetClock
from tests.flow.signed_papers import chunk, status_raw

BASE, TARGET = chunk({5: Status.REVOKED}), chunk({5: Status.OK, INDEX: Status.REFER})
DELTA = write_deltas([difference(BASE, TARGET)])


def digest(content: bytes) -> bytes:
    """Return a chunk's name."""
    return hashlib.sha256(content).digest()


def found(wanted: bytes, *deltas: bytes, at_hand: tuple[bytes, ...] = ()) -> bytes | None:
    """Look for a chunk with some chunks at hand and some deltas arrived."""
    whole = {digest(content): content for content in at_hand}
    starting = {name[:PREFIX_BYTES]: content for name, content in whole.items()}
    return find(digest(wanted), whole.get, deltas, starting.get)


# --- finding ---------------------------------------------------------------------------------------------------------


def test_a_whole_chunk_is_found_by_its_hash():
    """What is at hand needs no delta."""
    assert found(TARGET, at_hand=(BASE, TARGET)) == TARGET
    assert found(TARGET, at_hand=(BASE,)) is None


def test_a_delta_on_a_base_at_hand_makes_the_chunk_exactly():
    """Every byte comes out as the office has it."""
    assert found(TARGET, DELTA, at_hand=(BASE,)) == TARGET


def test_without_the_base_there_is_no_chunk():
    """A delta alone, or on another chunk, makes nothing."""
    assert found(TARGET, DELTA) is None
    assert found(TARGET, DELTA, at_hand=(chunk(),)) is None


@pytest.mark.parametrize("at", range(0, len(DELTA), 3))
def test_a_damaged_delta_makes_nothing_or_the_right_thing(at):
    """With any byte changed, no chunk comes out, unless the change meant nothing; a good delta after it is used."""
    damaged = bytearray(DELTA)
    damaged[at] ^= 0x55
    assert found(TARGET, bytes(damaged), at_hand=(BASE,)) in (None, TARGET)
    assert found(TARGET, bytes(damaged), DELTA, at_hand=(BASE,)) == TARGET


def test_a_delta_that_lies_about_its_target_makes_nothing():
    """Only the whole hash in the signed manifest counts, not what the delta says of itself."""
    lie = ChunkDelta(digest(BASE)[:PREFIX_BYTES], digest(TARGET)[:PREFIX_BYTES], ((7, Status.REVOKED),))
    assert found(TARGET, write_deltas([lie]), at_hand=(BASE,)) is None


def test_one_message_carries_the_deltas_of_many_chunks():
    """Each chunk finds its own; one with a missing base does not stand in the way of another."""
    others = [chunk({number: Status.REVOKED}) for number in range(5)]
    made = [difference(chunk(), other) for other in others]
    message = write_deltas([difference(chunk({9: Status.REFER}), others[3]), *made])
    for other in others:
        assert found(other, message, at_hand=(chunk(),)) == other


def test_what_is_too_short_or_wrong_is_not_taken():
    """A file of the right name with the wrong content, or a base of the wrong size, makes nothing."""
    assert find(digest(TARGET), lambda _: BASE, (), lambda _: None) is None
    assert find(digest(b"short"), lambda _: b"short", (), lambda _: None) is None
    assert find(digest(TARGET), lambda _: None, [DELTA], lambda _: BASE[:10]) is None


# --- at the station --------------------------------------------------------------------------------------------------


class Station:
    """A station's documents over gate-sync's file, opened as the daemon opens them."""

    def __init__(self, folder: Path) -> None:
        self.sync = apsw.Connection(str(folder / "sync.db"))
        self.sync.execute(SYNC_DDL)
        camera = CameraConfig(source="v4l2:/dev/video0")
        lane = LaneConfig(id="in", direction=Direction.IN, camera=camera, door=DoorConfig(relay=RelayConfig(pin=17)))
        config = Config(
            station=StationConfig(id="east-1", gate="east", zone=ZONE),
            trust=Trust(roots=tuple(root.hex() for root in ROOT_BYTES)),
            lane=(lane,),
            paths=PathsConfig(state=folder, sync_state=folder, documents=folder / "documents"),
        )
        self.journal, self.inbox = Journal(folder, "boot-1"), Inbox(folder)
        self.documents: Documents = open_documents(config, self.journal, self.inbox, SetClock(NOW * 1_000_000))
        self.documents.offer("trust", trust_raw(), NOW_INSTANT)

    def arrive(self, kind: str, raw: bytes) -> None:
        """Let gate-sync receive something."""
        self.sync.execute(
            "INSERT INTO inbox(type, hash, raw, received_us) VALUES (?, ?, ?, 1)", (kind, digest(raw), raw)
        )

    def status(self, index: int) -> Status | None:
        """What the list in force says."""
        assert self.documents.statuses is not None
        return self.documents.statuses.lookup(PASSES.kid, index)

    def close(self) -> None:
        self.inbox.close()
        self.journal.close()
        self.sync.close()


@pytest.fixture
def station(tmp_path):
    """A station that has a base in force."""
    made = Station(tmp_path)
    made.arrive("status-chunk", BASE)
    assert made.documents.offer("status", status_raw(BASE), NOW_INSTANT) == Taken("status", 1)
    yield made
    made.close()


def test_a_manifest_takes_effect_by_a_delta(station):
    """The changes since the chunk that is at hand are all that travels; the list in force is the office's, exactly."""
    assert (station.status(5), station.status(INDEX)) == (Status.REVOKED, Status.OK)
    station.arrive("status-delta", DELTA)
    assert station.documents.offer("status", status_raw(TARGET, seq=2), NOW_INSTANT) == Taken("status", 2)
    assert (station.status(5), station.status(INDEX)) == (Status.OK, Status.REFER)
    assert station.documents.statuses.chunks == {digest(TARGET): TARGET}


def test_until_the_delta_comes_the_list_before_stays(station):
    """A manifest that came before its delta waits; what is in force goes on being used."""
    manifest = status_raw(TARGET, seq=2)
    assert station.documents.offer("status", manifest, NOW_INSTANT) == Waiting(1)
    assert station.status(5) is Status.REVOKED
    station.arrive("status-delta", DELTA)
    assert station.documents.retry(NOW_INSTANT) == [Taken("status", 2)]
    assert station.status(5) is Status.OK


def test_a_damaged_delta_leaves_the_manifest_waiting_until_a_whole_chunk_comes(station):
    """Damage is not recorded against anybody, changes nothing, and is mended by the chunk itself."""
    station.arrive("status-delta", DELTA[:-1])
    station.arrive("status-delta", b"\xff")
    assert station.documents.offer("status", status_raw(TARGET, seq=2), NOW_INSTANT) == Waiting(1)
    assert station.status(5) is Status.REVOKED
    station.arrive("status-chunk", TARGET)
    assert station.documents.retry(NOW_INSTANT) == [Taken("status", 2)]


def test_a_delta_on_a_base_that_never_came_waits(station):
    """A delta on a chunk that is not at hand makes nothing, and nothing is raised."""
    station.arrive("status-delta", write_deltas([difference(chunk({1: Status.REFER}), TARGET)]))
    assert station.documents.offer("status", status_raw(TARGET, seq=2), NOW_INSTANT) == Waiting(1)


def test_a_chunk_made_by_a_delta_is_kept(station, tmp_path):
    """After a restart without base and delta the list is still there: the made chunk stands in the journal's file."""
    station.arrive("status-delta", DELTA)
    station.documents.offer("status", status_raw(TARGET, seq=2), NOW_INSTANT)
    station.sync.execute("DELETE FROM inbox")
    again = Documents(station.journal, ROOT_BYTES, ZONE, lambda _: None, "east-1")
    assert again.statuses is not None
    assert again.statuses.lookup(PASSES.kid, INDEX) is Status.REFER
