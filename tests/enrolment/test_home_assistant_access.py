"""The access list on the page about Home Assistant, with the real Mosquitto: what it allows, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.processes import until
from tests.docs.blocks import DOCS
from tests.enrolment.lab import Central, Client, Papers, TlsBroker

EAST, WEST, HOUSE = "gate-east-1", "gate-west-1", "central-home"
DISCOVERY = "homeassistant/device/{}/config"


def lines() -> str:
    """Return the lines of the page."""
    page = (DOCS / "how-to" / "home-assistant.md").read_text(encoding="utf-8")
    return "".join(f"{line.strip()}\n" for line in page.splitlines() if line.startswith("    ") or not line.strip())


def test_the_lines_of_the_page(central: Central) -> None:
    """A station writes its own discovery alone and hears the birth; Home Assistant reads states and no journal."""
    try:
        broker = TlsBroker(central)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    broker.write()
    with (broker.folder / "acl").open("a") as file:
        file.write(lines())
    broker.start()
    folder = Path(central.folder / "papers")
    folder.mkdir()
    east, west, house = (
        Client(broker.port, name, Papers.made(central.authority, folder, name).tls) for name in (EAST, WEST, HOUSE)
    )
    try:
        east.subscribe("homeassistant/#")
        house.subscribe("gs/1/+/up/#", "homeassistant/#")
        assert east.publish(DISCOVERY.format(EAST), retain=True) == 0
        assert east.publish(DISCOVERY.format(WEST), retain=True) == 0x87
        assert east.publish("homeassistant/status", b"online") == 0x87
        assert west.publish(f"gs/1/{WEST}/up/log") != 0x87
        assert west.publish(f"gs/1/{WEST}/up/home") == 0
        assert west.publish(f"gs/1/{WEST}/up/state") == 0
        for topic in (f"gs/1/{EAST}/dn/cmd", "gs/1/doc/all/policy/0", f"gs/1/{EAST}/up/state"):
            assert house.publish(topic) == 0x87, topic
        house.publish("homeassistant/status", b"online")
        seen = [DISCOVERY.format(EAST), f"gs/1/{WEST}/up/home", f"gs/1/{WEST}/up/state", "homeassistant/status"]
        until(lambda: len(house.topics()) == len(seen), 10, "what Home Assistant may read")
        assert house.topics() == seen
        until(east.topics, 10, "the birth")
        assert east.topics() == ["homeassistant/status"]
    finally:
        for client in (east, west, house):
            client.close()
        broker.stop()
