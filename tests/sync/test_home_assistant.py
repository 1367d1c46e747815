"""Home Assistant: a second client on a real Mosquitto plays its part; what is told, when, and what never is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from station.core.events import Kind
from sync import config, home_assistant, wire
from sync.home_assistant import Figures, HomeAssistant, Ringing
from sync.outbox import Outbox
from tests.sync.lab import STATION, Broker, Journal, Listener, sync_toml, until
from tests.sync.test_agent import Running

DISCOVERY = f"homeassistant/device/{STATION}/config"
STATE = f"gs/1/{STATION}/up/home"
DOCUMENTED = {
    "platform", "name", "unique_id", "device_class", "state_class", "entity_category", "unit_of_measurement",
    "value_template",
}  # fmt: skip
"""Options of Home Assistant's MQTT sensor and binary sensor that are used here."""


def alarm(journal: Journal, name: str, what: str = "begins", lane: str = "in") -> None:
    """Let the station record an alarm."""
    journal.write(1, {"lane": lane, "alarm": name, "what": what, "operator": "07"}, Kind.ALARM)


def opted_in(directory: Path, port: int) -> Path:
    """Write a configuration of gate-sync with Home Assistant."""
    path = sync_toml(directory, port)
    path.write_text(path.read_text().replace("poll_s", "tele_s = 0.3\npoll_s") + "\n[home_assistant]\nenabled = true\n")
    return path


class House(Listener):
    """Home Assistant: reads discovery, the states it names and the availability."""

    def __init__(self, port: int, name: str = "home-assistant") -> None:
        super().__init__(port, "homeassistant/#", f"gs/1/{STATION}/up/#", name=name)

    def discoveries(self) -> list[dict[str, Any]]:
        """Return the discovery payloads seen."""
        return [json.loads(message.payload) for message in self.seen if message.topic == DISCOVERY]

    def states(self) -> list[dict[str, Any]]:
        """Return the states seen."""
        return [json.loads(message.payload) for message in self.seen if message.topic == STATE]

    def last(self) -> dict[str, Any]:
        """Return the newest state, empty before the first."""
        return (self.states() or [{}])[-1]


@pytest.fixture
def house(broker: Broker) -> Iterator[House]:
    """Home Assistant, connected before the station is."""
    found = House(broker.port)
    yield found
    found.link.close()


@pytest.fixture
def running(tmp_path: Path, broker: Broker, journal: Journal, house: House) -> Iterator[Running]:
    """A station that has opted in."""
    journal.write(3)
    found = Running(opted_in(tmp_path, broker.port))
    until(house.states, what="the first state")
    yield found
    if found.thread.is_alive():
        found.end()


def test_discovery_says_where_everything_is(running: Running, house: House, broker: Broker) -> None:
    """The payload has what Home Assistant's device discovery asks for, and every topic in it carries something."""
    told = house.discoveries()[0]
    assert set(told) == {"device", "origin", "availability", "state_topic", "qos", "components"}
    assert told["device"]["identifiers"] == [f"gate-station-{STATION}"]
    assert told["origin"]["name"]
    assert told["state_topic"] == STATE
    assert told["availability"][0]["topic"] in house.topics()
    components = told["components"]
    assert {"door", "alarm", "alarms", "link", "queue"} <= set(components)
    assert len({one["unique_id"] for one in components.values()}) == len(components)
    for one in components.values():
        assert {"platform", "unique_id", "value_template"} <= set(one) <= DOCUMENTED
        assert one["platform"] in {"sensor", "binary_sensor"}
    assert house.last()["queue"] == 3
    late = House(broker.port, "home-assistant-2")
    until(lambda: late.discoveries() and late.states(), what="what is retained")
    assert all(message.retained for message in late.seen if message.topic in {DISCOVERY, STATE})
    late.link.close()


def test_an_alarm_shows_and_ends(running: Running, house: House, journal: Journal) -> None:
    """Door and other alarms each switch their entity on and off again."""
    alarm(journal, "door-forced")
    until(lambda: house.last().get("door"), what="the door")
    assert house.last()["alarm"] is False
    assert house.last()["alarms"] == ["door-forced"]
    alarm(journal, "fire", lane="out")
    until(lambda: house.last()["alarm"], what="the fire")
    alarm(journal, "door-forced", "ends")
    alarm(journal, "fire", "ends", lane="out")
    until(lambda: house.last()["alarms"] == [], what="the end of both")
    assert (house.last()["door"], house.last()["alarm"]) == (False, False)


def test_duress_and_persons_are_never_told(running: Running, house: House, journal: Journal) -> None:
    """A silent alarm stays silent; no event's pass, person, lane or operator leaves by this way."""
    alarm(journal, "duress")
    alarm(journal, "tamper")
    until(lambda: house.last()["alarms"], what="the alarm after it")
    said = b"".join(message.payload for message in house.seen if message.topic in {DISCOVERY, STATE}).decode()
    for secret in ("duress", "00ff00ff00ff00ff", "operator", '"07"', '"lane"', '"cti"'):
        assert secret not in said
    assert all(
        set(state) <= {"v", "door", "alarm", "alarms", "link", "queue", "temperature_c"} for state in house.states()
    )


