"""How the way to central is doing, read from journal.db and sync.db alone: gate-sync may run, or have died long ago.

Nothing is changed, nobody is asked over the network. Whether gate-sync runs is seen at its doorbell: a datagram socket
to which one can connect has a process behind it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
from cryptography import x509

from station.core import command
from station.schema import QUARANTINE, RING_SOCKET, UPLOADED
from sync import renewal
from sync.config import SyncConfig, TlsConfig
from sync.outbox import JournalError, Outbox, Stream
from sync.store import FILE

LAST_COMMANDS = 5
LATE_S = 900.0
"""Events that central has not acknowledged for so long, although there is a connection, are worth a person's look."""
DAY_S = 86_400


class LinkState(msgspec.Struct, frozen=True):
    """The connection to the broker as gate-sync last wrote it down; `connected` is false where it has died since."""

    connected: bool
    since: dt.datetime
    last_error: str


class JournalState(msgspec.Struct, frozen=True):
    """What the journal holds: rows `first` to `last` of a stream. `epoch`: 16 hexadecimal digits."""

    epoch: str
    first: int
    last: int


class DocumentState(msgspec.Struct, frozen=True):
    """A document in force at the station."""

    type: str
    seq: int
    since: dt.datetime


class CommandState(msgspec.Struct, frozen=True):
    """A command that arrived here. `outcome` is empty where the station has not answered (or no longer remembers)."""

    id: str
    received: dt.datetime
    verb: str = ""
    outcome: str = ""
    reason: str = ""


class Certificate(msgspec.Struct, frozen=True):
    """This end's certificate: whole days since it began and until it ends, negative after its end."""

    age_days: int
    days_left: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. Times have a zone (UTC). `todo`: what a person should look at, empty where all is well."""

    station: str
    at: dt.datetime
    running: bool | None = None
    """Whether gate-sync runs, None where this user may not see it."""
    link: LinkState | None = None
    journal: JournalState | None = None
    acknowledged: int = 0
    acknowledged_at: dt.datetime | None = None
    queue: int = 0
    """Events that central has not acknowledged."""
    oldest: dt.datetime | None = None
    """When the oldest of them was recorded."""
    quarantined: list[str] = []
    """Journals that were set aside as damaged and are still to be sent."""
    documents: list[DocumentState] = []
    commands: list[CommandState] = []
    certificate: Certificate | None = None
    todo: list[str] = []

    @property
    def oldest_age_s(self) -> float:
        """How old the oldest unacknowledged event is, seconds; 0 where none waits."""
        return max(0.0, (self.at - self.oldest).total_seconds()) if self.oldest else 0.0


class _Told(msgspec.Struct, frozen=True):
    """What is shown of an answer."""

    outcome: str = ""
    reason: str = ""
    verb: str = ""


def examine(config: SyncConfig, now: dt.datetime) -> Report:
    """Look at both files. `now` has a time zone. Never raises for what it finds: that is in `todo`."""
    todo = list[str]()
    found: dict[str, Any] = {}
    outbox = Outbox(config.paths.journal)
    try:
        found |= _journal(config, outbox)
    except JournalError as error:
        todo.append(str(error))
    try:
        found |= _sync_db(config, outbox, found.pop("stream", None))
    except (apsw.Error, JournalError) as error:
        todo.append(f"{config.paths.state / FILE}: {error}; try `gate-sync doctor`")
    finally:
        outbox.close()
    running = _runs(config.paths.run / RING_SOCKET)
    if running is False and (link := found.get("link")):
        found["link"] = LinkState(connected=False, since=link.since, last_error=link.last_error)
    report = Report(
        station=config.station.id,
        at=now,
        running=running,
        certificate=_certificate(config.broker.tls, now),
        todo=todo,
        **found,
    )
    todo += _todo(report, config)
    return report


def _journal(config: SyncConfig, outbox: Outbox) -> dict[str, Any]:
    stream = outbox.look()
    if stream is None:
        return {}
    marks = outbox.documents()
    folder = config.paths.journal.parent
    return {
        "stream": stream,
        "journal": JournalState(f"{stream.epoch:016x}", stream.first, stream.last),
        "queue": stream.last,
        "documents": [DocumentState(mark.type, mark.seq, _time(mark.in_force_us)) for mark in marks],
        "quarantined": sorted(
            path.name for path in folder.glob(f"{QUARANTINE}*") if not path.name.endswith(("-wal", "-shm", UPLOADED))
        ),
    }


def _sync_db(config: SyncConfig, outbox: Outbox, stream: Stream | None) -> dict[str, Any]:
    path = config.paths.state / FILE
    found: dict[str, Any] = {}
    prefix = 0
    if path.exists():
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(1000)
            for connected, since_us, error in db.execute("SELECT connected, since_us, last_error FROM link"):
                found["link"] = LinkState(bool(connected), _time(since_us), error)
            epoch = stream.epoch if stream else -1
            for seq, acked_us in db.execute("SELECT prefix, acked_us FROM delivered WHERE epoch = ?", (epoch,)):
                prefix = seq
                found |= {"acknowledged": seq, "acknowledged_at": _time(acked_us)}
            found["commands"] = _commands(db, outbox)
        finally:
            db.close()
    if stream is not None:
        found["queue"] = max(0, stream.last - prefix)
        if found["queue"]:
            recorded = outbox.recorded_us(max(prefix + 1, stream.first))
            found["oldest"] = None if recorded is None else _time(recorded)
    return found


def _commands(db: apsw.Connection, outbox: Outbox) -> list[CommandState]:
    answers, after = dict[str, _Told](), 0
    with contextlib.suppress(JournalError):  # said already
        while page := outbox.answers(after):
            after = page[-1][0]
            answers |= {number: _told(body) for _, number, body in page}
    newest = db.execute("SELECT raw, received_us FROM command ORDER BY id DESC LIMIT ?", (LAST_COMMANDS,))
    found = list[CommandState]()
    for raw, received_us in newest:
        number = command.number(raw)
        told = answers.get(number, _Told())
        found.append(CommandState(number, _time(received_us), told.verb, told.outcome, told.reason))
    return found


def _told(body: str) -> _Told:
    try:
        return msgspec.json.decode(body, type=_Told)
    except msgspec.MsgspecError:
        return _Told("unreadable")


def _runs(ring: Path) -> bool | None:
    """Say whether a process holds the doorbell. Connecting to a datagram socket sends nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(str(ring))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return None
    return True


