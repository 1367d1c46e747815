"""News of the site's other gates: from gate-sync's file, verified, into the register."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import apsw
import pytest

from station.config import StationConfig
from station.core import cose
from station.core.model import ClockState, Direction, Instant
from station.core.passback import Passage, Peers
from station.core.peers import MOST_PASSAGES, payload
from station.inbox import Inbox
from station.journal import Journal
from station.register import Register
from station.schema import SYNC_DDL
from station.site_news import SiteNews
from sync.central.keys import SigningKey
from tests.core.issuing import CENTRAL, NOW, NOW_INSTANT, PASSES, TRUST, ZONE, credential, passage

PERSON = credential()
HERE = StationConfig(id="east-1", gate="east", zone=ZONE, site="garden")
OUT = Direction.OUT


def at(seconds: float) -> Instant:
    """Return a moment so much after NOW."""
    step = round(seconds * 1e6)
    return replace(NOW_INSTANT, wall_us=NOW_INSTANT.wall_us + step, mono_us=NOW_INSTANT.mono_us + step)


class Site:
    """gate-sync's file, and a station that reads it."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.database = apsw.Connection(str(folder / "sync.db"))
        self.database.execute(SYNC_DDL)
        self.journal = Journal(folder, "boot-1")
        self.restart()

    def restart(self, station: StationConfig = HERE) -> None:
        """Let the station begin anew over the same file."""
        self.register = Register(self.journal, has_peers=station.site is not None)
        self.news = SiteNews(Inbox(self.folder), self.register, station)

    def tell(
        self,
        passages: Sequence[Passage] = (),
        issued: float = NOW,
        site: str = "garden",
        key: SigningKey = CENTRAL,
        raw: bytes | None = None,
    ) -> None:
        """Let a notice arrive."""
        signed = cose.sign1(payload(site, int(issued), passages), key.kid, key.private) if raw is None else raw
        self.database.execute("INSERT INTO peer(raw, received_us) VALUES (?, 1)", (signed,))

    def read(self, now: Instant = NOW_INSTANT) -> Peers:
        """Let the station look, as it does once a second; return how it stands with the other gates."""
        self.news.read(TRUST, now)
        return self.peers(now)

    def peers(self, now: Instant = NOW_INSTANT) -> Peers:
        return self.register.history(PERSON, now).peers

    def ways(self, now: Instant = NOW_INSTANT) -> list[Direction]:
        """The person's passages as the station knows them."""
        return [passage.direction for passage in self.register.history(PERSON, now).own]


@pytest.fixture
def site(tmp_path):
    """A station that has looked once, and found nothing."""
    made = Site(tmp_path)
    made.read()
    yield made
    made.journal.close()
    made.database.close()


def test_a_notice_becomes_passages_and_the_site_is_heard_from(site):
    """A verified notice that arrives while the station runs counts, and says that the others are heard from."""
    assert site.peers() is Peers.UNHEARD
    site.tell([passage(OUT, NOW - 60)])
    assert site.read() is Peers.HEARD
    assert site.ways() == [OUT]


def test_an_empty_notice_is_enough_to_be_heard(site):
    """That nobody passed elsewhere is what the station needs to know."""
    site.tell()
    assert site.read() is Peers.HEARD
    assert site.ways() == []


def test_after_fifteen_minutes_without_a_notice_nobody_is_heard(site):
    """The quarter of an hour counts from the last notice."""
    site.tell()
    site.read()
    site.tell(issued=NOW + 600)
    assert site.read(at(600)) is Peers.HEARD
    assert site.read(at(600 + 900)) is Peers.HEARD
    assert site.read(at(600 + 901)) is Peers.UNHEARD


def test_what_lay_there_at_start_is_known_but_nobody_is_heard(site):
    """After a restart the passages of eight days are read anew; whether the others are there, the next notice tells."""
    site.tell([passage(OUT, NOW - 60)])
    site.read()
    site.restart()
    assert site.read() is Peers.UNHEARD
    assert site.ways() == [OUT]
    site.read()
    site.tell()
    assert site.read() is Peers.HEARD


def test_many_notices_are_read_a_few_at_a_time_to_the_end(site):
    """Hundreds of notices at start do not hold up the gate, and all are read; hearing begins after the last."""
    for number in range(200):
        site.tell([passage(OUT, NOW - 1000 + number)])
    site.restart()
    looks = 0
    while len(site.ways()) < 200:
        assert site.read() is Peers.UNHEARD
        looks += 1
    assert looks == 4


def test_full_notices_are_read_by_threes(site):
    """One takes as long as dozens of small ones: the eight days of a large site do not hold up the gate either."""
    people = [passage(OUT, NOW - 60)] * (MOST_PASSAGES - 1)
    for number in range(8):
        site.tell([passage(OUT, NOW - 1000 + number), *people])
    site.restart()
    known = list[int]()
    for _ in range(4):
        assert site.read() is Peers.UNHEARD
        known.append(len({one.wall_us for one in site.register.history(PERSON, NOW_INSTANT).own}) - 1)
    assert known == [3, 6, 8, 8]


@pytest.mark.parametrize("age_s", [901, 86_400, -901])
def test_an_old_notice_handed_out_again_is_not_hearing(site, age_s):
    """A notice signed long ago tells of its passages; that it arrives now does not mean that the others are there."""
    site.tell([passage(OUT, NOW - 60)], issued=NOW - age_s)
    assert site.read() is Peers.UNHEARD
    assert site.ways() == [OUT]


def test_without_the_time_nobody_is_heard(site):
    """A station whose clock is lost cannot tell an old notice from a new one."""
    site.tell()
    assert site.read(replace(NOW_INSTANT, state=ClockState.LOST)) is Peers.UNHEARD


@pytest.mark.parametrize(
    "wrong",
    [{"site": "harbour"}, {"key": PASSES}, {"raw": b""}, {"raw": b"\xff" * 100}, {"raw": cose.encode([])}],
    ids=["another site", "another role", "empty", "rubbish", "unsigned"],
)
def test_a_wrong_notice_is_passed_over_and_the_next_is_read(site, wrong, caplog):
    """Nothing of it is believed, the log says so once, and it does not stand in the way of a good one."""
    for _ in range(3):
        site.tell([passage(OUT, NOW - 60)], **wrong)
    assert site.read() is Peers.UNHEARD
    assert site.ways() == []
    assert len(caplog.records) == 1
    site.tell()
    assert site.read() is Peers.HEARD


def test_before_the_first_trust_bundle_notices_wait(site):
    """Without keys nothing can be verified: nothing is read, and nothing is lost."""
    site.tell([passage(OUT, NOW - 60)])
    site.news.read(None, NOW_INSTANT)
    assert site.ways() == []
    site.read()
    assert site.ways() == [OUT]


def test_an_only_gate_reads_nothing(site, caplog):
    """Without a site in the configuration whatever arrives is left alone."""
    site.restart(StationConfig(id="east-1", gate="east", zone=ZONE))
    site.tell([passage(OUT, NOW - 60)])
    assert site.read() is Peers.ALONE
    assert site.ways() == []
    assert caplog.records == []


def test_names_stay_out_of_the_log(site, caplog):
    """A refused notice is logged by its key, not by whom it tells of."""
    site.tell([passage(OUT, NOW - 60)], key=PASSES)
    site.read()
    assert PERSON.cti.hex() not in caplog.text
    assert PASSES.kid.hex() in caplog.text
