"""The messages that both ends share (sync protocol version 1): structs, limits, encoding, strict decoding.

Everything is JSON with a fixed field order; batches are zstd-compressed; acknowledgements are signed (COSE_Sign1). The
MQTT content type carries the version. Events travel as the exact bytes of the journal and are never re-encoded.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal, Protocol, TypeVar

import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from station.core import cose, events, sealing

VERSION = 1
INBOX_SOCKET = "inbox.sock"
"""Unix datagram socket in the run directory, bound by gate-station; gate-sync rings it when sync.db has changed."""

JSON_TYPE = "application/vnd.gate-station.v1+json"
BATCH_TYPE = "application/vnd.gate-station.v1+json+zstd"
SIGNED_TYPE = "application/vnd.gate-station.v1+cose"

MAX_EVENTS = 1000
"""Events in one batch."""
MAX_PAYLOAD = 1 << 20
"""Bytes of one message as received."""
MAX_PLAIN = 1 << 20
"""Bytes of one batch after decompression: the largest has 512 KiB of events and 330 KiB of sealed texts."""
MAX_RAW = 512 << 10
"""Bytes of all events of one batch; a single event is never larger."""
MAX_HELD = 16
"""Ranges named in an acknowledgement beside the prefix."""

ZSTD_LEVEL = 3
NO_SUBSCRIBER = 0x10
"""PUBACK reason "no matching subscribers" (MQTT 5, 3.4.2.1)."""

Seq = Annotated[int, Meta(ge=0, le=2**53)]
Epoch = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=40)]
SealedText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,334}\Z")]
Version = Annotated[str, Meta(max_length=80)]

_STATION = re.compile(r"[a-z0-9-]{1,40}")
_UP = re.compile(r"gs/1/([a-z0-9-]{1,40})/up/([a-z]{1,10})")


class WireError(ValueError):
    """A message is not what the protocol allows. `code` names the kind of mistake, the text what exactly is wrong."""

    def __init__(self, code: str, detail: str) -> None:
        """`code`: topic, content-type, too-big, not-zstd, malformed, chain, ranges or unsigned."""
        super().__init__(f"{code}: {detail}")
        self.code = code


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    v: Literal[1] = 1


class Batch(_Message, frozen=True):
    """Consecutive events of one stream. `prev_hash` is the chain hash before the first, `last_hash` after the last."""

    epoch: Epoch
    first_seq: Annotated[int, Meta(ge=1, le=2**53)]
    n: Annotated[int, Meta(ge=1, le=MAX_EVENTS)]
    prev_hash: Hash
    last_hash: Hash
    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_EVENTS)]
    sealed: Annotated[list[SealedText], Meta(max_length=MAX_EVENTS)] = []
    """What events know of persons (station.core.sealing), empty texts for the others; no list where none does."""

    @property
    def last_seq(self) -> int:
        """Sequence number of the last event."""
        return self.first_seq + self.n - 1


class DocumentMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One document in force at a station. `in_force_us`: Unix time in microseconds."""

    type: Name
    seq: Seq
    hash: Hash
    in_force_us: Annotated[int, Meta(ge=0, le=2**63 - 1)]


Marks = Annotated[list[DocumentMark], Meta(max_length=32)]
Versions = Annotated[dict[Name, Version], Meta(max_length=16)]


class Hello(_Message, frozen=True):
    """What a station says on every connect. `nonce` is echoed by the acknowledgement that answers it."""

    epoch: Epoch
    nonce: Annotated[int, Meta(ge=1, le=2**53)]
    first_kept: Seq
    next_seq: Annotated[int, Meta(ge=1, le=2**53)]
    acked: Seq
    head: Hash
    protocols: Annotated[tuple[int, ...], Meta(max_length=8)] = (VERSION,)
    versions: Versions = {}
    documents: Marks = []
    zone: Annotated[str, Meta(pattern=r"^([0-9]{12})?\Z")] = ""
    boot_nonce: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?\Z")] = ""
    ended: bool = False
    """A stream that will not go on: only what is held of it is asked, or (first_kept = next_seq) nothing is left."""


class Prefix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The contiguous, chain-verified beginning of a stream: highest sequence number and the chain hash there."""

    seq: Seq
    head: Hash


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A range that central holds beyond the prefix. It stops retransmission and permits nothing else."""

    first: Seq
    last: Seq
    last_hash: Hash


class Ack(_Message, frozen=True):
    """What central has committed. `credit`: messages that may be in flight; `retry_ms`: spread of reconnects."""

    station: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}\Z")]
    epoch: Epoch
    prefix: Prefix
    db_generation: Annotated[str, Meta(min_length=1, max_length=40)]
    held: Annotated[list[Held], Meta(max_length=MAX_HELD)] = []
    credit: Annotated[int, Meta(ge=0, le=1000)] = 100
    retry_ms: Annotated[int, Meta(ge=0, le=600_000)] = 1000
    hello: Annotated[int, Meta(ge=0, le=2**53)] = 0
    fork: bool = False


class State(_Message, frozen=True):
    """Birth and death. `clean` is true where the station said goodbye itself."""

    state: Literal["online", "offline"]
    clean: bool = False


class Tele(_Message, frozen=True):
    """Health, every ten seconds. `queue`: events not yet acknowledged; `certificate_days`: how long it is good."""

    queue: Annotated[int, Meta(ge=0, le=2**53)]
    versions: Versions = {}
    documents: Marks = []
    certificate_days: Annotated[int, Meta(ge=-100_000, le=100_000)] | None = None


