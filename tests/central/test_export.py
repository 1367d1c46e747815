"""Exports: whole, in order, harmless for spreadsheets, in constant memory, and only ever a whole file."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import sqlalchemy as sa

from station.core import events
from station.core.model import Instant
from sync.central import cli, export, export_files, export_rows, tables
from sync.central.database import now_us
from sync.central.export_rows import COLUMNS, Choice
from sync.central.store import Store, offer
from sync.wire import Batch
from tests.central.conftest import Postgres
from tests.demo.processes import ROOT

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
BEGAN_US = 1_760_000_000_000_000
FORMATS = ["csv", "xlsx", "parquet"]
NASTY = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "通行,证\n\"'", "nul\x01", "plain"]


def chained(station: str, epoch: int, raws: list[bytes]) -> Any:
    """Return an offer of a stream's first events."""
    head = events.GENESIS
    for raw in raws:
        head = events.chain(head, raw)
    told = {"prev_hash": events.GENESIS.hex(), "last_hash": head.hex(), "events": list(map(msgspec.Raw, raws))}
    return offer(station, Batch(epoch=epoch, first_seq=1, n=len(raws), **told))


def batch(station: str, epoch: int, payloads: list[dict[str, object]], kind: events.Kind = events.Kind.DECISION) -> Any:
    """Return an offer of events an hour apart."""
    raws = [
        events.encode(n, Instant(BEGAN_US + n * HOUR_US, n), "b", kind, payload)
        for n, payload in enumerate(payloads, 1)
    ]
    return chained(station, epoch, raws)


@pytest.fixture
def filled(store: Store) -> Store:
    """Two stations: 30 decisions, 4 alarms."""
    decisions = [{"lane": "in", "outcome": "grant", "cti": f"{n:016x}"} for n in range(30)]
    store.commit_batches([batch("gate-b", 7, decisions)])
    store.commit_batches([batch("gate-a", 9, [{"alarm": "fire", "what": "begins"}] * 4, events.Kind.ALARM)])
    return store


def needs(kind: str) -> None:
    """Skip where the package that writes a format cannot be used here."""
    if kind != "csv":
        pytest.importorskip({"xlsx": "openpyxl", "parquet": "pyarrow"}[kind], exc_type=ImportError)


def left_over(folder: Path) -> list[Path]:
    """Return files that were begun and not finished."""
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


