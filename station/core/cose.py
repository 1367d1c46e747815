"""Signed bytes: the two COSE structures (RFC 9052) that passes and documents are made of, read strictly.

COSE_Sign1 (tag 18) carries one Ed25519 signature, COSE_Sign (tag 98) several. The protected header is exactly
{1: -8, 4: kid}, the unprotected header exactly the byte a0, everything is deterministic CBOR (RFC 8949 section 4.2) and
nothing follows. Each value has one encoding, so no two texts mean the same and no changed text can slip through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from station.core.cbor import MAX_BYTES, SHORT, CoseError, decode_strict, encode
from station.core.record import dataclass

__all__ = [
    "ALG",
    "EDDSA",
    "KID",
    "KID_LENGTH",
    "MAX_BYTES",
    "MOST_SIGNATURES",
    "SIGN1_TAG",
    "SIGNATURE_LENGTH",
    "SIGN_TAG",
    "CoseError",
    "Signature",
    "Signed",
    "decode_strict",
    "encode",
    "open_sign",
    "open_sign1",
    "sign",
    "sign1",
]

ALG, KID, EDDSA = 1, 4, -8
SIGN1_TAG, SIGN_TAG = 18, 98
KID_LENGTH = 4
SIGNATURE_LENGTH = 64
MOST_SIGNATURES = 6
"""Three outgoing and three incoming roots sign a succession; no document has a use for more."""
EXPLAINED = 4096
"""Up to so many bytes what is not good is decoded, to tell what is wrong; of more the frame is looked at first."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature with the exact bytes it was made over."""

    kid: bytes
    value: bytes
    covered: bytes

    def good(self, public_key: Ed25519PublicKey) -> bool:
        """Say whether `public_key` made this signature (RFC 8032)."""
        try:
            public_key.verify(self.value, self.covered)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload and its signatures (one for COSE_Sign1), none of them checked yet."""

    payload: bytes
    signatures: tuple[Signature, ...]


def _protected(kid: bytes) -> bytes:
    return encode({ALG: EDDSA, KID: kid})


_HEADER = _protected(bytes(KID_LENGTH))[:-KID_LENGTH]
"""How every good protected header begins: deterministic CBOR has one encoding of it, the key id follows."""
_SIGN1_HEAD = b"\xd2\x84" + encode(bytes(len(_HEADER) + KID_LENGTH))[:1] + _HEADER
_KID_END = len(_SIGN1_HEAD) + KID_LENGTH
_EMPTY_MAP, _EMPTY_BYTES, _SIGNATURE_HEAD = b"\xa0", b"\x40", b"\x58\x40"
_CONTEXT = b"\x84" + encode("Signature1") + _SIGN1_HEAD[2:3]
_MAX_BYTE, _MAX_WORD = 0xFF, 0xFFFF
_SIGN_HEAD = b"\xd8\x62\x84\x40\xa0"
_LIST = 0x80
_ROW_LENGTH = len(b"\x83") + 1 + len(_HEADER) + KID_LENGTH + len(b"\xa0\x58\x40") + SIGNATURE_LENGTH
_LENGTH_BYTES = {0x58: 1, 0x59: 2, 0x5A: 4}
"""By its first byte: in how many bytes a byte string tells its length."""


def _empty_map(value: object) -> bool:
    # Inside a tag cbor2 yields immutable kinds of its own, so types are asked for by their protocol.
    return isinstance(value, Mapping) and not value


def _kid(protected: object, unprotected: object) -> bytes:
    if not _empty_map(unprotected):
        msg = "the unprotected header is not empty"
        raise CoseError(msg)
    if isinstance(protected, bytes):
        if len(protected) == len(_HEADER) + KID_LENGTH and protected.startswith(_HEADER):
            return protected[len(_HEADER) :]
        raise CoseError(_not_the_header(decode_strict(protected)))
    raise CoseError(_not_the_header(None))


def _not_the_header(header: object) -> str:
    """Say what is wrong with a protected header that is not the one."""
    if not isinstance(header, Mapping) or set(header) != {ALG, KID} or header[ALG] != EDDSA:
        return "the protected header is not exactly {alg: EdDSA, kid}"
    return "the key id is not 4 bytes"


def _signature(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != SIGNATURE_LENGTH:
        msg = "the signature is not 64 bytes"
        raise CoseError(msg)
    return value


def _tagged(raw: bytes, tag: int) -> tuple[object, ...]:
    value = decode_strict(raw)
    if not isinstance(value, cbor2.CBORTag) or value.tag != tag:
        msg = f"not tagged {tag}"
        raise CoseError(msg)
    parts = value.value
    if not isinstance(parts, Sequence) or len(parts) != 4:  # noqa: PLR2004 - RFC 9052 section 4: four parts
        msg = "not four parts"
        raise CoseError(msg)
    if not isinstance(parts[2], bytes):
        msg = "the payload is not bytes"
        raise CoseError(msg)
    return tuple(parts)


def open_sign1(raw: bytes) -> Signed:
    """Take a COSE_Sign1 apart without checking its signature. Raises CoseError."""
    return _taken_apart(raw) or _decoded_sign1(raw)


def _taken_apart(raw: bytes) -> Signed | None:
    """Take a COSE_Sign1 apart by its only encoding; None where it is not exactly that.

    Deterministic CBOR leaves no choice but key id, payload and signature; this finds them in a tenth of the time of
    decoding and encoding. A payload of 64 KiB and more is left to the decoder.
    """
    if not raw.startswith(_SIGN1_HEAD) or raw[_KID_END : _KID_END + 1] != _EMPTY_MAP:
        return None
    item, tail = raw[_KID_END + 1 : -SIGNATURE_LENGTH - 2], raw[-SIGNATURE_LENGTH - 2 :]
    payload = _byte_string(item)
    if payload is None or not tail.startswith(_SIGNATURE_HEAD):
        return None
    kid = raw[len(_SIGN1_HEAD) : _KID_END]
    covered = b"".join((_CONTEXT, _HEADER, kid, _EMPTY_BYTES, item))
    return Signed(payload, (Signature(kid, tail[2:], covered),))


def _byte_string(item: bytes) -> bytes | None:
    """Return the content of one deterministically encoded byte string of less than 64 KiB; None for anything else."""
    size = len(item)
    if SHORT <= size - 2 <= _MAX_BYTE:
        return item[2:] if item[:2] == bytes((0x58, size - 2)) else None
    if 1 <= size <= SHORT:
        return item[1:] if item[0] == 0x40 + size - 1 else None
    if _MAX_BYTE < size - 3 <= _MAX_WORD:
        return item[3:] if item[:3] == b"\x59" + (size - 3).to_bytes(2, "big") else None
    return None


def _string_end(raw: bytes, start: int) -> int:
    """Return where the byte string that begins at `start` ends; 0 where there is none of at least 24 bytes."""
    size = _LENGTH_BYTES.get(raw[start], 0) if start < len(raw) else 0
    begins = start + 1 + size
    return begins + int.from_bytes(raw[start + 1 : begins], "big") if size else 0


def _framed_sign1(raw: bytes) -> bool:
    """Say whether nothing but key id, payload and signature can be in it: whatever else is large is not decoded."""
    end = _string_end(raw, _KID_END + 1)
    return raw.startswith(_SIGN1_HEAD) and len(raw) - end == len(_SIGNATURE_HEAD) + SIGNATURE_LENGTH


def _framed_sign(raw: bytes) -> bool:
    """Say whether nothing but a payload and a few rows of one signature's length can be in it."""
    end = _string_end(raw, len(_SIGN_HEAD))
    rows, rest = divmod(len(raw) - end - 1, _ROW_LENGTH)
    few = 0 <= rows <= MOST_SIGNATURES and rest == 0
    return raw.startswith(_SIGN_HEAD) and few and raw[end] == _LIST + rows


