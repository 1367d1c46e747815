"""Signed commands to stations, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "command",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("station", sa.String(40), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("verb", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("kid", sa.String(8), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("issued_us", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("published_us", sa.BigInteger),
        sa.Column("answered_us", sa.BigInteger),
        sa.Column("outcome", sa.String(12)),
        sa.Column("reason", sa.String(40)),
        sa.Column("detail", sa.Text),
        sa.Column("station_counter", sa.BigInteger),
        sa.UniqueConstraint("station", "counter"),
    )
    op.create_index("command_by_publication", "command", ["published_us", "expires"])
    op.create_table(
        "command_text",
        sa.Column("command", sa.String(16), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
