"""The broker as `gate-central broker` sets it up, with the real Mosquitto: who gets in, and what they may do there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.central import authority as authorities
from sync.central import broker_config
from sync.config import TlsConfig
from tests.demo.processes import until
from tests.enrolment.lab import Central, Client, Papers, TlsBroker, now

EAST, WEST, COLLECTOR = "gate-east-1", "gate-west-1", "central-1"


def papers(central: Central, name: str) -> Papers:
    """Return the papers of a client, signed by the authority."""
    return Papers.made(central.authority, central.folder / "papers", name)


@pytest.fixture
def east(central: Central, broker: TlsBroker) -> Client:
    """A station that is connected."""
    (central.folder / "papers").mkdir()
    return Client(broker.port, EAST, papers(central, EAST).tls)


def test_a_station_and_a_collector_reach_each_other(central: Central, broker: TlsBroker, east: Client) -> None:
    """What a station sends arrives at the collector's shared subscription, and answers and documents come down."""
    collector = Client(broker.port, COLLECTOR, papers(central, COLLECTOR).tls)
    collector.subscribe("$share/central/gs/1/+/up/log")
    east.subscribe(f"gs/1/{EAST}/dn/#", "gs/1/doc/all/#")
    east.publish(f"gs/1/{EAST}/up/log")
    until(lambda: collector.topics() == [f"gs/1/{EAST}/up/log"], 10, "the batch")
    collector.publish(f"gs/1/{EAST}/dn/ack")
    collector.publish("gs/1/doc/all/policy/0", retain=True)
    until(lambda: east.topics() == [f"gs/1/{EAST}/dn/ack", "gs/1/doc/all/policy/0"], 10, "the answer, the document")
    for client in (collector, east):
        client.close()


def test_a_station_reads_nothing_of_another(central: Central, broker: TlsBroker, east: Client) -> None:
    """Whatever it subscribes to, what is meant for or sent by another station is not delivered to it."""
    west = Client(broker.port, WEST, papers(central, WEST).tls)
    collector = Client(broker.port, COLLECTOR, papers(central, COLLECTOR).tls)
    east.subscribe("#", "gs/1/+/dn/#", f"gs/1/{WEST}/dn/#", "gs/1/+/up/#", "$share/central/gs/1/+/up/log", "$SYS/#")
    collector.publish(f"gs/1/{WEST}/dn/ack")
    west.publish(f"gs/1/{WEST}/up/log")
    collector.publish(f"gs/1/{EAST}/dn/ack", b"the last")
    until(east.topics, 10, "the station's own message")
    assert set(east.topics()) == {f"gs/1/{EAST}/dn/ack"}
    for client in (west, collector, east):
        client.close()


def test_a_station_writes_nothing_but_its_own(central: Central, broker: TlsBroker, east: Client) -> None:
    """Messages on another's topics, downwards, or as a document are refused with 0x87 and reach nobody."""
    collector = Client(broker.port, COLLECTOR, papers(central, COLLECTOR).tls)
    west = Client(broker.port, WEST, papers(central, WEST).tls)
    collector.subscribe("gs/1/+/up/#")
    west.subscribe(f"gs/1/{WEST}/dn/#", "gs/1/doc/#")
    east.subscribe(f"gs/1/{EAST}/dn/#", "gs/1/doc/#")
    for topic in (
        f"gs/1/{WEST}/up/log",
        f"gs/1/{WEST}/dn/cmd",
        f"gs/1/{EAST}/dn/cmd",
        "gs/1/doc/all/policy/0",
        "anything",
    ):
        assert east.publish(topic) == 0x87, topic
    assert east.publish(f"gs/1/{EAST}/up/log") == 0
    until(collector.topics, 10, "the station's own message")
    collector.publish(f"gs/1/{WEST}/dn/ack")
    until(west.topics, 10, "the message for the other station")
    assert collector.topics() == [f"gs/1/{EAST}/up/log"]
    assert west.topics() == [f"gs/1/{WEST}/dn/ack"]
    assert not east.topics()
    for client in (west, collector, east):
        client.close()


