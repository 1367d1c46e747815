"""The tables of the central database, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
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
)

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),  # generation: minted with the database; delta-since/SCOPE
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

event = Table(
    "event",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("wall_us", BigInteger),  # the columns from here to cti only repeat what raw says, for queries
    Column("kind", String(40)),
    Column("lane", String(200)),
    Column("outcome", String(200)),
    Column("reason", String(200)),
    Column("rule", String(200)),
    Column("cti", String(200)),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index("event_by_time", "wall_us"),
)

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

lost_range = Table(  # rows that a station no longer keeps and central never had; only an operator may skip them
    "lost_range",
    metadata,
    Column("stream", Integer, ForeignKey("stream.id"), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("noted_us", BigInteger, nullable=False),
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

rejected = Table(
    "rejected",
    metadata,
    Column("station", String(40), primary_key=True),  # empty where the topic names none
    Column("code", String(40), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)
