"""Looks at the machine, its files and its papers: each probe says what it found, or raises Ailing with what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from station import guards
from station.config import Config
from station.core.documents import DocumentType
from station.core.model import Instant
from station.doctor.findings import Ailing, Finding, both
from station.doctor.program_files import compare
from station.documents import Documents
from station.health import Ailment
from station.wording import text

EXAMPLE_ROOT = "gate-station example root"
"""The roots of systemd/station.toml are SHA-256 of this text and a number: keys that nobody has."""
MOST_SHOWN = 3
SPARE_BYTES = 500 * 1024 * 1024


def program() -> str:
    """Compare the installed files with their recorded hashes."""
    comparison = compare()
    if not comparison.changed:
        return f"{comparison.files} installed files are as they were installed"
    shown = ", ".join(comparison.changed[:MOST_SHOWN])
    raise Ailing(
        f"{len(comparison.changed)} of {comparison.files} installed files are missing or changed: {shown}",
        "Install again (make install). Where it comes back, replace the card.",
    )


def clock(ailment: Ailment | None, now: Instant) -> str:
    """Tell what the station thinks of its clock."""
    if ailment is None:
        return f"trusted, within {now.uncertainty_s:.1f} s"
    raise _unwell(
        [ailment],
        "Run: timedatectl set-ntp true; without a network fit a real-time clock (dtoverlay=i2c-rtc,ds3231).",
    )


def _unwell(ailments: Sequence[Ailment], besides: str = "") -> Ailing:
    """Return as a finding what the guard's screen shows of these ailments; `besides`: what a technician can do."""
    remedies = [both(text(ailment.key, "next")) for ailment in ailments]
    return Ailing("; ".join(both(text(ailment.key)) for ailment in ailments), " ".join([*remedies, besides]).strip())


def disk(folder: Path) -> str:
    """Look for room and the right to write."""
    here = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(here).free
    if free < SPARE_BYTES:
        raise Ailing(f"{here}: {free >> 20} MiB free", f"Free at least {SPARE_BYTES >> 20} MiB or use a larger card.")
    if not os.access(here, os.W_OK):
        raise Ailing(f"{here} cannot be written by this user", "Run: sudo gate-station doctor")
    return f"{here}: {free >> 20} MiB free"


def journal(path: Path) -> str:
    """Let SQLite check the journal's file."""
    if not path.exists():
        return f"{path} will be made at the first start"
    try:
        db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        result = db.execute("PRAGMA quick_check(1)").get
        count = db.execute("SELECT count(*) FROM event").get
        db.close()
    except apsw.Error as error:
        raise Ailing(
            f"{path}: {error}", "At its next start the station sets the file aside; keep it for central."
        ) from error
    if result != "ok":
        raise Ailing(f"{path}: {result}", "At its next start the station sets the file aside; keep it for central.")
    quarantined = list(path.parent.glob(f"{path.name}.quarantine-*"))
    aside = f"; {len(quarantined)} damaged file(s) set aside" if quarantined else ""
    return f"{count} events, sound{aside}"


def documents(ailments: Sequence[Ailment], held: Documents) -> str:
    """Tell what the station thinks of the three documents without which the guard decides everything."""
    if ailments:
        raise _unwell(ailments)
    kinds = (DocumentType.TRUST, DocumentType.POLICY, DocumentType.STATUS)
    return ", ".join(f"{kind} {held.in_force[kind].seq}" for kind in kinds)


def roots(config: Config) -> str:
    """Make sure that the roots are not those of the example."""
    examples = {hashlib.sha256(f"{EXAMPLE_ROOT} {number}".encode()).hexdigest() for number in (1, 2, 3)}
    if examples & set(config.trust.roots):
        raise Ailing("the roots are those of the example", "Put the office's three roots into [trust] roots.")
    return "three roots"


def guard_list(path: Path) -> str:
    """Read the list of guards."""
    try:
        names = guards.load(path)
        mode = stat.filemode(path.stat().st_mode)
    except (guards.GuardsError, OSError) as error:
        raise Ailing(str(error), "Run: gate-station guard add NAME") from error
    if not names:
        raise Ailing(f"{path}: nobody can sign in", "Run: gate-station guard add NAME")
    return f"{len(names)} can sign in ({mode})"


def other_half() -> Iterator[Finding]:
    """Ask the other half, which alone knows broker and certificates."""
    try:
        command = [str(Path(sys.executable).with_name("gate-sync")), "doctor", "--json"]
        answer = subprocess.run(command, capture_output=True, timeout=30, check=False)
        rows = json.loads(answer.stdout)["checks"]
        yield from (Finding(row["name"], row["ok"], row["found"], row["todo"]) for row in rows)
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        yield Finding("sync", good=False, found=f"gate-sync gives no answer ({error})", remedy="Run: gate-sync doctor")
