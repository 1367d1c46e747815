"""Looks at what the demo left behind: nothing lost, nothing doubled, no relay energised without a committed cause."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

import sqlalchemy as sa

from station.core.events import GENESIS, Event, chain
from tests.demo.rig import PINS, Rig

SLACK_US = 2_000_000
RELAY_ON = {"in": 1, "out": 0}
"""The level that energises each lane's relay (the second one is active-low)."""


@dataclass
class Audit:
    """The counts of the closing table."""

    written: int = 0
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    chain_good: bool = False
    unexplained: list[str] = field(default_factory=list)
    from_shown_ms: list[float] = field(default_factory=list)
    from_frame_ms: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Say whether every promise was kept."""
        whole = self.lost == self.doubled == self.altered == 0 and self.acknowledged == self.written
        return whole and self.chain_good and not self.unexplained


def audit(rig: Rig) -> Audit:
    """Compare journal, central database and pin log."""
    found = Audit()
    local = dict(rig.journal_rows())
    remote = central_rows(rig)
    found.written, found.acknowledged, found.stored = len(local), rig.acknowledged(), len(remote)
    held: dict[int, bytes] = {}
    for seq, raw in remote:
        found.doubled += seq in held
        held[seq] = raw
    found.lost = len(local.keys() - held.keys())
    found.altered = sum(held[seq] != raw for seq, raw in local.items() if seq in held)
    found.chain_good = _chain_good(rig)
    events = rig.journal()
    found.unexplained = unexplained_edges(rig.pin_records(), events)
    _latency(found, rig.pin_records(), events)
    return found


def central_rows(rig: Rig) -> list[tuple[int, bytes]]:
    """Return (seq, exact bytes) of every event central holds."""
    engine = sa.create_engine(rig.database)
    try:
        with engine.connect() as db:
            return [(row[0], bytes(row[1])) for row in db.execute(sa.text("SELECT seq, raw FROM event ORDER BY seq"))]
    finally:
        engine.dispose()


def _chain_good(rig: Rig) -> bool:
    head = GENESIS
    rows = rig._query("station/journal.db", "SELECT seq, raw, hash FROM event ORDER BY seq")
    for number, (seq, raw, digest) in enumerate(rows, 1):
        head = chain(head, raw)
        if seq != number or head != digest:
            return False
    return True


def edges(records: list[dict[str, object]]) -> list[tuple[str, int]]:
    """Return (lane, monotonic us) of every moment a relay became energised; its first level counts too."""
    lane_of = {pin: lane for lane, pin in PINS.items()}
    energised: dict[str, bool] = {}
    found = []
    for record in records:
        lane = lane_of.get(record.get("pin"))  # type: ignore[arg-type]
        if record.get("what") != "pin" or lane is None:
            continue
        driven = record.get("function") == "output" or record.get("by") == "release"
        on = driven and record["level"] == RELAY_ON[lane]
        if on and not energised.get(lane, False):
            found.append((lane, int(str(record["t"])) // 1000))
        energised[lane] = on
    return found


def unexplained_edges(records: list[dict[str, object]], events: list[Event], slack_us: int = SLACK_US) -> list[str]:
    """Name every energised relay without a committed grant or override before it, or REX or fire about it.

    `slack_us`: how far a cause may lie from what it explains. One grant explains one rise.
    """
    found, left = [], list(events)
    for lane, at in edges(records):
        cause = next((event for event in left if _explains(event, lane, at, slack_us)), None)
        if cause is not None and cause.kind in ("decision", "override"):
            left.remove(cause)
        if cause is None:
            found.append(f"relay {lane} energised at {at} us without a committed cause")
    return found


def _explains(event: Event, lane: str, at: int, slack_us: int) -> bool:
    if event.payload.get("lane") != lane:
        return False
    if event.kind in ("decision", "override"):
        return event.payload["outcome"] == "grant" and at - slack_us <= event.mono_us <= at
    egress = event.kind == "door" or (event.kind == "alarm" and event.payload["alarm"] == "fire")
    return egress and abs(event.mono_us - at) <= slack_us


def _latency(found: Audit, records: list[dict[str, object]], events: list[Event]) -> None:
    """Scan to relay for grants without a temperature step: from the first frame with the code, from the frame read."""
    rises = edges(records)
    for event in events:
        if event.kind != "decision" or event.payload["outcome"] != "grant" or "band" in event.payload:
            continue
        lane, captured = str(event.payload["lane"]), int(str(event.payload["captured_us"]))
        rise = next((at for where, at in rises if where == lane and at >= event.mono_us), None)
        if rise is None or rise - event.mono_us > SLACK_US:
            continue
        found.from_frame_ms.append((rise - captured) / 1000)
        if shown := _shown(records, lane, captured):
            found.from_shown_ms.append((rise - shown) / 1000)


def _shown(records: list[dict[str, object]], lane: str, captured: int) -> int | None:
    """Return when the scene of the frame that was read came first before the camera (monotonic us)."""
    frames = (r for r in records if r.get("what") == "frame" and r.get("camera") == lane)
    return max((at for r in frames if (at := int(str(r["t"])) // 1000) <= captured), default=None)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    return (
        sorted(values)[max(0, min(len(values) - 1, round(share * len(values) + 0.5) - 1))] if values else float("nan")
    )


def median(values: list[float]) -> float:
    """Return the median; not a number where there are none."""
    return statistics.median(values) if values else float("nan")
