"""What a simulated station keeps: its journal and what central has told it, in memory in place of two files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from station.core import events
from sync import wire
from sync.outbox import JournalError, Outbox, Stream
from sync.store import Order, SyncStore


class MemoryJournal(Outbox):
    """The rows of one stream from 1 on, chained as the station chains them. Nothing is evicted."""

    def __init__(self, epoch: int) -> None:
        super().__init__(Path("simulated journal"))
        self.epoch = epoch
        self._raws: list[bytes] = []
        self._heads = [events.GENESIS]

    @property
    def last(self) -> int:
        """The newest row's number, 0 where there is none."""
        return len(self._raws)

    @property
    def head(self) -> bytes:
        """The chain hash after the newest row."""
        return self._heads[-1]

    def append(self, raw: bytes) -> None:
        """Add the bytes of event `last` + 1."""
        self._raws.append(raw)
        self._heads.append(events.chain(self._heads[-1], raw))

    def look(self) -> Stream:
        """Return what the journal holds."""
        return Stream(self.epoch, 1, self.last)

    def hash_at(self, seq: int) -> bytes | None:
        """Return the chain hash after row `seq`, None where there is no such row."""
        return self._heads[seq] if 0 <= seq <= self.last else None

    def confirms(self, seq: int, head: bytes) -> bool | None:
        """Say whether `head` is the hash after row `seq`; None where there is no such row."""
        known = self.hash_at(seq)
        return None if known is None else known == head

    def batch(self, epoch: int, first: int, last: int, max_bytes: int, prev: bytes) -> wire.Batch:
        """Cut a batch from row `first` to at most `last`. Raises JournalError where there is no such row."""
        size, end = 0, first
        while end <= min(last, self.last) and (end == first or size + len(self._raws[end - 1]) <= max_bytes):
            size += len(self._raws[end - 1])
            end += 1
        if end == first or epoch != self.epoch:
            raise JournalError(f"the simulated journal holds no row {first}")
        return wire.Batch(
            epoch=epoch,
            first_seq=first,
            n=end - first,
            prev_hash=prev.hex(),
            last_hash=self._heads[end - 1].hex(),
            events=[msgspec.Raw(raw) for raw in self._raws[first - 1 : end - 1]],
        )

    def documents(self) -> list[wire.DocumentMark]:
        """Return no documents: nobody here verifies any."""
        return []

    def boot_nonce(self) -> str:
        """Return no number: commands are not taken."""
        return ""


class MemoryStore(SyncStore):
    """What central has told. It lives as long as the process; documents and commands are counted and dropped."""

    def __init__(self) -> None:  # not the one of SyncStore, which opens a file
        self._delivered: dict[int, tuple[int, bytes]] = {}
        self._spread_s: float | None = None
        self.orders: list[Order] = []
        """New streams that were ordered; a simulated station stops there, and that counts as a fault."""
        self.received = 0

    def delivered(self, epoch: int) -> tuple[int, bytes] | None:
        """Return (prefix, head) that central has acknowledged."""
        return self._delivered.get(epoch)

    def set_delivered(self, epoch: int, prefix: int, head: bytes) -> None:
        """Remember what central has acknowledged."""
        self._delivered[epoch] = (prefix, head)

    def spread_s(self) -> float | None:
        """Return over how long central wants reconnects spread."""
        return self._spread_s

    def set_spread_s(self, seconds: float) -> None:
        """Remember over how long central wants reconnects spread."""
        self._spread_s = seconds

    def order(self, order: Order) -> None:
        """Note that a new stream was ordered."""
        self.orders.append(order)

    def put_document(self, topic: str, kind: str, raw: bytes) -> bool:  # noqa: ARG002 - dropped
        """Count a document."""
        return self._count()

    def put_notice(self, raw: bytes) -> None:  # noqa: ARG002 - dropped
        """Count a notice."""
        self._count()

    def put_command(self, raw: bytes, *, retained: bool) -> bool:  # noqa: ARG002 - dropped
        """Count a command."""
        return self._count()

    def _count(self) -> bool:
        self.received += 1
        return False
