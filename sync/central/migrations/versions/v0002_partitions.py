"""Events know when they were received (PostgreSQL: partitioned by that month); lost rows can be let go.

On PostgreSQL the old table becomes a partition as it is: nothing is copied, however large it is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

RECEIVED = "received_us BIGINT NOT NULL DEFAULT 0"
TO_PARTITIONS = (
    "DROP INDEX event_by_time",
    "ALTER TABLE event RENAME TO event_before",
    "ALTER INDEX event_pkey RENAME TO event_before_pkey",
    f"ALTER TABLE event_before DROP CONSTRAINT event_stream_fkey, ADD COLUMN {RECEIVED}",
    f"""CREATE TABLE event (
        stream INTEGER NOT NULL, seq BIGINT NOT NULL, {RECEIVED}, wall_us BIGINT,
        kind VARCHAR(40), lane VARCHAR(200), outcome VARCHAR(200), reason VARCHAR(200), rule VARCHAR(200),
        cti VARCHAR(200), raw BYTEA NOT NULL, hash BYTEA NOT NULL) PARTITION BY RANGE (received_us)""",
    "CREATE INDEX event_by_time ON event USING brin (wall_us)",
    "ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO (1)",
)


def upgrade() -> None:
    """Change the tables."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in TO_PARTITIONS:
            op.execute(statement)
    else:
        op.execute(f"ALTER TABLE event ADD COLUMN {RECEIVED}")
    op.add_column("lost_range", sa.Column("skipped_us", sa.BigInteger))
    op.add_column("lost_range", sa.Column("command", sa.LargeBinary))
