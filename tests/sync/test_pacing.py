"""Every waiting time of the protocol, against its text: retransmission, pause, reconnects, and the socket's option."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from sync import config, mqtt
from sync.agent import Agent
from sync.config import BrokerConfig, TimersConfig
from sync.flights import Flights
from sync.pacing import Patience, Pause
from sync.store import SyncStore
from tests.sync.lab import Broker, Journal, free_port, sync_toml, until


def patience(**timers: float) -> Patience:
    """Patience with a known jitter."""
    return Patience(TimersConfig(**timers), random.Random(1))


def test_an_acknowledgement_is_awaited_for_five_seconds_or_four_round_trips() -> None:
    """Protocol: max(5 s, 4 x SRTT). A slow link gets more time, a fast one never less than 5 s."""
    waiting = patience()
    assert waiting.wait() == 5
    waiting.measured(0.1)
    assert waiting.wait() == 5
    slow = patience()
    for _ in range(100):
        slow.measured(3)
    assert slow.wait() == pytest.approx(12)


def test_repetitions_are_spread_over_the_whole_interval_up_to_five_minutes() -> None:
    """Protocol: full jitter, up to 5 min. Ten thousand stations never come back at one moment."""
    for doublings in (1, 2, 5, 6, 10, 400):
        waiting = patience()
        for _ in range(doublings):
            waiting.disappointed()
        waits = [waiting.wait() for _ in range(2000)]
        most = min(300, 5 * 2 ** min(doublings, 16))
        assert 5 <= min(waits) < 5 + (most - 5) * 0.01
        assert most - (most - 5) * 0.01 < max(waits) <= most
        middle = sum(wait < (5 + most) / 2 for wait in waits)
        assert 900 < middle < 1100, "spread evenly, not heaped at the end"
        waiting.rewarded()
        assert waiting.wait() == 5


def test_a_repeated_batch_measures_no_round_trip() -> None:
    """After a repetition nobody knows which of the two was answered (Karn's rule): the longer wait stays as well."""
    waiting = patience()
    flights = Flights(waiting)
    for mid, at in ((1, 0.0), (2, 5.0)):
        flights.start((1, 10), mid)
        flights.taken(mid, at)
        assert flights.give_up(at + 5.0) == (1, 10)
    flights.start((1, 10), 3)
    flights.taken(3, 10.0)
    assert flights.land([(1, 10)], 65.0)
    assert len({waiting.wait() for _ in range(10)}) > 1, "still the longer one"
    flights.start((11, 20), 4)
    flights.taken(4, 100.0)
    assert flights.land([(1, 20)], 101.5)
    assert waiting.wait() == 6, "four times that of the first that was sent once"


def test_a_backlog_behind_live_events_is_as_fresh_as_they_are() -> None:
    """What is older than what was sent last was not sent before for that: its round trip counts."""
    waiting = patience()
    waiting.disappointed()
    flights = Flights(waiting)
    for mid, span in enumerate([(101, 103), (1, 10), (11, 20), (104, 104)]):
        flights.start(span, mid)
        flights.taken(mid, 0.0)
    assert flights.land([(1, 10)], 3.0)
    assert waiting.wait() == 12
    assert flights._sent == [(1, 20), (101, 104)]


def test_a_round_trip_begins_when_the_broker_has_the_batch() -> None:
    """How long the link needed to carry it says nothing about central."""
    waiting = patience()
    flights = Flights(waiting)
    flights.start((1, 10), 1)
    assert (flights.due(), flights.unpubacked) == ([], 1)
    assert flights.give_up(10_000.0) is None
    flights.taken(1, 600.0)
    assert (flights.due(), flights.unpubacked) == ([605.0], 0)
    assert flights.land([(1, 10)], 602.0)
    assert waiting.wait() == 8


def test_the_pause_doubles_from_one_second_to_sixty() -> None:
    """Protocol: PUBACK reason 0x10 pauses 1 s, doubling to 60 s, and one message alone tries again."""
    pause, pauses, now = Pause(), [], 0.0
    for _ in range(9):
        pause = pause.after(now, 60)
        pauses.append(pause.until - now)
        assert pause.probing
        now = pause.until
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_spread_is_remembered_over_a_restart(tmp_path: Path, journal: Journal) -> None:
    """Protocol: the number is sent by central and remembered; the first connection after a start is spread too."""
    path = sync_toml(tmp_path, free_port())
    fresh = Agent(config.load(path))
    assert fresh._uplink.spread_s == 1.0
    fresh._goodbye()
    store = SyncStore(tmp_path / "sync")
    assert store.spread_s() is None
    store.set_spread_s(50.0)
    store.close()
    first_tries = []
    for _ in range(20):
        agent = Agent(config.load(path))
        assert agent._uplink.spread_s == 50.0
        first_tries.append(agent._connect_at)
        agent._goodbye()
    assert max(first_tries) - min(first_tries) > 10, "all stations of a town would start at one moment"


def test_reconnects_are_spread_as_central_says_then_exponentially(tmp_path: Path, journal: Journal) -> None:
    """Protocol: after a loss spread over central's number, then exponential with full jitter to 5 min."""
    path = sync_toml(tmp_path, free_port())
    path.write_text(path.read_text().replace("reconnect_max_s = 0.3", "reconnect_max_s = 300"))
    agent = Agent(config.load(path))
    agent._uplink.spread_s = 40.0
    drawn = list[float]()

    class Drawn(random.Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            drawn.append(b)
            return a

    agent._random = Drawn()
    agent._online = True
    for _ in range(12):
        agent._on_down("gone")
    assert drawn == [40.0, *(min(300.0, 2.0**n) for n in range(1, 12))]
    agent._goodbye()


def test_small_messages_are_not_held_back(broker: Broker) -> None:
    """TCP_NODELAY is set on the one kind of connection that station and collector both use."""
    said: list[object] = []
    link = mqtt.Link(
        mqtt.Settings("x", BrokerConfig(host="127.0.0.1", port=broker.port), True, 0, 10, 1000), said.append
    )
    link.start()
    until(lambda: any(isinstance(one, mqtt.Up) for one in said), what="the connection")
    connected = link._client.socket()
    assert isinstance(connected, socket.socket)
    assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    link.close()


def test_one_lost_batch_makes_nobody_wait_longer() -> None:
    """What is lost once goes again after the least wait, twice the least in all; only then does the wait grow."""
    flights = Flights(Patience(TimersConfig(), random.Random(1)))

    def send(first: int, last: int, mid: int, now: float) -> None:
        flights.start((first, last), mid)
        flights.taken(mid, now)

    send(1, 5, 1, 0.0)
    assert flights.give_up(4.9) is None
    assert flights.give_up(5.0) == (1, 5)
    send(1, 5, 2, 5.0)
    send(6, 9, 3, 5.0)
    assert flights.due() == [10.0, 10.0]
    assert flights.give_up(10.0) == (1, 9)
    send(1, 9, 4, 10.0)
    (due,) = flights.due()
    assert 15.0 < due <= 20.0
