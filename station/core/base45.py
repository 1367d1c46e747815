"""Base45 (RFC 9285), strict: one text for each byte string, upper case only, nothing skipped."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
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
    try:
        digits = [_VALUE[character] for character in text]
    except KeyError as error:
        raise Base45Error(f"{error.args[0]!r} is not a Base45 character") from None
    data = bytearray()
    whole = len(digits) - len(digits) % _TRIPLE
    for start in range(0, whole, _TRIPLE):
        value = digits[start] + 45 * digits[start + 1] + 2025 * digits[start + 2]
        if value > _MAX_WORD:
            raise Base45Error(f"the group at {start} exceeds two bytes")
        data += value.to_bytes(2, "big")
    if len(digits) - whole == _PAIR:
        value = digits[whole] + 45 * digits[whole + 1]
        if value > _MAX_BYTE:
            raise Base45Error("the last group exceeds one byte")
        data.append(value)
    return bytes(data)