def test_home_assistant_starts_anew(running: Running, house: House) -> None:
    """After its birth message everything is told once more; its death is no reason to."""
    before, seen = len(house.discoveries()), len(house.seen)
    house.link.publish("homeassistant/status", b"offline")
    house.link.publish("homeassistant/status", b"online")
    until(lambda: len(house.discoveries()) == before + 1, what="discovery once more")
    until(lambda: STATE in house.topics()[house.topics().index(DISCOVERY, seen) :], what="a state after it")


def test_a_new_connection_tells_everything_again(
    running: Running, house: House, broker: Broker, journal: Journal
) -> None:
    """A broker that has forgotten all that was retained is told anew."""
    broker.kill()
    alarm(journal, "tamper")
    broker.start()
    again = House(broker.port, "home-assistant-2")
    until(lambda: again.discoveries() and again.last().get("alarms") == ["tamper"], what="discovery and state")
    again.link.close()


def test_the_station_says_goodbye(running: Running, house: House) -> None:
    """Availability is the station's own birth and death, as the template reads them."""
    running.end()
    states = lambda: [wire.decode(m.payload, wire.State) for m in house.seen if m.topic.endswith("/up/state")]  # noqa: E731
    until(lambda: states()[-1].state == "offline", what="the death")
    assert states()[0].state == "online"
    assert "value_json.state" in house.discoveries()[0]["availability"][0]["value_template"]


def test_nothing_without_opting_in(tmp_path: Path, broker: Broker, journal: Journal, house: House) -> None:
    """The default configuration publishes nothing for Home Assistant."""
    journal.write(1)
    running = Running(sync_toml(tmp_path, broker.port))
    until(lambda: any(topic.endswith("/log") for topic in house.topics()), what="the events")
    running.end()
    assert not house.discoveries()
    assert not house.states()


def test_a_station_that_starts_with_a_long_journal(tmp_path: Path, journal: Journal) -> None:
    """Nothing is said until the newest rows are read, a piece at a time; a start of the station ends what rang."""
    alarm(journal, "fire")
    journal.write(1, {"version": "1", "quarantined": ""}, Kind.BOOT)
    alarm(journal, "tamper")
    journal.write(home_assistant.PIECE + 5)
    outbox = Outbox(journal.path)
    ringing = Ringing(outbox)
    ringing.look(outbox.look())
    assert ringing.behind
    ringing.look(outbox.look())
    assert not ringing.behind
    assert ringing.names() == ["tamper"]
    outbox.close()


def test_an_alarm_that_came_late_counts(tmp_path: Path, journal: Journal) -> None:
    """What the reserve kept while the disk was full is an alarm like any other."""
    inner = {"lane": "in", "alarm": "journal", "what": "begins"}
    journal.write(1, {"kind": "alarm", "payload": inner, "wall_us": 1, "mono_us": 1}, Kind.LATE)
    outbox = Outbox(journal.path)
    ringing = Ringing(outbox)
    ringing.look(outbox.look())
    assert ringing.names() == ["journal"]
    outbox.close()


def test_numbers_wait_and_words_do_not(tmp_path: Path, journal: Journal) -> None:
    """A growing queue is told as often as the health; a lost link to central at once; the same never twice."""
    settings = config.load(sync_toml(tmp_path, 1))
    heat, sent = tmp_path / "temp", list[dict[str, Any]]()
    heat.write_text("48312\n")
    outbox = Outbox(journal.path)
    home = HomeAssistant(settings, outbox, "1.2.3", heat)
    journal.write(1)

    def send(_topic: str, payload: bytes) -> int:
        sent.append(json.loads(payload))
        return len(sent)

    home.connected(send, 0.0)
    for now, figures in (
        (0.0, Figures(True, 1)),
        (1.0, Figures(True, 2)),
        (2.0, Figures(True, 3)),
        (3.0, Figures(False, 4)),
        (9.0, Figures(False, 5)),
        (10.0, Figures(False, 6)),
        (25.0, Figures(False, 6)),
    ):
        home.work(now, figures)
    assert sent[0]["components"]["temperature"]["unit_of_measurement"] == "°C"
    assert [(one["queue"], one["link"]) for one in sent[1:]] == [(1, True), (4, False), (6, False)]
    assert sent[1]["temperature_c"] == 48
    outbox.close()


def test_no_temperature_without_a_sensor(tmp_path: Path, journal: Journal) -> None:
    """Where no temperature can be read there is no entity for one."""
    settings = config.load(sync_toml(tmp_path, 1))
    told = home_assistant.discovery(settings.station.id, "1", warm=False)
    assert "temperature" not in dict(told["components"])  # type: ignore[call-overload]


@pytest.mark.parametrize("prefix", ["home/#", "a+b", "", "/x", "x/", "$SYS"])
def test_a_prefix_must_be_a_plain_topic(prefix: str, tmp_path: Path) -> None:
    """No wildcard and no empty level can get into a topic from the configuration."""
    text = sync_toml(tmp_path, 1).read_text()
    with pytest.raises(config.ConfigError, match="prefix"):
        config.parse(f'{text}\n[home_assistant]\nprefix = "{prefix}"\n')
