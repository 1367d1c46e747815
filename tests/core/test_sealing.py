"""Personal fields: central reads them, nobody else does, and nothing of them can be guessed from what remains."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station.core.sealing import KEY_BYTES, Personal, Sealer, SealError, open_key, unseal

OFFICE = X25519PrivateKey.generate()
RECIPIENT = OFFICE.public_key().public_bytes_raw()
WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=40)
NUMBERS = st.integers(1, 2**53)
EPOCHS = st.integers(0, 2**63 - 1)


@given(WORDS, WORDS, EPOCHS, NUMBERS)
def test_central_reads_what_a_station_sealed(name: str, plate: str, epoch: int, seq: int) -> None:
    """Whatever name and plate: what is sealed opens with the key that was sent to central, and says the same."""
    sealer = Sealer(RECIPIENT)
    key = open_key(sealer.sealed_key, OFFICE)
    assert unseal(key, epoch, seq, sealer.seal(epoch, seq, Personal(name, plate))) == Personal(name, plate)


def test_another_office_reads_nothing() -> None:
    """The station's key opens with the private key it was sealed for, and with no other."""
    with pytest.raises(SealError, match="not sealed for this"):
        open_key(Sealer(RECIPIENT).sealed_key, X25519PrivateKey.generate())


@pytest.mark.parametrize("wrong", ["key", "epoch", "seq", "bytes"])
def test_nothing_opens_elsewhere(wrong: str) -> None:
    """Sealed bytes are bound to key, stream and event; moved to another or changed they do not open."""
    sealer = Sealer(RECIPIENT)
    sealed, key = sealer.seal(7, 3, Personal("王*", "京A12345")), open_key(sealer.sealed_key, OFFICE)
    if wrong == "key":
        key = bytes(KEY_BYTES)
    if wrong == "bytes":
        sealed = bytes([sealed[0] ^ 1]) + sealed[1:]
    with pytest.raises(SealError, match="does not open"):
        unseal(key, 8 if wrong == "epoch" else 7, 4 if wrong == "seq" else 3, sealed)


def test_the_same_plate_never_looks_the_same() -> None:
    """One plate sealed again differs each time, so the digest that remains after erasing confirms no guess."""
    sealer = Sealer(RECIPIENT)
    same = {sealer.seal(1, 1, Personal(plate="京A12345")) for _ in range(8)}
    assert len(same) == 8


def test_each_run_has_a_key_of_its_own() -> None:
    """A key that leaked opens one run of one station."""
    keys = {open_key(Sealer(RECIPIENT).sealed_key, OFFICE) for _ in range(4)}
    assert len(keys) == 4


def test_size_on_the_wire() -> None:
    """A masked name costs 28 bytes and a plate its own length and one: the budget of 33 per event holds both mostly."""
    sealer = Sealer(RECIPIENT)
    assert len(sealer.seal(1, 1, Personal("王*"))) == 28
    assert len(sealer.seal(1, 2, Personal("王*", "京A12345"))) == 38