def read(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return the rows of a file, by column."""
    if kind == "csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    if kind == "xlsx":
        from openpyxl import load_workbook  # noqa: PLC0415 - optional

        book = load_workbook(path, read_only=True)
        cells = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
        book.close()
        return [dict(zip(sheet[0], row, strict=True)) for sheet in cells for row in sheet[1:]]
    from pyarrow import parquet  # noqa: PLC0415 - optional

    return list(parquet.read_table(path).to_pylist())


@pytest.mark.parametrize("kind", FORMATS)
def test_every_event_once_and_in_order(kind: str, filled: Store, url: str, tmp_path: Path) -> None:
    """All events of all stations, by stream and number, with what their bytes tell; the file is its owner's alone."""
    needs(kind)
    path = tmp_path / f"events.{kind}"
    path.write_text("an older export")
    path.chmod(0o644)
    assert export.export(url, Choice(), path, kind, ZoneInfo("Asia/Shanghai")) == 34
    found = read(path, kind)
    assert [(row["station"], int(row["seq"])) for row in found] == [
        *(("gate-b", n) for n in range(1, 31)),
        *(("gate-a", n) for n in range(1, 5)),
    ]
    assert tuple(found[0]) == COLUMNS
    row = found[2]
    moment = row["time"] if kind == "parquet" else datetime.fromisoformat(row["time"])
    assert moment == datetime.fromtimestamp((BEGAN_US + 3 * 3_600_000_000) / 1e6, UTC)
    if kind != "parquet":
        assert row["time"].endswith("+08:00")
    assert row["epoch"] == f"{7:016x}"
    assert (row["kind"], row["lane"], row["outcome"], row["cti"]) == ("decision", "in", "grant", f"{2:016x}")
    assert msgspec.json.decode(row["payload"]) == {"lane": "in", "outcome": "grant", "cti": f"{2:016x}"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert not left_over(tmp_path)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("number", [10**30, 2**63, -(2**63) - 1])
def test_a_number_that_no_column_holds_is_left_out(
    kind: str, number: int, store: Store, url: str, tmp_path: Path
) -> None:
    """One event with it does not make the file of all others impossible."""
    needs(kind)
    good = events.encode(1, Instant(BEGAN_US, 1), "b", events.Kind.BOOT, {})
    bad = b'[2,%d,1,"b","trusted",%d,"decision",{"outcome":"grant"}]' % (number, number)
    store.commit_batches([chained("gate-a", 1, [good, bad])])
    path = tmp_path / f"odd.{kind}"
    assert export.export(url, Choice(), path, kind) == 2
    found = read(path, kind)
    assert [row["uncertainty_ms"] in (None, "") for row in found] == [False, True]
    assert [row["time"] in (None, "") for row in found] == [False, True]
    assert [row["outcome"] or "" for row in found] == ["", "grant"]


def test_a_choice_of_times_stations_and_kinds(filled: Store, url: str, tmp_path: Path) -> None:
    """From is included, to is not; stations and kinds narrow it; together they do both."""
    path = tmp_path / "some.csv"
    hour = 3_600_000_000
    between = Choice(BEGAN_US + 3 * hour, BEGAN_US + 6 * hour)
    assert export.export(url, between, path, "csv") == 3 + 2
    assert [row["seq"] for row in read(path, "csv")] == ["3", "4", "5", "3", "4"]
    assert export.export(url, Choice(stations=("gate-a",)), path, "csv") == 4
    assert export.export(url, Choice(kinds=("alarm", "boot")), path, "csv") == 4
    assert export.export(url, Choice(BEGAN_US + 5 * hour, None, ("gate-a",), ("alarm",)), path, "csv") == 0
    assert path.read_text("utf-8-sig").strip() == ",".join(COLUMNS)
    with pytest.raises(export_rows.ExportError, match="gate-x"):
        export.export(url, Choice(stations=("gate-a", "gate-x")), path, "csv")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_cell_is_a_formula(kind: str, store: Store, url: str, tmp_path: Path) -> None:
    """What a spreadsheet would calculate is a text there; everything else is as it was."""
    needs(kind)
    store.commit_batches([batch("gate-a", 1, [{"reason": text} for text in NASTY])])
    path = tmp_path / f"nasty.{kind}"
    export.export(url, Choice(), path, kind)
    if kind == "xlsx":
        from openpyxl import load_workbook  # noqa: PLC0415 - optional

        cells = [cell for row in load_workbook(path).active.iter_rows() for cell in row]
        assert not [cell.value for cell in cells if cell.data_type == "f"]
    found = [row["reason"] for row in read(path, kind)]
    for text, cell in zip(NASTY, found, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        kept = cell.removeprefix("'") if text.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
        assert kept == (text.replace("\x01", "�") if kind == "xlsx" else text) or "\r" in text


def test_bytes_that_are_no_event_come_too(store: Store, url: str, tmp_path: Path) -> None:
    """A row that nobody can read is exported as it is, without a time; limits of time leave it out."""
    raw = b'["what is this","\xff"]'
    store.commit_batches([batch("gate-a", 1, [{}])])
    with store.reading() as db:
        number = db.execute(sa.select(tables.stream.c.id)).scalar_one()
        row = {"stream": number, "seq": 2, "received_us": now_us(), "wall_us": None, "raw": raw, "hash": bytes(32)}
        db.execute(sa.insert(tables.event).values(row))
        far = {**row, "seq": 3, "wall_us": 2**62, "raw": b"{}"}
        db.execute(sa.insert(tables.event).values(far))
    path = tmp_path / "odd.csv"
    assert export.export(url, Choice(), path, "csv") == 3
    assert [(row["time"], row["payload"]) for row in read(path, "csv")][1:] == [
        ("", raw.decode("utf-8", "replace")),
        ("", "{}"),
    ]
    assert export.export(url, Choice(begin_us=0, end_us=2 * BEGAN_US), path, "csv") == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_is_whole_or_not_there(
    kind: str, filled: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the writing fails half way, the older file is untouched and nothing is left beside it."""
    needs(kind)
    path = tmp_path / f"events.{kind}"
    path.write_text("an older export")
    real = export.rows

    def fails(*arguments: Any) -> Any:
        for count, row in enumerate(real(*arguments)):
            if count == 20:
                raise OSError(28, "No space left on device")
            yield row

    monkeypatch.setattr(export, "rows", fails)
    with pytest.raises(OSError, match="No space"):
        export.export(url, Choice(), path, kind)
    assert path.read_text() == "an older export"
    assert not left_over(tmp_path)


@pytest.mark.parametrize(("kind", "package"), [("xlsx", "openpyxl"), ("parquet", "pyarrow")])
def test_a_missing_package_is_named(
    kind: str, package: str, filled: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra `export` the message says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(export_rows.ExportError, match=rf"{package}.*gate-station\[export\]"):
        export.export(url, Choice(), tmp_path / "x", kind)
    assert not left_over(tmp_path)


def test_a_full_sheet_is_followed_by_another(
    filled: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sheet has a last row; the next event opens the next sheet, with a head of its own."""
    needs("xlsx")
    monkeypatch.setattr(export_files, "SHEET_ROWS", 11)
    path = tmp_path / "events.xlsx"
    export.export(url, Choice(), path, "xlsx")
    assert [int(row["seq"]) for row in read(path, "xlsx")] == [*range(1, 31), *range(1, 5)]


def test_the_command(filled: Store, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Times are read in the zone that is named; wrong ones are told from each other."""
    config, path = tmp_path / "central.toml", tmp_path / "out.csv"
    config.write_text(
        f'[broker]\nhost = "localhost"\n[database]\nurl = "{url}"\n[ack]\nkey = "/nowhere"\nkid = "01020304"\n'
    )
    day = datetime.fromtimestamp((BEGAN_US + 3_600_000_000) / 1e6, ZoneInfo("Asia/Shanghai"))
    base = ["export", "--config", str(config), str(path), "--zone", "Asia/Shanghai", "--station", "gate-b"]
    text = f"{day:%Y-%m-%dT%H:%M:%S.%f}"
    assert cli.main([*base, "--from", text]) == 0
    assert "30 events in" in capsys.readouterr().out
    assert cli.main([*base, "--from", f"{text}+00:00"]) == 0
    assert "22 events in" in capsys.readouterr().out
    for wrong in (["--from", "yesterday"], ["--zone", "Mars/Base"], ["--station", "gate-x"]):
        assert cli.main([*base, *wrong]) == 1
        assert wrong[1] in capsys.readouterr().err
    config.write_text(config.read_text().replace(url, f"sqlite:///{tmp_path}/none.db"))
    assert cli.main(base) == 2
    assert "is the database running?" in capsys.readouterr().err


def test_collectors_go_on_writing_meanwhile(tmp_path: Path) -> None:
    """On SQLite a reader that has begun holds up no collector, and sees nothing of what comes after it began."""
    url = f"sqlite:///{tmp_path}/central.db"
    store = Store(url)
    store.open()
    store.commit_batches([batch("gate-a", 1, [{"n": n} for n in range(500)])])
    found = export_rows.rows(url, Choice())
    next(found)
    began = time.monotonic()
    store.commit_batches([batch("gate-b", 1, [{"n": n} for n in range(500)])])
    assert time.monotonic() - began < 5
    assert sum(1 for _ in found) == 499
    store.close()


PEAK = """
import sys
from pathlib import Path
from sync.central import export, export_rows
kind, url, path, since = sys.argv[1:]
choice = export_rows.Choice(int(since), kinds=("decision",))
count = export.export(url, choice, Path(path), kind)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(count, peak.split()[1])
"""


def peak_kib(kind: str, url: str, path: Path, last: int) -> int:
    """Export the last so many decisions in a process of its own; return the most memory it had, KiB."""
    since = BEGAN_US + 200_002 - last
    line = [sys.executable, "-c", PEAK, kind, url, str(path), str(since)]
    done = subprocess.run(line, check=True, capture_output=True, text=True, cwd=ROOT)
    count, peak = done.stdout.split()
    assert int(count) == last
    return int(peak)


def fill(url: str) -> str:
    """Put 200,000 decisions and one boot into an empty database."""
    store = Store(url)
    store.open()
    store.commit_batches([batch("gate-a", 1, [{}], events.Kind.BOOT)])
    payload = {"lane": "in", "outcome": "grant", "reason": "granted", "cti": "00ff00ff00ff00ff"}
    raw = events.encode(2, Instant(BEGAN_US, 2), "b", events.Kind.DECISION, payload)
    numbers = "generate_series(2, 200001) AS n"
    if url.startswith("sqlite"):
        below = "WITH RECURSIVE t(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM t WHERE n < 200001) SELECT n FROM t"
        numbers = f"({below})"
    insert = (
        "INSERT INTO event (stream, seq, received_us, wall_us, kind, lane, outcome, reason, cti, raw, hash) "
        f"SELECT id, n, 1, {BEGAN_US} + n, 'decision', 'in', 'grant', 'granted', '00ff00ff00ff00ff', :raw, :hash "
        f"FROM stream, {numbers}"
    )
    with store.reading() as db:
        db.execute(sa.text(insert), {"raw": raw, "hash": bytes(32)})
    store.close()
    return url


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A large SQLite database."""
    return fill(f"sqlite:///{tmp_path_factory.mktemp('large')}/central.db")


@pytest.mark.parametrize(("kind", "count"), [("csv", 200_000), ("xlsx", 25_000), ("parquet", 200_000)])
def test_memory_does_not_grow_with_the_rows(kind: str, count: int, large: str, tmp_path: Path) -> None:
    """So many events take less than 48 MiB more than one: a portion, not all. A workbook is slow, so it has fewer."""
    needs(kind)
    few = peak_kib(kind, large, tmp_path / "one", 1)
    most = peak_kib(kind, large, tmp_path / "all", count)
    assert most - few < 48 << 10


def test_postgresql_sends_rows_as_they_are_asked_for(postgres: Postgres, tmp_path: Path) -> None:
    """The driver would otherwise hold all 200,000 before the first is written."""
    url = fill(postgres.new_url())
    few = peak_kib("csv", url, tmp_path / "one", 1)
    most = peak_kib("csv", url, tmp_path / "all", 200_000)
    assert most - few < 48 << 10