def test_a_collector_may_not_speak_for_a_station(central: Central, broker: TlsBroker, east: Client) -> None:
    """Nor can it write what stations send."""
    collector = Client(broker.port, COLLECTOR, papers(central, COLLECTOR).tls)
    assert collector.publish(f"gs/1/{EAST}/up/log") == 0x87
    for client in (collector, east):
        client.close()


def test_without_a_certificate_there_is_no_connection(central: Central, broker: TlsBroker, tmp_path: Path) -> None:
    """Not in the clear, not with a certificate of another authority, not with a server's."""
    assert not Client(broker.port, EAST, None).up
    (tmp_path / "other").mkdir()
    stranger = Papers.made(authorities.make(tmp_path / "stranger", now()), tmp_path / "other", EAST).tls
    ours = central.folder / "authority" / "ca.pem"
    assert not Client(broker.port, EAST, TlsConfig(ca=ours, cert=stranger.cert, key=stranger.key)).up
    central.command("authority", "server", EAST, "--to", str(tmp_path / "server"))
    server = TlsConfig(ca=ours, cert=tmp_path / "server" / f"{EAST}.pem", key=tmp_path / "server" / f"{EAST}.key")
    assert not Client(broker.port, EAST, server).up


def test_the_certificate_says_who_it_is_not_the_client(central: Central, broker: TlsBroker) -> None:
    """Whoever connects under another's client id is still who the certificate says, and writes as nobody else."""
    (central.folder / "papers").mkdir()
    liar = Client(broker.port, WEST, papers(central, EAST).tls)
    if liar.up:  # Mosquitto replaces the client id by the common name
        assert liar.publish(f"gs/1/{WEST}/up/log") == 0x87
        assert liar.publish(f"gs/1/{EAST}/up/log") in (0, 0x10)
        log = (central.folder / "mosquitto.log").read_text()
        assert f"as {EAST} " in log
        assert f"as {WEST} " not in log
    liar.close()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_station_cannot_play_the_broker(central: Central, broker: TlsBroker, east: Client) -> None:
    """A station's certificate is for clients: another station refuses a broker that shows it."""
    east.close()
    broker.stop()
    for name, file in (("key", f"{EAST}.key"), ("pem", f"{EAST}.pem")):
        (broker.folder / f"broker.{name}").write_bytes((central.folder / "papers" / file).read_bytes())
    broker.start()
    victim = Client(broker.port, WEST, papers(central, WEST).tls)
    assert not victim.up
    assert "unsuitable certificate purpose" in victim.down


def test_the_configuration_names_what_the_protocol_wants() -> None:
    """Nothing of the promised settings is left out."""
    lines = broker_config.mosquitto(Path("/etc/mosquitto/gate"), 8883).splitlines()
    for line in (
        "listener 8883",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "crlfile /etc/mosquitto/gate/crl.pem",
        "set_tcp_nodelay true",
        "allow_duplicate_messages true",
        "tls_version tlsv1.2",
    ):
        assert line in lines


@pytest.mark.parametrize("name", ["gate-1", "CENTRAL", "central-1\nuser gate-1", "centrally", ""])
def test_only_collectors_get_a_collectors_rights(name: str) -> None:
    """The access list takes no other names, and no line break with one."""
    with pytest.raises(ValueError, match="a collector is called"):
        broker_config.access([name])


@pytest.mark.parametrize("name", ["central", "central-1", "centrally", "+", "a/b", "#", "Gate", "", "gate-1\n"])
def test_no_station_is_called_like_a_collector_or_a_wildcard(name: str) -> None:
    """Else it would inherit rights through its common name."""
    with pytest.raises(ValueError, match="id"):
        broker_config.check_station(name)
