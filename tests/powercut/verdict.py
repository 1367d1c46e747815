"""Whether the station's files survived a power cut with everything that was promised."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from station.clock import SystemClock
from station.core.events import GENESIS, Event, Kind, chain, decode
from station.documents import Documents
from station.journal import Journal, JournalFault
from station.recorder import Recorder
from station.register import INSIDE, Register
from station.reserve import Reserve
from station.schema import EVICTED, EVICTED_SEQ
from tests.lab.machine import tool

Told = Sequence[dict[str, object]]


def taken_out(image: Path, folder: Path) -> str:
    """Mend the file system as at a boot and copy the station's folder out of it; return what is wrong, or nothing."""
    sound = subprocess.run([tool("dumpe2fs"), "-h", str(image)], capture_output=True, text=True, check=False)
    if sound.returncode:
        return f"the file system cannot be mounted: {sound.stderr.strip()[-120:]}"
    mended = subprocess.run([tool("e2fsck"), "-fy", str(image)], capture_output=True, text=True, check=False)
    if mended.returncode > 1:
        return f"e2fsck {mended.returncode}: {mended.stdout[-300:]}"
    line = [tool("debugfs"), "-R", f"rdump /station {folder}", str(image)]
    subprocess.run(line, capture_output=True, check=True)
    return "" if (folder / "station" / "journal.db").exists() else "there is no journal"


def judge(folder: Path, told: Told) -> str:
    """Open everything as the station does, and hold it against what was told; return what is wrong, or nothing."""
    try:
        journal = Journal(folder, "afterwards")
        reserve = Reserve(folder)
        recorder = Recorder(journal, reserve, lambda _fault: None)
    except JournalFault as fault:
        return f"it does not open: {fault}"
    try:
        return next(_wrong(journal, reserve, recorder, told), "")
    finally:
        recorder.close()


def _wrong(journal: Journal, reserve: Reserve, recorder: Recorder, told: Told) -> Iterator[str]:
    if journal.quarantined:
        yield f"the journal was set aside as {journal.quarantined.name}"
    rows = journal.rows("SELECT seq, raw, hash FROM event ORDER BY seq")
    yield from _chain(journal, rows)
    yield from _lost(journal, rows, told)
    events = [decode(raw) for _, raw, _ in rows]
    yield from _overrides(events, reserve, told)
    yield from _state(journal, events)
    Documents(journal, [bytes(32)] * 3, "320611001001", lambda _digest: None)
    now = SystemClock(require_sync=False, saved_us=journal.last_wall_us()).now()
    waited, before = len(reserve.records), journal.seq
    recorder.commit(Kind.BOOT, {"version": "afterwards"}, now)
    if reserve.records or not before < journal.seq <= before + waited + 1:
        yield "the station does not go on recording"
    yield from _overrides([decode(raw) for _, raw in journal.last(10_000)], reserve, told)


def _chain(journal: Journal, rows: list[tuple[int, bytes, bytes]]) -> Iterator[str]:
    mark = journal.state(EVICTED)
    seq, head = (int.from_bytes(mark[:EVICTED_SEQ]), mark[EVICTED_SEQ:]) if mark else (0, GENESIS)
    for number, raw, digest in rows:
        seq, head = seq + 1, chain(head, raw)
        if number != seq or digest != head:
            yield f"the chain breaks at event {number}"
            return
    if (seq, head) != (journal.seq, journal.head):
        yield "the journal's end is not the chain's"


def _lost(journal: Journal, rows: list[tuple[int, bytes, bytes]], told: Told) -> Iterator[str]:
    promised = {int(str(row["seq"])): str(row["head"]) for row in told if "seq" in row}
    last = max(promised, default=0)
    if last > journal.seq:
        yield f"LOST {last - journal.seq} events whose commit had returned ({last} told, {journal.seq} found)"
    held = {seq: digest.hex() for seq, _, digest in rows}
    if [seq for seq, head in promised.items() if seq in held and held[seq] != head]:
        yield "events are not those that were committed"


def _overrides(events: Sequence[Event], reserve: Reserve, told: Told) -> Iterator[str]:
    """Each override once: as an event, as a late one, or in the reserve until it is moved."""
    found: list[str] = []
    for event in events:
        payload = event.payload.get("payload", event.payload)
        if isinstance(payload, dict) and str(payload.get("why", "")).startswith("kept "):
            found.append(str(payload["why"]))
    if len(found) != len(set(found)):
        yield f"DOUBLED overrides: {sorted(found)}"
    found += [str(json.loads(record)["payload"]["why"]) for record in reserve.records]
    first = min((event.seq for event in events), default=0)
    promised = {f"kept {row['kept']}" for row in told if "kept" in row and int(str(row["after"])) >= first}
    if missing := promised - set(found):
        yield f"LOST overrides that had been recorded: {sorted(missing)}"


def _state(journal: Journal, events: Sequence[Event]) -> Iterator[str]:
    """Hold the state against the events in whose transactions it changed; evicted ones are counted by their numbers."""
    register = Register(journal, has_peers=False)
    through = [event for event in events if event.payload.get("what") == "entered"]
    passages = {bytes(cti).hex() for (cti,) in journal.rows("SELECT cti FROM passage")}
    if missing := {who["cti"] for event in through for who in event.payload["who"]} - passages:  # type: ignore[attr-defined]
        yield f"{len(missing)} passages are recorded that the register does not know"
    if register.inside != len(passages):
        yield f"{register.inside} people counted inside, {len(passages)} passages ({INSIDE})"
    documents = [event.payload for event in events if event.kind == Kind.DOCUMENT]
    if status := [row["seq"] for row in documents if row["type"] == "status" and row["result"] == "in-force"]:
        (held,) = journal.rows("SELECT seq FROM document WHERE type = 'status'") or [(0,)]
        if held[0] != status[-1]:
            yield f"status list {held[0]} is in force, {status[-1]} was recorded last"
