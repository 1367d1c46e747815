"""The tables of the central database, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.event import listen

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),  # generation: minted with it; restored; delta-since/SCOPE
    Column("value", Text, nullable=False),
)

station = Table(
    "station",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),  # hello or tele: "offline" is none of them for 90 s
    Column("state", String(10), nullable=False, default=""),  # birth or death as last published
    Column("tele", Text, nullable=False, default=""),  # JSON, as last sent
    Column("hello", Text, nullable=False, default=""),  # JSON, as last sent
)

stream = Table(
    "stream",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("station", String(40), ForeignKey("station.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("forked_us", BigInteger),  # when rows were refused because others were held under their numbers
    UniqueConstraint("station", "epoch"),
)

held = Table(
    "held",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("last_hash", LargeBinary(32), nullable=False),
    CheckConstraint("first >= 1 AND last >= first"),
)

# PostgreSQL: partitioned by month (sync/central/postgresql.py), where a key must hold the partitions' column; so there
# each partition has its key, and over all of them the locked ranges in `held` see to it. No foreign key: a check per
# row would cost more than the row, and whoever inserts has locked the stream's row.
event = Table(
    "event",
    metadata,
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("received_us", BigInteger, nullable=False, server_default=text("0")),  # when committed; 0: before migrations
    Column("wall_us", BigInteger),  # the columns from here to cti only repeat what raw says, for queries
    Column("kind", String(40)),
    Column("lane", String(200)),
    Column("outcome", String(200)),
    Column("reason", String(200)),
    Column("rule", String(200)),
    Column("cti", String(200)),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    # Events come nearly in order of time, so that a block range index of a few pages does.
    Index("event_by_time", "wall_us", postgresql_using="brin"),
    postgresql_partition_by="RANGE (received_us)",
)
event.primary_key.ddl_if(dialect="sqlite")

passage = Table(  # who went through a gate of a site with several gates, one row per person; kept for eight days
    "passage",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("person", Integer, primary_key=True),  # 0, or 1 for the second of two who went together
    Column("station", String(40), nullable=False),
    Column("wall_us", BigInteger, nullable=False),
    Column("cti", LargeBinary(8), nullable=False),
    Column("household", LargeBinary(6)),
    Column("direction", String(3), nullable=False),
    Index("passage_by_station", "station", "wall_us"),
)

personal = Table(  # what events know of persons, sealed by the station; only the office's offline key opens it
    "personal",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("text", LargeBinary),  # the ciphertext; NULL: erased
    Column("erased_us", BigInteger),
)

rehomed = Table(  # events that a station carried over into a new stream: where each was first recorded
    "rehomed",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("origin_seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index("rehomed_by_origin", "epoch", "origin_seq"),
)

lost_range = Table(  # rows that a station no longer keeps and central never had; only an operator may skip them
    "lost_range",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("noted_us", BigInteger, nullable=False),
    Column("skipped_us", BigInteger),  # when an operator let the stream go on without them
    Column("command", LargeBinary),  # that operator's signed command
)

document = Table(
    "document",
    metadata,
    Column("type", String(20), primary_key=True),
    Column("scope", String(12), primary_key=True),  # all, or a zone
    Column("chunk", String(80), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("stored_us", BigInteger, nullable=False),
    Column("published_us", BigInteger),
    Column("withdrawn", Boolean, nullable=False, default=False),
)

certificate = Table(  # every certificate that a station or collector was given
    "certificate",
    metadata,
    Column("serial", String(40), primary_key=True),  # hexadecimal
    Column("name", String(40), nullable=False),  # its common name: a station's id, or a collector's
    Column("role", String(10), nullable=False),  # station or collector
    Column("zone", String(12), nullable=False, default=""),
    Column("public_key", LargeBinary(32), nullable=False),  # SHA-256 of the public key
    Column("pem", Text, nullable=False),
    Column("issued_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("renews", String(40), unique=True),  # the serial before; unique: each is renewed once
    Column("revoked_us", BigInteger),
    Index("certificate_by_name", "name"),
)

enrolment_code = Table(  # one-time codes that let a new station in
    "enrolment_code",
    metadata,
    Column("secret", LargeBinary(32), primary_key=True),  # SHA-256 of the code's secret
    Column("station", String(40), nullable=False),
    Column("zone", String(12), nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
    Column("serial", String(40)),  # of the certificate it was used for
)

command = Table(  # signed commands to stations, and what became of them
    "command",
    metadata,
    Column("id", String(16), primary_key=True),  # of its bytes' SHA-256: under this number the station answers
    Column("station", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("verb", String(40), nullable=False),
    Column("body", Text, nullable=False),  # JSON: the verb's arguments
    Column("kid", String(8), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("issued_us", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),  # Unix seconds
    Column("published_us", BigInteger),  # when a collector took it to the broker
    Column("answered_us", BigInteger),
    Column("outcome", String(12)),  # done, failed, refused or interrupted; unheard: the station was not connected
    Column("reason", String(40)),
    Column("detail", Text),
    Column("station_counter", BigInteger),  # the last that the station had taken when it answered
    UniqueConstraint("station", "counter"),
    Index("command_by_publication", "published_us", "expires"),
)

command_text = Table(  # what stations sent with their answers, in parts
    "command_text",
    metadata,
    Column("command", String(16), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("parts", Integer, nullable=False),
    Column("text", Text, nullable=False),
)

rejected = Table(
    "rejected",
    metadata,
    Column("station", String(40), primary_key=True),  # empty where the topic names none
    Column("code", String(40), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

OCCURRENCE = """
CREATE VIEW occurrence AS
SELECT event.*, stream.station, stream.epoch
FROM event JOIN stream ON stream.id = event.stream
WHERE NOT EXISTS (
    SELECT 1 FROM rehomed AS carried
    WHERE carried.stream = event.stream AND carried.seq = event.seq AND (
        EXISTS (
            SELECT 1 FROM stream AS old JOIN event AS first
                ON first.stream = old.id AND first.seq = carried.origin_seq AND first.hash = carried.hash
            WHERE old.station = stream.station AND old.epoch = carried.epoch
        ) OR EXISTS (
            SELECT 1 FROM rehomed AS earlier JOIN stream AS other ON other.id = earlier.stream
            WHERE other.station = stream.station AND earlier.epoch = carried.epoch
                AND earlier.origin_seq = carried.origin_seq AND earlier.hash = carried.hash
                AND (earlier.stream < carried.stream OR earlier.stream = carried.stream AND earlier.seq < carried.seq)
        )
    )
)
"""
"""Each event that happened, once: rows without those that repeat, in a new stream, what is held already."""
listen(metadata, "after_create", DDL(OCCURRENCE))  # type: ignore[no-untyped-call]
