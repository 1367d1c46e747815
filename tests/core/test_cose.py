"""The two COSE structures: one strict form each, and every other form named."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from tests.core.issuing import CENTRAL, PASSES, ROOTS, STRANGER

KID, KEY, PUBLIC = PASSES.kid, PASSES.private, PASSES.private.public_key()
HEADER = cose.encode({1: -8, 4: KID})
ONE = cose.sign1(b"content", KID, KEY)
MANY = cose.sign(b"content", [(root.kid, root.private) for root in ROOTS])
# The order of Ed25519's base point (RFC 8032 section 5.1).
ORDER = 2**252 + 27742317777372353535851937790883648493


def tagged(*parts: object, tag: int = 18) -> bytes:
    """Return a tagged list."""
    return cose.encode(cbor2.CBORTag(tag, list(parts)))


def test_one_signature_comes_back():
    """A COSE_Sign1 opens to its payload, its key id and a signature that only its own key made."""
    signed = cose.open_sign1(ONE)
    (signature,) = signed.signatures
    assert (signed.payload, signature.kid) == (b"content", KID)
    assert signature.good(PUBLIC)
    assert not signature.good(STRANGER.private.public_key())


def test_several_signatures_come_back():
    """A COSE_Sign opens to one signature per signer, each good for its own key only."""
    signed = cose.open_sign(MANY)
    assert [signature.kid for signature in signed.signatures] == [root.kid for root in ROOTS]
    for signature, root, other in zip(signed.signatures, ROOTS, [*ROOTS[1:], ROOTS[0]], strict=True):
        assert signature.good(root.private.public_key())
        assert not signature.good(other.private.public_key())


def test_signatures_cover_structure_header_and_payload():
    """The covered bytes are RFC 9052's Sig_structure, so a signature cannot be moved between the two structures."""
    (one,) = cose.open_sign1(ONE).signatures
    assert cbor2.loads(one.covered) == ["Signature1", HEADER, b"", b"content"]
    (many, *_) = cose.open_sign(MANY).signatures
    assert cbor2.loads(many.covered) == ["Signature", b"", cose.encode({1: -8, 4: ROOTS[0].kid}), b"", b"content"]


def test_a_shifted_signature_is_not_good():
    """S + L, the classic second signature over the same bytes (RFC 8032 section 8.4), is refused."""
    (signature,) = cose.open_sign1(ONE).signatures
    shifted = int.from_bytes(signature.value[32:], "little") + ORDER
    twin = cose.Signature(KID, signature.value[:32] + shifted.to_bytes(32, "little"), signature.covered)
    assert not twin.good(PUBLIC)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not CBOR"),
        (b"\xff", "not CBOR"),
        (b"\x9b" + b"\xff" * 8, "not CBOR"),
        (b"\xd8\x1c\x81\xd8\x1d\x00", "not CBOR"),  # a list that contains itself
        (b"\x81" * 3000 + b"\x00", "not CBOR"),  # deeper than any reader goes
        (b"\x00\x00", "bytes follow"),
        (b"\x18\x01", "not the deterministic encoding"),  # 1 in two bytes
        (b"\x5f\x41a\xff", "not the deterministic encoding"),  # indefinite length
        (b"\xa2\x01\x00\x01\x00", "not"),  # the key 1 twice
        (b"\xa2\x02\x00\x01\x00", "not the deterministic encoding"),  # keys out of order
        (b"\xfb" + bytes(8), "not the deterministic encoding"),  # 0.0 in eight bytes
    ],
)
def test_only_deterministic_cbor_is_read(raw, says):
    """Every second way to write a value, and whatever is no value, is refused with words."""
    with pytest.raises(cose.CoseError, match=says):
        cose.decode_strict(raw)


def test_endless_input_is_not_decoded():
    """More than the largest document is refused by its length alone."""
    with pytest.raises(cose.CoseError, match="more than"):
        cose.decode_strict(bytes(cose.MAX_BYTES + 1))


