"""Status chunks on their way to the stations: as bases, and the changes since then in one delta.

A base is a chunk as it was when it was last published whole. The delta is cumulative, so a station needs the bases and
the newest delta, whatever it missed. When the delta has grown, or is a day old, the chunks are published whole again.
"""

from __future__ import annotations

from station.core.status import difference, write_deltas
from sync.central.document_table import DocumentTable, StoredDocument

BASE, DELTA = "status-chunk", "status-delta"
CHUNK = "0"
"""The one name under which a scope's delta is published."""
LARGEST_DELTA = 8 * 1024
OLDEST_DELTA_US = 86_400 * 1_000_000


def documents(
    table: DocumentTable, scope: str, seq: int, chunks: dict[str, bytes], now_us: int
) -> list[StoredDocument]:
    """Return what is to be published so that stations of `scope` come to hold `chunks` (name -> 16,384 bytes).

    `seq`: the number of the manifest that names them. Notes in the database since when there are changes.
    """
    bases = {stored.chunk: stored.raw for stored in table.documents(BASE, scope)}
    changed = [name for name, chunk in chunks.items() if name in bases and bases[name] != chunk]
    delta = write_deltas(difference(bases[name], chunks[name]) for name in changed)
    whole = [name for name in chunks if name not in bases]
    if _is_old(table, scope, now_us, changes=bool(changed)) or len(delta) > LARGEST_DELTA:
        whole, delta = [*whole, *changed], write_deltas([])
        table.set_note(_since(scope), "")
    return [
        *(StoredDocument(BASE, scope, name, seq, chunks[name]) for name in whole),
        StoredDocument(DELTA, scope, CHUNK, seq, delta),
    ]


def _since(scope: str) -> str:
    return f"delta-since/{scope}"


def _is_old(table: DocumentTable, scope: str, now_us: int, *, changes: bool) -> bool:
    """Say whether the delta's first change is more than a day old; note it where this is the first."""
    since = table.note(_since(scope))
    if changes and since:
        return now_us - int(since) > OLDEST_DELTA_US
    if changes or since:
        table.set_note(_since(scope), str(now_us) if changes else "")
    return False
