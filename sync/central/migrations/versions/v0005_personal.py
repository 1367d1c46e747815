"""What events know of persons, sealed by the stations."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "personal",
        sa.Column("stream", sa.Integer, sa.ForeignKey("stream.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("text", sa.LargeBinary),
        sa.Column("erased_us", sa.BigInteger),
    )
