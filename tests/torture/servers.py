"""What runs at central: PostgreSQL with its backups, the broker, the collectors. All on sockets of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from tests.demo.processes import NotInTimeError, Process, command, until
from tests.sync.lab import central_toml

DISK_MB = 400
"""Size of the database's disk, where the harness may make one."""


def _binary(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((str(place / name) for place in places if (place / name).exists()), None) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"PostgreSQL's {name} is not installed; run: apt-get install postgresql")
    return found


class Postgres:
    """One cluster. As root it runs as `postgres`, on a disk of its own that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._log = folder, folder / "postgres.log"
        self._disk = folder / "disk"
        self._data, self.backup = self._disk / "data", folder / "backup"
        self._ballast = self._disk / "ballast"
        self._user: str | None = None
        self._disk.mkdir(parents=True)
        self.can_fill = self._mount()
        if os.geteuid() == 0:
            self._user = "postgres"
            owner = pwd.getpwnam(self._user)
            for path in (folder, self._disk):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._call("initdb", "-D", self._data, "-U", "gate", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
        self._child: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+psycopg://gate@/postgres?host={folder}"

    def _mount(self) -> bool:
        if os.geteuid() != 0:
            return False
        line = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self._disk)]
        return subprocess.run(line, capture_output=True, check=False).returncode == 0

    def _call(self, name: str, *arguments: object) -> None:
        line = [_binary(name), *map(str, arguments)]
        subprocess.run(line, check=True, capture_output=True, cwd="/", user=self._user, timeout=120)

    @property
    def up(self) -> bool:
        """Whether it was started and not killed since."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the server unless it runs; it recovers by itself. Does not wait."""
        if self.up:
            return
        options = ("listen_addresses=", "max_wal_size=128MB", "min_wal_size=32MB", "shared_buffers=64MB")
        line = [_binary("postgres"), "-D", str(self._data), "-k", str(self.folder)]
        line += [part for option in options for part in ("-c", option)]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(line, stdout=log, stderr=log, cwd="/", user=self._user)

    def answers(self) -> bool:
        """Say whether it takes queries."""
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def connect(self) -> psycopg.Connection:
        """Return a connection of the harness's own. Raises psycopg.OperationalError."""
        return psycopg.connect(
            host=str(self.folder), user="gate", dbname="postgres", autocommit=True, connect_timeout=5
        )

    def must_answer(self) -> None:
        """Wait until it takes queries; start it again where it gave up by itself (full disk, remains of a kill)."""
        deadline = time.monotonic() + 60
        while not self.answers():
            if not self.up:
                self.start()
            if time.monotonic() > deadline:
                raise NotInTimeError(f"PostgreSQL does not answer; see {self._log}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9 of the postmaster and all its processes at one moment."""
        if self._child is None:
            return
        children = _children(self._child.pid)
        for pid in (self._child.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait()
        until(lambda: not any(_alive(pid) for pid in children), 20, "PostgreSQL's processes end")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._child = None

    def take_backup(self) -> None:
        """Take a consistent copy while it runs."""
        shutil.rmtree(self.backup, ignore_errors=True)
        self._call("pg_basebackup", "-h", self.folder, "-U", "gate", "-D", self.backup, "-c", "fast", "--no-sync")

    def restore(self) -> None:
        """Put the backup in the place of the killed database."""
        shutil.rmtree(self._data)
        shutil.copytree(self.backup, self._data, symlinks=True)
        if self._user:
            owner = pwd.getpwnam(self._user)
            for path in (self._data, *self._data.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._data.chmod(0o700)

    def fill(self) -> None:
        """Leave no room on the disk."""
        with self._ballast.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop it and take its disk away."""
        self.kill()
        if self.can_fill:
            subprocess.run(["umount", "-l", str(self._disk)], check=False, capture_output=True)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


class Collector:
    """One gate-central serve."""

    def __init__(self, folder: Path, name: str, port: int, url: str) -> None:
        self.name, self._folder = name, folder
        self.config = central_toml(folder, port, url, name)
        self._process: Process | None = None

    @property
    def up(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None and self._process.running()

    def start(self) -> None:
        """Start it unless it runs; does not wait."""
        if self.up:
            return
        self._process = Process(
            command("gate-central", "serve", "--config", str(self.config)), self._folder / f"{self.name}.log"
        )

    def restart_if_it_gave_up(self) -> None:
        """Do as systemd does with a process that ended by itself."""
        if self._process is not None and not self.up:
            self.start()

    def must_collect(self) -> None:
        """Wait until it has made the tables and listens."""
        until(lambda: self._process is not None and self._process.said("ready"), 60, f"collector {self.name} is ready")

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def tell_restored(self) -> None:
        """Do what an operator does after a restore."""
        line = command("gate-central", "database", "restored", "--config", str(self.config))
        done = subprocess.run(line, check=False, capture_output=True, timeout=60, text=True)
        assert done.returncode == 0, done.stderr
