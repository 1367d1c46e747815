"""The station's answers to commands on their way up, and what the station has passed on to this end to be carried out.

gate-station has judged every command and written its answer into journal.db; answers are sent one after the other, each
until the broker has it. How far that went is kept in sync.db, so a kill sends the last answer twice at most.

What is to be carried out here is noted in sync.db BEFORE it is done, so it is done once at most: what it brought is
kept for a link that breaks, and after a kill the answer is `interrupted`. So it is for what a new stream, or a new
sync.db, finds in the journal: nobody knows any more whether that was done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from station.core.reasons import Reason
from sync import logs, wire
from sync.outbox import Outbox
from sync.store import SyncStore

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""After the broker refused an answer, or had nobody to pass it on to."""
REFUSED = 0x80
"""PUBACK reasons from here on are refusals (MQTT 5, 2.4)."""

Publish = Callable[[str, bytes, str], int | None]
"""Sends (leaf, payload, content type) with QoS 1 and returns the message id, None where there is no connection."""
Resend = Callable[[int, int], str]
"""Sends rows of the journal again; returns what is to be said of it."""
_NOTHING = wire.Response(id="0" * 16, outcome="done")
_OUTCOMES = ("done", "failed", "refused", "interrupted")


class AnswerDesk:
    """Used by gate-sync's main loop alone. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        outbox: Outbox,
        store: SyncStore,
        resend: Resend,
        greet: Callable[[], None],
        wake: Callable[[], None],
        collect: Callable[[int], list[str]] = logs.collect,
    ) -> None:
        """`greet` says hello anew; `wake`: called from another thread when `work` has something to do.

        `collect` reads the log lines of so many minutes.
        """
        self._outbox, self._store, self._resend, self._wake, self._collect = outbox, store, resend, wake, collect
        self._greet, self._boot_nonce = greet, ""
        self._publish: Publish | None = None
        self._epoch = 0
        self._key: tuple[int, int] | None = None
        """Stream and number of the answer that is under way."""
        self._made: tuple[int, int] | None = None
        """Of which answer `_messages` are, or will be when they have been collected."""
        self._told = _NOTHING
        self._messages: list[bytes] = []
        self._leaf = ""
        self._unpubacked: set[int] = set()
        self._collecting: Future[list[str]] | None = None
        self._pool = ThreadPoolExecutor(1, "logs")
        self._again_at = 0.0
        self._said_damaged = False

    def connected(self, publish: Publish) -> None:
        """Take a new connection into use: what the old one carried is sent again."""
        self._publish, self._key, self._again_at = publish, None, 0.0
        self._unpubacked.clear()

    def disconnected(self) -> None:
        """Forget the connection."""
        self._publish = None

    def close(self) -> None:
        """End the thread that reads logs, without waiting for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def published(self, mid: int, reason: int, now: float) -> None:
        """Take the broker's PUBACK. Raises apsw.Error where sync.db cannot be written; then it is sent again."""
        if mid not in self._unpubacked:
            return
        if reason >= REFUSED or reason == wire.NO_SUBSCRIBER:
            self._key, self._again_at = None, now + AGAIN_S
            self._unpubacked.clear()
            return
        self._unpubacked.discard(mid)
        if not self._unpubacked and self._key is not None:
            key, self._key = self._key, None
            self._again_at = now + AGAIN_S
            self._store.set_answered(*key)
            self._again_at = 0.0
            self._wake()

    def deadline(self) -> float | None:
        """Return when `work` has something to do although nothing happens, None where it has not."""
        return self._again_at if self._publish is not None and self._again_at > 0 else None

    def work(self, now: float) -> None:
        """Send the next answer, if there is one and none is under way. Raises JournalError and apsw.Error."""
        self._watch_boot()
        stream = self._outbox.look()
        if stream is None:
            return
        if stream.epoch != self._epoch:
            self._begin_stream(stream.epoch)
        if self._publish is None or now < self._again_at or self._unpubacked:
            return
        self._again_at = 0.0
        if self._key is None and not self._take_next():
            return
        if self._collecting is not None:
            if not self._collecting.done():
                return
            self._collected(self._collecting)
        self._send(now)

    def _watch_boot(self) -> None:
        """Say hello anew where the station has started anew: central must know the number of this start."""
        nonce = self._outbox.boot_nonce()
        if nonce != self._boot_nonce:
            known, self._boot_nonce = self._boot_nonce, nonce
            if known and self._publish is not None:
                self._greet()

    def _begin_stream(self, epoch: int) -> None:
        """Take up a stream; where it is new here, nothing that has been passed on in it before is carried out."""
        if not self._store.answered(_carrying(epoch)):
            self._store.set_answered(_carrying(epoch), self._outbox.last_answer() + 1)
        self._epoch = epoch

    def _take_next(self) -> bool:
        """Take up the next answer; says whether there is one."""
        for number, command, body in self._outbox.answers(self._store.answered(self._epoch)):
            key = (self._epoch, number)
            if key == self._made:
                self._key = key
                return True
            self._made, self._collecting, self._leaf = None, None, f"rsp/{command}"
            try:
                self._prepare(number, command, json.loads(body))
            except (ValueError, TypeError, KeyError) as error:
                self._damaged(number, error)
                self._store.set_answered(self._epoch, number)
                continue
            self._key = self._made = key
            return True
        return False

    def _damaged(self, number: int, error: Exception) -> None:
        if not self._said_damaged:
            self._said_damaged = True
            log.error("answer %d in the journal cannot be read (%s) and is left out", number, error)

    def _prepare(self, number: int, command: str, body: dict[str, object]) -> None:
        """Make the messages of an answer, or begin to do what the station has passed on."""
        told = wire.Response(
            id=command,
            outcome=body["outcome"] if body["outcome"] in _OUTCOMES else "done",  # type: ignore[arg-type]
            reason=str(body["reason"]),
            verb=str(body["verb"]),
            counter=int(str(body["counter"])),
            detail=str(body["detail"]),
        )
        arguments = body["arguments"]
        self._told = told
        if body["outcome"] != "passed-on" or not isinstance(arguments, dict):
            self._messages = [wire.encode(told)]
        elif number < self._store.answered(_carrying(self._epoch)):
            reason = Reason.COMMAND_INTERRUPTED.value
            self._messages = [wire.encode(_with(told, outcome="interrupted", reason=reason))]
        else:
            self._carry_out(number, {name: int(value) for name, value in arguments.items()})

    def _carry_out(self, number: int, arguments: dict[str, int]) -> None:
        """Do what the station has passed on. Whatever happens from here on, it is not done again."""
        self._store.set_answered(_carrying(self._epoch), number + 1)
        if "minutes" in arguments:
            self._collecting = self._pool.submit(self._collect, arguments["minutes"])
            self._collecting.add_done_callback(lambda _: self._wake())
        else:
            said = self._resend(arguments["first"], arguments["last"])
            self._messages = [wire.encode(_with(self._told, detail=said))]

    def _collected(self, found: Future[list[str]]) -> None:
        self._collecting = None
        try:
            parts = found.result()
        except logs.LogsError as error:
            reason = Reason.COMMAND_IMPOSSIBLE.value
            self._messages = [wire.encode(_with(self._told, outcome="failed", reason=reason, detail=str(error)[:400]))]
            return
        self._messages = [
            wire.encode(_with(self._told, part=number, parts=len(parts), text=text))
            for number, text in enumerate(parts, 1)
        ]

    def _send(self, now: float) -> None:
        assert self._publish is not None  # noqa: S101 - work has seen to it
        for message in self._messages:
            mid = self._publish(self._leaf, message, wire.JSON_TYPE)
            if mid is None:
                self._key, self._again_at = None, now + AGAIN_S
                self._unpubacked.clear()
                return
            self._unpubacked.add(mid)


def _carrying(epoch: int) -> int:
    """Return the key under which `answered` holds which answer of a stream may be carried out next: streams are > 0."""
    return -epoch


def _with(told: wire.Response, **changes: object) -> wire.Response:
    return msgspec.structs.replace(told, **changes)
