"""gate-station pass show: what a QR text says, field by field, or why the station refuses it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

from station.core.model import Credential, Live, Rejected
from station.core.timecode import TimeCode
from station.wording import reason, text

WIDTH = 14
DIGITS = 4
"""Numbers to be signed are shown in groups of so many digits."""


def lines(reading: Credential | TimeCode | Rejected, now_s: int) -> list[str]:
    """Return what a reading says, line by line. `now_s`: this machine's Unix time, to tell the age of a live code."""
    match reading:
        case Rejected():
            said, step = reason(reading.reason), text(f"reason-{reading.reason}", "next")
            return [f"{reading.reason}: {said['zh']} / {said['en']} ({reading.detail})", f"  {step['en']}"]
        case TimeCode():
            said_by = [_line("role", reading.role.value), _line("kid", reading.kid.hex())]
            return [_line("what", "time code"), *_moment(Live(reading.t, reading.nonce), now_s), *said_by]
        case _:
            return _pass(reading, now_s)


def _pass(credential: Credential, now_s: int) -> list[str]:
    plain = [
        _line(field.name, _shown(getattr(credential, field.name)))
        for field in fields(credential)
        if field.name != "live"
    ]
    if credential.live is None:
        return [*plain, _line("live", "no")]
    return [*plain, _line("live", "yes"), *_moment(credential.live, now_s)]


def _moment(live: Live, now_s: int) -> list[str]:
    age = now_s - live.t
    told = f"{age} s ago" if age >= 0 else f"{-age} s ahead"
    return [
        _line("t", f"{live.t} ({_utc(live.t)}, {told} by this machine's clock)"),
        _line("nonce", grouped(live.nonce.hex()) if live.nonce else "none"),
    ]


def grouped(digits: str) -> str:
    """Return digits in groups of four, as the guard screen shows them."""
    return " ".join(digits[at : at + DIGITS] for at in range(0, len(digits), DIGITS))


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # the format allows years that the calendar here does not
        return "beyond the calendar"


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return sorted(map(str, value)) if isinstance(value, frozenset) else value


def _line(name: str, value: object) -> str:
    return f"{name:{WIDTH}} {value}"