class Response(_Message, frozen=True):
    """The answer to a command. `id`: the first 16 hexadecimal digits of the SHA-256 of the command as received.

    `counter`: that of the last command the station has taken; `text`: one of `parts` parts of what was asked for.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    outcome: Literal["done", "failed", "refused", "interrupted"]
    reason: Annotated[str, Meta(max_length=40)] = ""
    verb: Annotated[str, Meta(max_length=40)] = ""
    counter: Annotated[int, Meta(ge=0, le=2**53)] = 0
    detail: Annotated[str, Meta(max_length=400)] = ""
    part: Annotated[int, Meta(ge=1, le=16)] = 1
    parts: Annotated[int, Meta(ge=1, le=16)] = 1
    text: Annotated[str, Meta(max_length=65_536)] = ""


class AckVerifier(Protocol):
    """Knows the public keys that may sign acknowledgements."""

    def __call__(self, kid: bytes) -> Ed25519PublicKey | None:
        """Return the key with this id (4 bytes) if it has the ack role, else None."""


M = TypeVar("M", bound=_Message)


def encode(message: _Message) -> bytes:
    """Encode a message as JSON."""
    return msgspec.json.encode(message)


def decode(raw: bytes, kind: type[M]) -> M:
    """Decode and check a JSON message. Raises WireError."""
    if len(raw) > MAX_PAYLOAD:
        raise WireError("too-big", f"{len(raw)} bytes are more than {MAX_PAYLOAD}")
    return _json(raw, kind)


def _json(raw: bytes, kind: type[M]) -> M:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError("malformed", f"not a {kind.__name__}: {error}") from error


def encode_batch(batch: Batch) -> bytes:
    """Encode a batch: JSON, then one zstd frame that states its size."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(msgspec.json.encode(batch))


def decode_batch(raw: bytes) -> Batch:
    """Decompress, decode and check a batch; its chain is checked by `hashes`. Raises WireError."""
    batch = _json(_decompress(raw), Batch)
    if batch.n != len(batch.events):
        raise WireError("malformed", f"n is {batch.n} but there are {len(batch.events)} events")
    if (size := sum(map(len, batch.events))) > MAX_RAW:
        raise WireError("too-big", f"{size} bytes of events are more than {MAX_RAW}")
    if len(batch.sealed) not in (0, batch.n):
        raise WireError("malformed", f"n is {batch.n} but there are {len(batch.sealed)} sealed texts")
    try:
        for text in filter(None, batch.sealed):
            sealing.read(text)
    except sealing.SealError as error:
        raise WireError("malformed", f"a sealed text: {error}") from error
    return batch


def _decompress(raw: bytes) -> bytes:
    if len(raw) > MAX_PAYLOAD:
        raise WireError("too-big", f"{len(raw)} bytes are more than {MAX_PAYLOAD}")
    try:
        # The size in the frame header decides how much is allocated, so it is asked for first.
        size = zstandard.frame_content_size(raw)
        if not 0 <= size <= MAX_PLAIN:
            raise WireError("too-big", f"the frame states {size} bytes, allowed are {MAX_PLAIN}")
        return zstandard.ZstdDecompressor().decompress(raw, max_output_size=MAX_PLAIN, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        raise WireError("not-zstd", str(error)) from error


def hashes(batch: Batch) -> list[bytes]:
    """Return the chain hash after each event. Raises WireError where the chain does not end in `last_hash`."""
    found, head = [], bytes.fromhex(batch.prev_hash)
    for raw in batch.events:
        head = events.chain(head, raw)
        found.append(head)
    if head.hex() != batch.last_hash:
        raise WireError("chain", f"events {batch.first_seq} to {batch.last_seq} do not hash to last_hash")
    return found


def seal_ack(ack: Ack, kid: bytes, key: Ed25519PrivateKey) -> bytes:
    """Sign an acknowledgement."""
    return cose.sign1(msgspec.json.encode(ack), kid, key)


def open_ack(raw: bytes, keys: AckVerifier) -> Ack:
    """Verify and decode an acknowledgement. Raises WireError (code "unsigned" where no ack key made the signature)."""
    if len(raw) > MAX_PAYLOAD:
        raise WireError("too-big", f"{len(raw)} bytes are more than {MAX_PAYLOAD}")
    try:
        signed = cose.open_sign1(raw)
    except cose.CoseError as error:
        raise WireError("malformed", str(error)) from error
    signature = signed.signatures[0]
    key = keys(signature.kid)
    if key is None:
        raise WireError("unsigned", f"the trust bundle gives key {signature.kid.hex()} no ack role")
    if not signature.good(key):
        raise WireError("unsigned", f"the signature of key {signature.kid.hex()} is wrong")
    return decode(signed.payload, Ack)


def up(station: str, leaf: str) -> str:
    """Return the topic of a message from a station."""
    return f"gs/1/{station}/up/{leaf}"


def down(station: str, leaf: str) -> str:
    """Return the topic of a message to a station."""
    return f"gs/1/{station}/dn/{leaf}"


def sha256(raw: bytes) -> bytes:
    """Return the digest by which documents are known."""
    return hashlib.sha256(raw).digest()


def is_station(name: str) -> bool:
    """Say whether `name` may be a station id."""
    return _STATION.fullmatch(name) is not None


def parse_up(topic: str) -> tuple[str, str]:
    """Return (station, leaf) of a topic `gs/1/{station}/up/{leaf}`. Raises WireError."""
    match = _UP.fullmatch(topic)
    if match is None:
        raise WireError("topic", f"{topic[:80]!r} is no topic of a station")
    return match[1], match[2]
