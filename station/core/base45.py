"""Base45 (RFC 9285), strict: one text for each byte string, upper case only, nothing skipped."""

from __future__ import annotations

import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NO_DIGIT = 0xFF
_DIGITS = bytes(ALPHABET.find(chr(code)) & _NO_DIGIT for code in range(256))
"""The value of each character, `_NO_DIGIT` for those that are none; a table, since every frame's text comes here."""
_TRIPLE, _PAIR = 3, 2
_MAX_WORD, _MAX_BYTE = 0xFFFF, 0xFF


class Base45Error(ValueError):
    """The text is not Base45. The message says where."""


def encode(data: bytes) -> str:
    """Encode bytes."""
    text = []
    for start in range(0, len(data), 2):
        chunk = data[start : start + 2]
        value, length = int.from_bytes(chunk, "big"), len(chunk) + 1
        for _ in range(length):
            value, digit = divmod(value, 45)
            text.append(ALPHABET[digit])
    return "".join(text)


def decode(text: str) -> bytes:
    """Decode a text. Raises Base45Error."""
    if len(text) % _TRIPLE == 1:
        raise Base45Error(f"{len(text)} characters: one is left over")
    digits = _digits(text)
    whole = len(digits) // _TRIPLE
    triples = zip(digits[0::_TRIPLE], digits[1::_TRIPLE], digits[2::_TRIPLE], strict=False)
    words = [low + 45 * middle + 2025 * high for low, middle, high in triples]
    if max(words, default=0) > _MAX_WORD:
        group = next(number for number, word in enumerate(words) if word > _MAX_WORD)
        raise Base45Error(f"the group at {_TRIPLE * group} exceeds two bytes")
    data = struct.pack(f">{whole}H", *words)
    if len(digits) % _TRIPLE == _PAIR:
        value = digits[-2] + 45 * digits[-1]
        if value > _MAX_BYTE:
            raise Base45Error("the last group exceeds one byte")
        data += bytes((value,))
    return data


def _digits(text: str) -> bytes:
    try:
        digits = text.encode("latin-1").translate(_DIGITS)
    except UnicodeEncodeError:
        digits = b"\xff"
    if _NO_DIGIT in digits:
        stranger = next(character for character in text if character not in ALPHABET)
        raise Base45Error(f"{stranger!r} is not a Base45 character")
    return digits