def _certificate(tls: TlsConfig | None, now: dt.datetime) -> Certificate | None:
    days = renewal.days_left(tls, now.timestamp())
    if tls is None or days is None:
        return None
    begins = x509.load_pem_x509_certificate(tls.cert.read_bytes()).not_valid_before_utc
    return Certificate(int((now - begins).total_seconds() // DAY_S), days)


def _todo(report: Report, config: SyncConfig) -> Iterator[str]:
    if report.running is False:
        yield "gate-sync does not run: systemctl start gate-sync"
    elif report.link is not None and not report.link.connected:
        yield f"there is no connection ({report.link.last_error}): try `gate-sync doctor`"
    elif report.link is not None and report.link.last_error:
        yield report.link.last_error
    elif report.oldest_age_s > LATE_S:
        minutes = round(report.oldest_age_s / 60)
        yield f"the oldest waiting event is {minutes} minutes old, with a connection: is a collector running?"
    tls = config.broker.tls
    if tls is not None and report.certificate is None:
        yield f"{tls.cert} cannot be read: enrol the station again, or mend [broker.tls]"
    elif report.certificate is not None and report.certificate.days_left < 0:
        yield "the certificate has ended: is the enrolment endpoint reachable? Else enrol the station again"


def _time(us: int) -> dt.datetime:
    """Return a time; where a clock said what no calendar holds, the last moment of the calendar."""
    try:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
    except OverflowError:
        return dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


# --- for people -----------------------------------------------------------------------------------------------------


def lines(report: Report, config: SyncConfig) -> Iterator[str]:
    """Yield the report as lines of text."""
    yield f"gate-sync: {_RUNNING[report.running]}"
    if link := report.link:
        state = "connected" if link.connected else "not connected"
        yield f"link: {state} since {_shown(link.since)} {link.last_error}".rstrip()
    if line := renewal.describe(config.paths.state, config.broker.tls, report.at.timestamp()):
        yield f"{line}; {report.certificate.age_days} days old" if report.certificate else line
    if report.journal is None:
        yield f"journal: {config.paths.journal} does not exist yet, or cannot be read"
    else:
        yield f"journal: epoch {report.journal.epoch}, rows {report.journal.first} to {report.journal.last}"
        yield f"acknowledged: up to {report.acknowledged}; waiting: {report.queue}"
        yield from _moments(report)
    for name in report.quarantined:
        yield f"set aside as damaged, still to be sent: {name}"
    for document in report.documents:
        yield f"in force: {document.type} {document.seq} since {_shown(document.since)}"
    for one in report.commands:
        said = " ".join(part for part in (one.verb, one.outcome or "not answered", one.reason) if part)
        yield f"command {one.id}: {_shown(one.received)} {said}"
    for what in report.todo:
        yield f"-> {what}"


_RUNNING = {True: "running", False: "not running", None: "not visible to this user"}


def _moments(report: Report) -> Iterator[str]:
    if report.acknowledged_at:
        yield f"last acknowledged: {_shown(report.acknowledged_at)}"
    if report.oldest:
        yield f"oldest waiting: {_shown(report.oldest)}"


def _shown(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
