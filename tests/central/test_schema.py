"""The version of central's tables: older ones are brought to today's with their rows, others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from sync.central import ranges, schema, tables
from sync.central.cli import main
from sync.central.database import dialect_of
from sync.central.store import Store
from tests.central.test_store import EPOCH, piece, put, stored, stream
from tests.sync.lab import STATION, central_toml

OLD = Path(__file__).parent / "schema_0001"
ROWS = stream(30)


@pytest.fixture
def old(url: str) -> str:
    """The URL of a database with the tables of version 0001 and twenty rows of one stream."""
    engine = dialect_of(url).engine(url)
    one = piece(ROWS, 1, 20)
    with engine.begin() as db:
        for statement in (OLD / f"{engine.dialect.name}.sql").read_text().split(";\n"):
            if statement.strip():
                db.exec_driver_sql(statement)
        values = {"station": STATION, "epoch": EPOCH, "last": one.hashes[-1], "zero": bytes(32)}
        db.execute(sa.text("INSERT INTO meta VALUES ('generation', 'of-old')"))
        db.execute(sa.text("INSERT INTO station VALUES (:station, 1, 2, 'online', '', '')"), values)
        db.execute(sa.text("INSERT INTO stream (station, epoch, first_seen_us) VALUES (:station, :epoch, 1)"), values)
        db.execute(sa.text("INSERT INTO held VALUES (1, 1, 20, :zero, :last)"), values)
        for seq, (raw, digest) in enumerate(zip(ROWS, one.hashes, strict=False), 1):
            row = {"seq": seq, "raw": raw, "hash": digest}
            db.execute(sa.text("INSERT INTO event (stream, seq, raw, hash) VALUES (1, :seq, :raw, :hash)"), row)
        db.execute(sa.text("INSERT INTO lost_range VALUES (1, 25, 26, 7)"))
    engine.dispose()
    return url


@pytest.fixture
def opened(old: str) -> Iterator[Store]:
    """A store on a database that has been brought to today's version."""
    assert schema.upgrade(old) == ("0001", schema.HEAD)
    store = Store(old)
    store.open()
    yield store
    store.close()


def shape(url: str) -> dict[str, object]:
    """Return what a database's tables are made of, partitions left out."""
    engine = dialect_of(url).engine(url)
    inspector = sa.inspect(engine)
    found = dict[str, object]()
    for table in sorted(set(inspector.get_table_names()) & {"alembic_version", *tables.metadata.tables}):
        columns = {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)}
        indexes = sorted((str(i["name"]), tuple(i["column_names"])) for i in inspector.get_indexes(table))
        found[table] = (columns, inspector.get_pk_constraint(table)["constrained_columns"], indexes)
    engine.dispose()
    return found


def test_an_older_database_keeps_its_rows(opened: Store) -> None:
    """After the upgrade every row, range and the generation are there; duplicates are known, what is new is added."""
    assert opened.generation == "of-old"
    assert stored(opened) == ROWS[:20]
    standing = put(opened, piece(ROWS, 11, 30))
    assert (standing.forked, ranges.prefix(standing.held)[0]) == (False, 30)
    assert stored(opened) == ROWS
    with opened.reading() as db:
        received = db.execute(sa.select(tables.event.c.received_us).order_by(tables.event.c.seq)).scalars().all()
    assert received[:20] == [0] * 20
    assert min(received[20:]) > 1_700_000_000_000_000


def test_an_upgraded_database_is_as_a_new_one(old: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The steps lead to the same tables, columns and indexes as an empty database gets at once."""
    schema.upgrade(old)
    sqlite = old.startswith("sqlite")
    new = f"sqlite:///{tmp_path}/new.db" if sqlite else request.getfixturevalue("postgres").new_url()
    store = Store(new)
    store.open()
    store.close()
    assert shape(old) == shape(new)


def test_an_upgraded_key_is_exact(opened: Store) -> None:
    """In old and new rows alike no number of a stream can stand twice within a partition."""
    put(opened, piece(ROWS, 21, 30))
    for seq in (5, 25):
        with pytest.raises(sa.exc.IntegrityError), opened.reading() as db:
            db.execute(sa.text(f"INSERT INTO event SELECT * FROM event WHERE seq = {seq}"))


def test_nothing_runs_on_an_older_or_newer_database(
    old: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server says which version it found, which it needs and what to do, and changes nothing."""
    config = central_toml(tmp_path, 1, old)
    assert main(["serve", "--config", str(config)]) == 2
    assert "version 0001, this program needs" in (said := capsys.readouterr().err)
    assert "gate-central database upgrade" in said
    assert ":gate@" not in said
    assert schema.current(old) == "0001"
    schema.upgrade(old)
    engine = dialect_of(old).engine(old)
    with engine.begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert main(["database", "upgrade", "--config", str(config)]) == 2
    assert "9999, which is newer" in capsys.readouterr().err


def test_the_commands_say_what_they_do(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`current` changes nothing, `upgrade` creates or brings up to date and may be repeated, `restored` mints."""
    config = ["--config", str(central_toml(tmp_path, 1, url))]
    for words in ("current", "upgrade", "upgrade", "current", "restored"):
        assert main(["database", words, *config]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = schema.HEAD
    assert lines[0].startswith("empty")
    assert lines[1:4] == [
        f"version (empty) to {head}",
        f"version {head}, as before",
        f"version {head}, which is this program's",
    ]
    words = lines[4].split()
    assert (words[0], len({words[1], words[3]})) == ("generation", 2)
    store = Store(url)
    store.open()
    assert store.generation == words[3]
    store.close()


def test_an_unreachable_database_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, and no password."""
    config = central_toml(tmp_path, 1, "postgresql+psycopg://gate:secret@127.0.0.1:1/gate")
    assert main(["database", "current", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert "is the database running" in said
    assert "secret" not in said


def test_the_steps_lead_to_the_version_named() -> None:
    """The list of versions is that of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert tuple(step.revision for step in script.walk_revisions())[::-1] == schema.REVISIONS
