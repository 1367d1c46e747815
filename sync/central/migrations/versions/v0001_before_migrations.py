"""The tables as `gate-central serve` created them before there were migrations: where every older database begins."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: a database without a version and with tables is of this one."""
