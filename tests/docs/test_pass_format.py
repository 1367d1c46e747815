"""The worked examples are a pass and a live presentation that the station reads, and nothing like them is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from station.core import live
from station.core.credential import parse
from station.core.model import Credential, Rejected
from tests.docs.blocks import DOCS, read_rows
from tests.docs.example_pass import (
    LIVE_SIGNATURE,
    SHOWN,
    bound_bytes,
    bound_credential,
    example_credential,
    example_phone,
    example_text,
    example_trust,
    live_text,
)
from tests.docs.tables import TABLES
from tests.passes.office import can_repeat_es256
from tests.passes.reading import FOLDER, NAMES


def _printed() -> dict[str, str]:
    table = next(table for table in TABLES if table.name == "example")
    return {part: value.strip("`") for part, value in read_rows(table.found())}


def _printed_text(kind: str = "QR text") -> str:
    return next(value for part, value in _printed().items() if part.startswith(kind))


def _bytes(part: str) -> bytes:
    found = next(value for name, value in _printed().items() if name.startswith(part))
    return bytes.fromhex(found.replace("`", ""))


def test_printed_text_is_read() -> None:
    """The text on the page, character by character, gives exactly the credential the page describes."""
    assert parse(_printed_text(), example_trust()) == example_credential()


def test_printed_live_text_is_read() -> None:
    """The live text on the page gives the same pass bound to the phone, shown at the time the page says."""
    assert parse(_printed_text("live QR text"), example_trust()) == replace(bound_credential(), live=SHOWN)


@pytest.mark.parametrize("text", [example_text(), live_text()], ids=["EP1", "EL1"])
def test_printed_texts_survive_markdown(text: str) -> None:
    """The texts have no two spaces in a row and none at their ends, which a browser would swallow."""
    assert "  " not in text
    assert text == text.strip()


@pytest.mark.parametrize("kind", ["QR text", "live QR text"])
def test_changed_example_is_refused(kind: str) -> None:
    """Each change of one character on the page is refused, with a reason and without an exception."""
    text, trust = _printed_text(kind), example_trust()
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert isinstance(parse(changed, trust), Rejected), place


def test_steps_of_the_live_example_follow_from_one_another() -> None:
    """From the printed pass to the printed signature each step comes out of those before it, by the phone's key."""
    raw = _bytes("phone: bytes of that pass")
    assert raw == bound_bytes()
    assert _bytes("phone: SHA-256") == hashlib.sha256(raw).digest()
    assert _bytes("phone: signed bytes") == live.covered(raw, SHOWN)
    assert _bytes("phone: signature") == LIVE_SIGNATURE
    assert live.Presentation(raw, SHOWN, LIVE_SIGNATURE).good(_bytes("phone: public key"))


@pytest.mark.skipif(not can_repeat_es256(), reason="this OpenSSL makes no deterministic ECDSA signatures")
def test_the_phones_signature_is_the_deterministic_one() -> None:
    """The signature that is kept is what RFC 6979 gives, with the low s."""
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(example_phone().sign(live.covered(bound_bytes(), SHOWN), algorithm))
    assert live.low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big")) == LIVE_SIGNATURE


def test_example_needs_its_issuer() -> None:
    """The examples open nothing where their key is not believed."""
    assert not isinstance(parse(example_text(), None), Credential)
    assert not isinstance(parse(live_text(), None), Credential)


def test_the_page_names_every_file_of_vectors() -> None:
    """The page links each published file of vectors, and there is no other."""
    page = (DOCS / "reference" / "pass-format.md").read_text(encoding="utf-8")
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(NAMES)
    assert all(f"(vectors/{name}.json)" in page for name in NAMES)