SIGNATURE = bytes(64)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (tagged(HEADER, {}, b"p", SIGNATURE, tag=17), "not tagged 18"),
        (cose.encode([HEADER, {}, b"p", SIGNATURE]), "not tagged 18"),
        (MANY, "not tagged 18"),
        (tagged(HEADER, {}, b"p"), "not four parts"),
        (tagged(HEADER, {}, b"p", SIGNATURE, 0), "not four parts"),
        (cose.encode(cbor2.CBORTag(18, {1: 2})), "not four parts"),
        (tagged(HEADER, {}, "p", SIGNATURE), "the payload is not bytes"),
        (tagged(HEADER, {}, None, SIGNATURE), "the payload is not bytes"),
        (tagged(HEADER, {4: KID}, b"p", SIGNATURE), "the unprotected header is not empty"),
        (tagged(HEADER, [], b"p", SIGNATURE), "the unprotected header is not empty"),
        (tagged(HEADER, None, b"p", SIGNATURE), "the unprotected header is not empty"),
        (tagged({}, {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(b"", {}, b"p", SIGNATURE), "not CBOR"),
        (tagged(cose.encode([1, 4]), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(cose.encode({1: -8}), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(cose.encode({4: KID}), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(cose.encode({1: -7, 4: KID}), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(cose.encode({1: "EdDSA", 4: KID}), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(cose.encode({1: -8, 4: KID, 5: b""}), {}, b"p", SIGNATURE), "the protected header is not exactly"),
        (tagged(HEADER + b"\x00", {}, b"p", SIGNATURE), "bytes follow"),
        (tagged(cose.encode({1: -8, 4: KID[:3]}), {}, b"p", SIGNATURE), "the key id is not 4 bytes"),
        (tagged(cose.encode({1: -8, 4: KID + b"\x00"}), {}, b"p", SIGNATURE), "the key id is not 4 bytes"),
        (tagged(cose.encode({1: -8, 4: "abcd"}), {}, b"p", SIGNATURE), "the key id is not 4 bytes"),
        (tagged(HEADER, {}, b"p", SIGNATURE[:63]), "the signature is not 64 bytes"),
        (tagged(HEADER, {}, b"p", "x" * 64), "the signature is not 64 bytes"),
    ],
)
def test_each_part_of_a_sign1_is_held_to_its_form(raw, says):
    """Tag, number of parts, both headers, payload, key id and signature are each refused by their own words."""
    with pytest.raises(cose.CoseError, match=says):
        cose.open_sign1(raw)


ROW = [HEADER, {}, SIGNATURE]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (ONE, "not tagged 98"),
        (tagged(b"\xa0", {}, b"p", [ROW], tag=98), "the body header is not empty"),
        (tagged(b"", {1: 2}, b"p", [ROW], tag=98), "the body header is not empty"),
        (tagged(b"", {}, b"p", {}, tag=98), "the body header is not empty"),
        (tagged(b"", {}, b"p", b"abc", tag=98), "a signature is not three parts"),
        (tagged(b"", {}, b"p", "abc", tag=98), "a signature is not three parts"),
        (tagged(b"", {}, b"p", [ROW[:2]], tag=98), "a signature is not three parts"),
        (tagged(b"", {}, b"p", ["abc"], tag=98), "the unprotected header is not empty"),
        (tagged(b"", {}, b"p", [ROW, [HEADER, {1: 2}, SIGNATURE]], tag=98), "the unprotected header is not empty"),
        (tagged(b"", {}, b"p", [[HEADER, {}, b""]], tag=98), "the signature is not 64 bytes"),
        (tagged(b"", {}, None, [ROW], tag=98), "the payload is not bytes"),
    ],
)
def test_each_part_of_a_sign_is_held_to_its_form(raw, says):
    """The body header and each signature row are refused by their own words."""
    with pytest.raises(cose.CoseError, match=says):
        cose.open_sign(raw)


def test_a_document_without_signatures_opens_to_none():
    """No row is no signature; that too few signed is for the reader of documents to say."""
    assert cose.open_sign(cose.sign(b"p", [])).signatures == ()


STUFFED = tagged(b"", {}, bytes(127_000), [ROW] * 1597, tag=98)
JUNK = [{"a": 0}] * 60_000


@pytest.mark.parametrize("many", [cose.MOST_SIGNATURES + 1, 40])
def test_a_document_has_few_signatures(many):
    """Six roots sign the largest succession; a document with more signatures is refused by their number."""
    cose.open_sign(tagged(b"", {}, b"p", [ROW] * cose.MOST_SIGNATURES, tag=98))
    with pytest.raises(cose.CoseError, match=f"{many} signatures are more than the 6 allowed"):
        cose.open_sign(tagged(b"", {}, b"p", [ROW] * many, tag=98))


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (cose.open_sign, STUFFED),
        (cose.open_sign, tagged(b"", {}, b"p", JUNK, tag=98)),
        (cose.open_sign, tagged(JUNK, {}, b"p", [ROW], tag=98)),
        (cose.open_sign, cose.encode(JUNK)),
        (cose.open_sign, bytes(70_000)),
        (cose.open_sign, b"\xd8\x62\x84\x40\xa0\x5a\xff\xff\xff\xff" + bytes(70_000)),
        (cose.open_sign1, tagged(HEADER, {}, b"p", JUNK)),
        (cose.open_sign1, tagged(JUNK, {}, bytes(70_000), SIGNATURE)),
        (cose.open_sign1, cose.encode(JUNK)),
        (cose.open_sign1, bytes(70_000)),
    ],
)
def test_large_rubbish_is_refused_without_being_decoded(monkeypatch, read, raw):
    """Whatever is large and has no frame of few signatures costs one look at its frame: it stalls no gate."""
    monkeypatch.setattr(cose, "decode_strict", lambda _raw: pytest.fail("it was decoded"))
    with pytest.raises(cose.CoseError, match=f"{len(raw)} bytes that are no COSE_Sign"):
        read(raw)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 4000, 4096, 65_535, 65_536, 300_000])
