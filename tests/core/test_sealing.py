"""Personal fields: central reads them, nobody else does, and nothing of them can be guessed from what remains."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station.core import sealing
from station.core.sealing import KEY_BYTES, Personal, Sealed, Sealer, SealError, open_key, unseal

OFFICE = X25519PrivateKey.generate()
RECIPIENT = OFFICE.public_key().public_bytes_raw()
WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=40)


@given(WORDS, WORDS)
def test_central_reads_what_a_station_sealed(name: str, plate: str) -> None:
    """Whatever name and plate: what is sealed opens with the key that was sent to central, and says the same."""
    sealer = Sealer(RECIPIENT)
    key = open_key(sealer.sealed_key, OFFICE)
    assert unseal(key, sealer.seal(Personal(name, plate))) == Personal(name, plate)


def test_another_office_reads_nothing() -> None:
    """The station's key opens with the private key it was sealed for, and with no other."""
    with pytest.raises(SealError, match="not sealed for this"):
        open_key(Sealer(RECIPIENT).sealed_key, X25519PrivateKey.generate())


@pytest.mark.parametrize("wrong", ["key", "mark", "text"])
def test_nothing_opens_elsewhere(wrong: str) -> None:
    """A text belongs to the mark in its event and to its key; beside another event's mark or changed it stays shut."""
    sealer = Sealer(RECIPIENT)
    sealed, other = sealer.seal(Personal("王*", "京A12345")), sealer.seal(Personal("王*", "京A12345"))
    key = bytes(KEY_BYTES) if wrong == "key" else open_key(sealer.sealed_key, OFFICE)
    if wrong == "mark":
        sealed = Sealed(other.mark, sealed.text)
    if wrong == "text":
        sealed = Sealed(sealed.mark, bytes([sealed.text[0] ^ 1]) + sealed.text[1:])
    with pytest.raises(SealError, match="does not open"):
        unseal(key, sealed)


def test_the_same_plate_never_looks_the_same() -> None:
    """One plate sealed again has another mark each time, so the mark that remains after erasing confirms no guess."""
    sealer = Sealer(RECIPIENT)
    assert len({sealer.seal(Personal(plate="京A12345")).mark for _ in range(8)}) == 8


def test_each_run_has_a_key_of_its_own() -> None:
    """A key that leaked opens one run of one station."""
    assert len({open_key(Sealer(RECIPIENT).sealed_key, OFFICE) for _ in range(4)}) == 4


def test_size_on_the_wire() -> None:
    """Beside the 16 bytes of the mark a masked name costs 12 bytes, with a plate 22."""
    sealer = Sealer(RECIPIENT)
    assert len(sealer.seal(Personal("王*")).text) == 12
    assert len(sealer.seal(Personal("王*", "京A12345")).text) == 22


@given(st.binary(max_size=sealing.LONGEST))
def test_written_and_read(part: bytes) -> None:
    """Every part has one text, and comes back from it."""
    assert sealing.read(sealing.written(part)) == part


@pytest.mark.parametrize("text", ["=", "AA==", "AB", "A", "+/+/", "ÄÄ", 7, None, "A" * 400])
def test_other_texts_are_refused(text: object) -> None:
    """Padding, a second spelling of the same bytes, other alphabets, other types and too much: refused."""
    with pytest.raises(SealError):
        sealing.read(text)
