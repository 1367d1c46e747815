"""One station under torture: writer and gate-sync as processes, a card that can be copied and put back, the truth."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import apsw

from tests.demo.processes import Process
from tests.sync.lab import sync_toml


class Gate:
    """`believer`: with the control in the place of gate-sync."""

    def __init__(self, folder: Path, name: str, port: int, per_second: float, *, believer: bool) -> None:
        self.folder, self.name, self._port, self._rate = folder, name, port, per_second
        self.card, self._copy = folder / "card", folder / "copy"
        for part in ("station", "sync"):
            (self.card / part).mkdir(parents=True)
        (folder / "run").mkdir()
        self.offset_s, self.full = 0.0, False
        self._tell()
        self._config = self._configure()
        self._believer = believer
        self._writer: Process | None = None
        self._sync: Process | None = None
        self.copied_at: tuple[int, int] | None = None
        """Epoch and last row of the copy of the card."""
        self.restored_from: int | None = None
        """Epoch of the copy that was put back and whose fork has not been found yet."""

    def _configure(self) -> Path:
        path = sync_toml(self.folder, self._port, self.name)
        text = path.read_text()
        for old, new in (
            ("/station/journal.db", "/card/station/journal.db"),
            (f"{self.folder}/sync", f"{self.card}/sync"),
        ):
            text = text.replace(old, new)
        path.write_text(text)
        return path

    def _tell(self) -> None:
        (self.folder / "control.json").write_text(json.dumps({"offset_s": self.offset_s, "full": self.full}))

    def set_clock(self, offset_s: float) -> None:
        """Let the station's clock jump."""
        self.offset_s = offset_s
        self._tell()

    def set_full(self, *, full: bool) -> None:
        """Fill or free the station's disk."""
        self.full = full
        self._tell()

    # --- processes -------------------------------------------------------------------------------------------------

    @property
    def writing(self) -> bool:
        """Whether the writer runs."""
        return self._writer is not None and self._writer.running()

    @property
    def syncing(self) -> bool:
        """Whether gate-sync runs."""
        return self._sync is not None and self._sync.running()

    def start_writer(self) -> None:
        """Start the writer unless it runs; does not wait."""
        if self.writing:
            return
        line = [sys.executable, "-m", "tests.torture.writer", str(self.folder), self.name, str(self._rate)]
        self._writer = Process(line, self.folder / "writer.log")

    def start_sync(self) -> None:
        """Start gate-sync unless it runs; does not wait."""
        if self.syncing:
            return
        if self._believer:
            line = [sys.executable, "-m", "tests.torture.believer", str(self.folder), self.name, str(self._port)]
        else:
            line = [sys.executable, "-m", "sync.cli", "run", "--config", str(self._config)]
        self._sync = Process(line, self.folder / "sync.log")

    def kill_writer(self) -> None:
        """Kill -9."""
        if self._writer:
            self._writer.kill()
            self._writer = None

    def kill_sync(self) -> None:
        """Kill -9."""
        if self._sync:
            self._sync.kill()
            self._sync = None

    def restart_what_gave_up(self) -> None:
        """Do as systemd does with a process that ended by itself, as at a start on a full disk."""
        if self._writer is not None and not self.writing:
            self.start_writer()
        if self._sync is not None and not self.syncing:
            self.start_sync()

    # --- the card --------------------------------------------------------------------------------------------------

    def copy_card(self) -> None:
        """Copy the card of a station whose processes are dead."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.card, self._copy)
        self.copied_at = self.journal()

    def restore_card(self) -> None:
        """Put the copy in the card's place."""
        assert self.copied_at is not None
        shutil.rmtree(self.card)
        shutil.copytree(self._copy, self.card)
        self.restored_from, self.copied_at = self.copied_at[0], None

    # --- what is true ----------------------------------------------------------------------------------------------

    def journal(self) -> tuple[int, int]:
        """Return (epoch, last row) of the journal."""
        with _reading(self.card / "station" / "journal.db") as db:
            epoch, last = db.execute("SELECT epoch, (SELECT max(seq) FROM event) FROM stream").fetchall()[0]
        return int(epoch), int(last or 0)

    def said(self) -> list[str]:
        """Return the names of all events that commit has returned for."""
        path = self.folder / "said"
        return path.read_text().split() if path.exists() else []


def _reading(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5000)
    return db