@pytest.mark.parametrize("signers", [[], ROOTS[:1], ROOTS, [*ROOTS, *ROOTS]])
def test_documents_of_every_size_open(size, signers):
    """Small or large, with none or as many signatures as there may be: what is well made opens."""
    many = cose.open_sign(cose.sign(bytes(size), [(root.kid, root.private) for root in signers]))
    assert (many.payload, [row.kid for row in many.signatures]) == (bytes(size), [root.kid for root in signers])
    assert all(row.good(root.private.public_key()) for row, root in zip(many.signatures, signers, strict=True))
    one = cose.open_sign1(cose.sign1(bytes(size), KID, KEY))
    assert one.payload == bytes(size)
    assert one.signatures[0].good(PUBLIC)


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_random_bytes_are_refused_in_words(raw):
    """Nothing but CoseError ever comes out of random bytes."""
    for read in (cose.open_sign1, cose.open_sign):
        with pytest.raises(cose.CoseError, match=r"\w"):
            read(raw)


def test_every_changed_bit_of_a_bundle_breaks_a_signature_or_the_form():
    """A COSE_Sign with one bit flipped does not open, or no longer has all its signatures good."""
    keys = {root.kid: root.private.public_key() for root in ROOTS}
    for position in range(8 * len(MANY)):
        altered = bytearray(MANY)
        altered[position // 8] ^= 1 << position % 8
        try:
            signed = cose.open_sign(bytes(altered))
        except cose.CoseError:
            continue
        assert not all(s.kid in keys and s.good(keys[s.kid]) for s in signed.signatures), position


def test_the_key_id_is_not_taken_from_another_signer():
    """A signature moved under another key id is not good for that key."""
    (signature,) = cose.open_sign1(ONE).signatures
    raw = tagged(cose.encode({1: -8, 4: CENTRAL.kid}), {}, b"content", signature.value)
    (moved,) = cose.open_sign1(raw).signatures
    assert moved.kid == CENTRAL.kid
    assert not moved.good(CENTRAL.private.public_key())
    assert not moved.good(PUBLIC)
