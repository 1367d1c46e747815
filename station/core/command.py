"""Signed commands from central: what one looks like, and whether this station may carry it out now.

A COSE_Sign1 over the deterministic CBOR map {"type": "command", "station", "epoch", "id" (8 bytes), "counter",
"not_before", "expires" (unsigned seconds), "body": {"verb", its arguments}} and perhaps "boot", the 8 bytes from
`up/hello` that this start of the station drew. The key needs the role `command`, and a scope that covers the station.

Epoch and counter keep an old command from being taken twice, the times one that was held back. Who does not know the
time cannot judge times: then the command must echo the boot's number, so that it was signed after this start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from station.core import cose, shape
from station.core.digest import sha256
from station.core.documents import Role, TrustBundle
from station.core.model import LANGUAGES, ClockState, Direction, Instant, Rejected, Text
from station.core.reasons import Reason
from station.core.record import dataclass

TYPE = "command"
MAX_BYTES = 4096
ID_LENGTH = 8
NONCE_LENGTH = 8
LONGEST_LIFE_S = 86_400
"""A command may be valid for a day at most."""
EARLY_S = 5
"""So much earlier than `not_before` by the station's clock a command is still taken: two clocks never agree."""
MOST_UNSURE_S = 60.0
"""A clock that may be farther off than this cannot tell a fresh command from one held back, like one that is lost."""
LONGEST_TEXT = 200
MOST_MINUTES = 1440
FIELDS = {"type", "station", "epoch", "id", "counter", "not_before", "expires", "body", "boot"}


class Verb(StrEnum):
    """What can be commanded."""

    OPEN_ONCE = "open-once"
    LOCK_DOWN = "lock-down"
    RELEASE = "release"
    ANNOUNCE = "announce"
    RELOAD = "reload"
    RESEND_RANGE = "resend-range"
    PING = "ping"
    COLLECT_LOGS = "collect-logs"


@dataclass(frozen=True, slots=True)
class OpenOnce:
    """Let somebody through one lane: that of this name, or (name empty) the only one of this direction."""

    lane: str = ""
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class LockDown:
    """Refuse entry to everybody until RELEASE. Whoever wants out gets out."""


@dataclass(frozen=True, slots=True)
class Release:
    """End a lock-down. It holds no door open."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Say a text once, now."""

    texts: Text


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration and the provided documents anew."""


@dataclass(frozen=True, slots=True)
class ResendRange:
    """Send these rows of the journal to central again."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer."""


@dataclass(frozen=True, slots=True)
class CollectLogs:
    """Send the log lines of the last minutes, 1 to 1440."""

    minutes: int


Action = OpenOnce | LockDown | Release | Announce | Reload | ResendRange | Ping | CollectLogs


@dataclass(frozen=True, slots=True)
class Command:
    """A command that this station carries out."""

    kid: bytes
    id: bytes
    counter: int
    verb: Verb
    action: Action


@dataclass(frozen=True, slots=True)
class Recipient:
    """The station as a command must name it. `counter`: that of the last command taken, 0 where none was."""

    station: str
    zone: str
    epoch: int
    counter: int
    boot_nonce: bytes


# --- reading ---------------------------------------------------------------------------------------------------------


def number(raw: bytes) -> str:
    """Return under which number a command is answered: the first 16 hexadecimal digits of the SHA-256 of its bytes.

    Also what cannot be read has one, and nobody can give his own command the number of another's.
    """
    return sha256(raw).hex()[:16]


