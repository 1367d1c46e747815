"""Where events were first recorded that a station carried over into a new stream."""

import sqlalchemy as sa
from alembic import op

from sync.central.tables import OCCURRENCE

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table and the view."""
    op.create_table(
        "rehomed",
        sa.Column("stream", sa.Integer, sa.ForeignKey("stream.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("origin_seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    op.create_index("rehomed_by_origin", "rehomed", ["epoch", "origin_seq"])
    op.execute(OCCURRENCE)
