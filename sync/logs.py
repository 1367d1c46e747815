"""The station's own log lines for who looks after it from afar: of three units, bounded, without anything personal.

Logs hold no names and no plates to begin with (a rule of the house that tests watch over). What is struck out here is
what a library or a stranger's text could have brought in all the same.
"""

from __future__ import annotations

import re
import subprocess

UNITS = ("gate-station", "gate-sync", "gate-kiosk")
LONGEST = 200_000
"""Bytes of UTF-8; of more, the newest lines are kept."""
PART = 32_000
TIMEOUT_S = 30.0
STRUCK = "[...]"

_PERSONAL = re.compile(
    r"E[A-Z][0-9]:[0-9A-Z $%*+./:-]+"  # the text of a pass, a live code, a request
    r"|[\u4e00-\u9fff][A-Z][A-Z0-9]{5,6}"  # a number plate
    r"|\b[0-9a-fA-F]{16,}\b"  # the id of a pass
    r"|\b[0-9]{17}[0-9Xx]\b|\b1[0-9]{10}\b"  # an identity number, a telephone number
    r"|[\u4e00-\u9fff]\*+"  # a masked name
)


class LogsError(Exception):
    """The log cannot be read. The message says why, and what to do."""


def collect(minutes: int, journalctl: str = "journalctl") -> list[str]:
    """Return the log of the last minutes in parts of at most PART characters, at least one. Raises LogsError."""
    words = [journalctl, "--no-pager", "--quiet", "--output=short-iso", f"--since=-{minutes}min"]
    words += [word for unit in UNITS for word in ("--unit", f"{unit}.service")]
    try:
        done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise LogsError(f"journalctl: {error}; is gate-sync in the group systemd-journal?") from error
    return parts(bounded(struck(done.stdout.decode("utf-8", "replace"))))


def struck(text: str) -> str:
    """Return a log without what looks personal."""
    return _PERSONAL.sub(STRUCK, text)


def bounded(text: str) -> str:
    """Return the newest whole lines that fit."""
    raw = text.encode()
    if len(raw) <= LONGEST:
        return text
    kept = raw[-LONGEST:]
    return kept[kept.find(b"\n") + 1 :].decode("utf-8", "replace")


def parts(text: str) -> list[str]:
    """Return a text in parts."""
    return [text[at : at + PART] for at in range(0, len(text), PART)] or [""]