def open_command(
    raw: bytes, trust: TrustBundle | None, here: Recipient, now: Instant, *, retained: bool = False
) -> Command | Rejected:
    """Verify a command: whose it is, for whom, when, and that it is newer than the last one taken."""
    if retained:
        return Rejected(Reason.COMMAND_RETAINED, "the broker had kept it")
    if trust is None:
        return Rejected(Reason.NO_TRUST, "no trust bundle is in force")
    try:
        kid, fields = _signed_fields(raw, trust, here.zone)
        _addressed(fields, here)
        _in_time(fields, here, now)
        counter = _newer(fields, here)
        verb, action = _read_body(shape.mapping(fields["body"], "body"))
    except _Refusal as refusal:
        return refusal.rejected
    except ValueError as error:
        return Rejected(Reason.COMMAND_MALFORMED, str(error))
    return Command(kid, shape.octets(fields["id"], "id", ID_LENGTH), counter, verb, action)


class _Refusal(Exception):  # noqa: N818 - a refusal is no error
    """Carries a refusal out of the checks."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejected = Rejected(reason, detail)


def _signed_fields(raw: bytes, trust: TrustBundle, zone: str) -> tuple[bytes, Mapping[object, object]]:
    """Return (key id, fields) of what a key with the role has signed. Raises _Refusal and ValueError."""
    if len(raw) > MAX_BYTES:
        raise shape.ShapeError(f"{len(raw)} bytes are more than the {MAX_BYTES} allowed")
    signed = cose.open_sign1(raw)
    signature = signed.signatures[0]
    entry = trust.key(signature.kid, Role.COMMAND)
    if entry is None or not entry.covers(zone):
        raise _Refusal(Reason.COMMAND_OUT_OF_ROLE, f"key {signature.kid.hex()} may not command this station")
    if not signature.good(entry.public_key):
        raise _Refusal(Reason.COMMAND_UNSIGNED, f"key {signature.kid.hex()} did not sign it")
    fields = _fields(signed.payload)
    if not entry.not_before <= shape.integer(fields["not_before"], "not_before") <= entry.expires:
        raise _Refusal(Reason.COMMAND_OUT_OF_ROLE, f"key {signature.kid.hex()} was not valid when it signed")
    return signature.kid, fields


def _fields(payload: bytes) -> Mapping[object, object]:
    fields = shape.mapping(cose.decode_strict(payload), TYPE)
    shape.keys_within(fields, FIELDS, TYPE)
    if missing := FIELDS - {"boot"} - set(fields):
        raise shape.ShapeError(f"a command without {', '.join(sorted(missing))}")
    if fields["type"] != TYPE:
        raise shape.ShapeError("not a command")
    shape.octets(fields["id"], "id", ID_LENGTH)
    shape.integer(fields["counter"], "counter", 1)
    shape.mapping(fields["body"], "body")
    if "boot" in fields:
        shape.octets(fields["boot"], "boot", NONCE_LENGTH)
    begins = shape.integer(fields["not_before"], "not_before")
    shape.integer(fields["expires"], "expires", begins, begins + LONGEST_LIFE_S)
    return fields


def _addressed(fields: Mapping[object, object], here: Recipient) -> None:
    station = shape.text(fields["station"], "station", 40)
    if station != here.station:
        raise _Refusal(Reason.COMMAND_OTHER_STATION, f"it is for station {station}")
    epoch = shape.integer(fields["epoch"], "epoch")
    if epoch != here.epoch:
        raise _Refusal(Reason.COMMAND_OTHER_EPOCH, f"it is for journal {epoch:016x}, this one is {here.epoch:016x}")


def _in_time(fields: Mapping[object, object], here: Recipient, now: Instant) -> None:
    if now.state is ClockState.LOST or now.uncertainty_s > MOST_UNSURE_S:
        if not here.boot_nonce or fields.get("boot") != here.boot_nonce:
            raise _Refusal(Reason.COMMAND_NO_BOOT_NONCE, "the clock is lost, and it does not echo this boot's number")
        return
    begins, expires = shape.integer(fields["not_before"], "nbf"), shape.integer(fields["expires"], "expires")
    if begins > now.seconds + now.uncertainty_s + EARLY_S:
        raise _Refusal(Reason.COMMAND_NOT_YET_VALID, f"valid from {begins}, now is {now.seconds}")
    if expires < now.seconds - now.uncertainty_s:
        raise _Refusal(Reason.COMMAND_EXPIRED, f"valid until {expires}, now is {now.seconds}")


def _newer(fields: Mapping[object, object], here: Recipient) -> int:
    counter = shape.integer(fields["counter"], "counter")
    if counter <= here.counter:
        raise _Refusal(Reason.COMMAND_REPLAYED, f"counter {counter} after {here.counter}")
    return counter


# --- what is commanded -----------------------------------------------------------------------------------------------

Arguments = Mapping[object, object]


def _open_once(given: Arguments) -> Action:
    shape.keys_within(given, {"lane", "direction"}, "open-once")
    if len(given) != 1:
        raise shape.ShapeError("open-once names a lane or a direction")
    if "lane" in given:
        return OpenOnce(lane=shape.text(given["lane"], "lane", 40))
    return OpenOnce(direction=Direction(shape.text(given["direction"], "direction", 3)))


def _announce(given: Arguments) -> Action:
    shape.keys_within(given, {"texts"}, "announce")
    texts = shape.mapping(given.get("texts"), "texts")
    shape.keys_within(texts, LANGUAGES, "texts")
    said = {str(language): shape.text(text, "text", LONGEST_TEXT).strip() for language, text in texts.items()}
    if not said or not all(said.values()):
        raise shape.ShapeError("announce says nothing")
    return Announce(said)


def _resend_range(given: Arguments) -> Action:
    shape.keys_within(given, {"first", "last"}, "resend-range")
    first = shape.integer(given.get("first"), "first", 1)
    return ResendRange(first, shape.integer(given.get("last"), "last", first))


def _collect_logs(given: Arguments) -> Action:
    shape.keys_within(given, {"minutes"}, "collect-logs")
    return CollectLogs(shape.integer(given.get("minutes"), "minutes", 1, MOST_MINUTES))


def _alone(action: Action) -> Callable[[Arguments], Action]:
    """Return the reader of a verb without arguments."""

    def read(given: Arguments) -> Action:
        shape.keys_within(given, (), "the verb")
        return action

    return read


_READ: dict[Verb, Callable[[Arguments], Action]] = {
    Verb.OPEN_ONCE: _open_once,
    Verb.LOCK_DOWN: _alone(LockDown()),
    Verb.RELEASE: _alone(Release()),
    Verb.ANNOUNCE: _announce,
    Verb.RELOAD: _alone(Reload()),
    Verb.RESEND_RANGE: _resend_range,
    Verb.PING: _alone(Ping()),
    Verb.COLLECT_LOGS: _collect_logs,
}


def _read_body(body: Arguments) -> tuple[Verb, Action]:
    said = shape.text(body.get("verb"), "verb", 40)
    try:
        verb = Verb(said)
    except ValueError:
        raise _Refusal(Reason.COMMAND_UNKNOWN_VERB, f"verb {said!r} is unknown to this version") from None
    try:
        return verb, _READ[verb]({key: value for key, value in body.items() if key != "verb"})
    except ValueError as error:
        raise _Refusal(Reason.COMMAND_BAD_ARGUMENT, str(error)) from None


# --- writing ---------------------------------------------------------------------------------------------------------


def payload(
    here: Recipient, identity: bytes, times: tuple[int, int], verb: str, arguments: Mapping[str, object]
) -> bytes:
    """Return the bytes that are signed. `here.counter` is the new command's own; `times`: (not_before, expires)."""
    fields: dict[str, object] = {
        "type": TYPE,
        "station": here.station,
        "epoch": here.epoch,
        "id": identity,
        "counter": here.counter,
        "not_before": times[0],
        "expires": times[1],
        "body": {"verb": verb, **arguments},
    }
    return cose.encode(fields | ({"boot": here.boot_nonce} if here.boot_nonce else {}))
