"""Certificates that stations and collectors were given, and the one-time codes for the first one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("zone", sa.String(12), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("pem", sa.Text, nullable=False),
        sa.Column("issued_us", sa.BigInteger, nullable=False),
        sa.Column("ends_us", sa.BigInteger, nullable=False),
        sa.Column("renews", sa.String(40), unique=True),
        sa.Column("revoked_us", sa.BigInteger),
    )
    op.create_index("certificate_by_name", "certificate", ["name"])
    op.create_table(
        "enrolment_code",
        sa.Column("secret", sa.LargeBinary(32), primary_key=True),
        sa.Column("station", sa.String(40), nullable=False),
        sa.Column("zone", sa.String(12), nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("ends_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger),
        sa.Column("serial", sa.String(40)),
    )
