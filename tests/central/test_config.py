"""The server end's configuration and key."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sync.central import config, serve
from sync.config import ConfigError
from tests.sync.lab import central_toml


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
