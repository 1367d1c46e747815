"""The server end's configuration and key."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sync.central import config, serve
from sync.config import ConfigError
from tests.sync.lab import central_toml

SITE = '[[site]]\nname = "{}"\nstations = ["{}", "{}"]\n'


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (SITE.format("a", "g1", "g2") + SITE.format("b", "g3", "g2"), "station g2"),
        (SITE.format("a", "g1", "g2") + SITE.format("a", "g3", "g4"), "site a"),
        (SITE.format("a", "g1", "g1"), "station g1"),
    ],
)
def test_a_gate_stands_in_one_site(tmp_path: Path, sites: str, message: str) -> None:
    """A station in two sites, or a site named twice, would mix people of two sites: refused with the name."""
    file = central_toml(tmp_path, 1883, more=sites)
    with pytest.raises(ConfigError, match=rf"{message} stands in \[\[site\]\] twice"):
        config.load(file)


def test_sites_and_the_key_of_the_time_are_read(tmp_path: Path) -> None:
    """Sites keep their order; without [time] the key of acknowledgements tells the time, with it its own key does."""
    plain = config.load(central_toml(tmp_path, 1883, more=SITE.format("garden", "g1", "g2")))
    assert [(site.name, site.stations) for site in plain.site] == [("garden", ("g1", "g2"))]
    same = serve.read_keys(plain)
    assert same.time is same.ack
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "time.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys = serve.read_keys(config.load(central_toml(tmp_path, 1883, more=f'[time]\nkey = "{pem}"\nkid = "0a0b0c0d"\n')))
    assert (keys.time.kid.hex(), keys.ack.kid.hex()) == ("0a0b0c0d", "01020304")
    assert keys.time.private.private_bytes_raw() == key.private_bytes_raw()
    pem.unlink()
    with pytest.raises(ConfigError, match=r"\$\.time\.key"):
        serve.read_keys(config.load(central_toml(tmp_path, 1883, more=f'[time]\nkey = "{pem}"\nkid = "0a0b0c0d"\n')))


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Every value arrives with its type."""
    found = config.load(central_toml(tmp_path, 1883))
    assert (found.broker.port, found.collector.id, found.ack.kid) == (1883, "central", "01020304")
    assert found.paths.state == tmp_path / "central"


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("keepalive = 5", "keepalive = 5\nkeepalvie = 6", "$.broker"),
        ("sqlite:///", "mysql://", "$.database.url"),
        ('kid = "01020304"', 'kid = "0102"', "$.ack.kid"),
        ("spread_s = 0.1", "spread_s = -1", "$.collector.spread_s"),
        ("[paths]", "[path]", "path"),
        ("[paths]", '[[site]]\nname = "garden"\nstations = ["gate-east-1"]\n[paths]', "$.site[0].stations"),
        ("[paths]", '[[site]]\nname = "Garden"\nstations = ["a", "b"]\n[paths]', "$.site[0].name"),
        ("[paths]", "[time]\nkey = 'time.key'\n[paths]", "$.time"),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, old: str, new: str, path: str) -> None:
    """Unknown keys and values out of range say where they stand."""
    file = central_toml(tmp_path, 1883)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(file) in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no key", "ec"], ids=str)
def test_a_key_that_cannot_sign_is_named(tmp_path: Path, content: bytes | str | None) -> None:
    """A missing file, garbage and a key of another kind end the start with a message, not with a crash."""
    file = central_toml(tmp_path, 1883)
    pem = tmp_path / "ack.pem"
    pem.unlink()
    if content == "ec":
        key = generate_private_key(SECP256R1())
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(content, bytes):
        pem.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ack\.pem"):
        serve.run(config.load(file), threading.Event(), lambda: None)


def test_stopping_works_without_broker_and_database(tmp_path: Path) -> None:
    """Told to stop, the server stops, also while it waits for a database that is not there."""
    file = central_toml(tmp_path, 1, f"postgresql+psycopg://gate@/none?host={tmp_path}")
    stop = threading.Event()
    thread = threading.Thread(target=serve.run, args=(config.load(file), stop, lambda: None))
    thread.start()
    stop.set()
    thread.join(15)
    assert not thread.is_alive()