def _decoded_sign1(raw: bytes) -> Signed:
    """Take a COSE_Sign1 apart by decoding it, which tells what is wrong with one that is not good."""
    if len(raw) > EXPLAINED and not _framed_sign1(raw):
        msg = f"{len(raw)} bytes that are no COSE_Sign1"
        raise CoseError(msg)
    protected, unprotected, payload, value = _tagged(raw, SIGN1_TAG)
    kid = _kid(protected, unprotected)
    covered = encode(["Signature1", protected, b"", payload])
    assert isinstance(payload, bytes)  # noqa: S101 - for the type checker; _tagged has checked it
    return Signed(payload, (Signature(kid, _signature(value), covered),))


def open_sign(raw: bytes) -> Signed:
    """Take a COSE_Sign with an empty body header apart without checking its signatures. Raises CoseError."""
    if len(raw) > EXPLAINED and not _framed_sign(raw):
        msg = f"{len(raw)} bytes that are no COSE_Sign with at most {MOST_SIGNATURES} signatures"
        raise CoseError(msg)
    protected, unprotected, payload, rows = _tagged(raw, SIGN_TAG)
    if protected != b"" or not _empty_map(unprotected) or not isinstance(rows, Sequence):
        msg = "the body header is not empty"
        raise CoseError(msg)
    if len(rows) > MOST_SIGNATURES:
        msg = f"{len(rows)} signatures are more than the {MOST_SIGNATURES} allowed"
        raise CoseError(msg)
    signatures = []
    for row in rows:
        if not isinstance(row, Sequence) or len(row) != 3:  # noqa: PLR2004 - RFC 9052 section 4.1: three parts
            msg = "a signature is not three parts"
            raise CoseError(msg)
        kid = _kid(row[0], row[1])
        covered = encode(["Signature", b"", row[0], b"", payload])
        signatures.append(Signature(kid, _signature(row[2]), covered))
    assert isinstance(payload, bytes)  # noqa: S101 - for the type checker; _tagged has checked it
    return Signed(payload, tuple(signatures))


def sign1(payload: bytes, kid: bytes, key: Ed25519PrivateKey) -> bytes:
    """Make a COSE_Sign1."""
    protected = _protected(kid)
    value = key.sign(encode(["Signature1", protected, b"", payload]))
    return encode(cbor2.CBORTag(SIGN1_TAG, [protected, {}, payload, value]))


def sign(payload: bytes, signers: list[tuple[bytes, Ed25519PrivateKey]]) -> bytes:
    """Make a COSE_Sign with one signature per (kid, key)."""
    rows = []
    for kid, key in signers:
        protected = _protected(kid)
        rows.append([protected, {}, key.sign(encode(["Signature", b"", protected, b"", payload]))])
    return encode(cbor2.CBORTag(SIGN_TAG, [b"", {}, payload, rows]))
