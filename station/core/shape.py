"""Typed reading of decoded CBOR: take a field of one exact type and range, or say which field is wrong.

CBOR knows types that look alike in Python (True is an int), so each is asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_MAPS = (dict, Mapping)
"""dict by its name is found at once; the protocol is asked for what cbor2 makes inside a tag."""


class ShapeError(ValueError):
    """A field is missing, has the wrong type or is out of range. The message names it."""


def mapping(value: object, name: str) -> Mapping[object, object]:
    """Return `value` as a map."""
    if not isinstance(value, _MAPS):
        raise ShapeError(f"{name} is not a map")
    return value


def keys_within(value: Mapping[object, object], allowed: Iterable[object], name: str) -> None:
    """Refuse keys nobody defined: what is not understood is not accepted."""
    known = frozenset(allowed)  # no copy where it is one already, as the readers of passes hold them
    if not known.issuperset(value):
        raise ShapeError(f"{name} has unknown keys: {', '.join(sorted(map(repr, set(value) - known)))}")


def integer(value: object, name: str, low: int = 0, high: int = 2**63 - 1) -> int:
    """Return `value` as an integer within low..high."""
    if type(value) is not int or not low <= value <= high:
        raise ShapeError(f"{name} is not a whole number from {low} to {high}")
    return value


def octets(value: object, name: str, length: int | None = None) -> bytes:
    """Return `value` as bytes, of exactly `length` where given."""
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise ShapeError(f"{name} is not {'bytes' if length is None else f'{length} bytes'}")
    return value


def text(value: object, name: str, longest: int = 200) -> str:
    """Return `value` as text of at most `longest` characters without control characters."""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ShapeError(f"{name} is not printable text of at most {longest} characters")
    return value


def sequence(value: object, name: str, longest: int = 10_000) -> Sequence[object]:
    """Return `value` as a list of at most `longest` items."""
    if not isinstance(value, list | tuple) or len(value) > longest:
        raise ShapeError(f"{name} is not a list of at most {longest} items")
    return value
