"""Fixtures: a real broker, a journal, a real PostgreSQL that syncs its files, a store on each database."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sync.central.store import Store
from tests.sync.conftest import broker, journal  # noqa: F401 - fixtures of both ends
from tests.sync.lab import Process, until


def _binary(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name) or next((str(p / name) for p in places if (p / name).exists()), None)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not installed: apt-get install postgresql")
    return found


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    for user in ("postgres", "nobody"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        return ["runuser", "-u", user, "--"]
    return pytest.skip("running as root, and there is no user postgres or nobody to run PostgreSQL")


class Postgres:
    """A cluster in a directory of its own, on a Unix socket."""

    def __init__(self) -> None:
        initdb, self._postgres, self._prefix = _binary("initdb"), _binary("postgres"), _unprivileged()
        self.directory = Path(tempfile.mkdtemp(prefix="gate-pg-", dir="/tmp"))
        if self._prefix:
            shutil.chown(self.directory, self._prefix[2])
        data = self.directory / "data"
        command = [*self._prefix, initdb, "-D", str(data), "-U", "gate", "-A", "trust", "--no-sync", "--no-locale"]
        subprocess.run([*command, "-E", "UTF8"], check=True, capture_output=True, cwd="/")
        self.process: Process | None = None
        self._count = 0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [*self._prefix, self._postgres, "-D", str(self.directory / "data"), "-k", str(self.directory)]
        # After `stop` it syncs its whole directory first: one call is faster than one for each file of each database.
        settings = ["-c", "listen_addresses=", "-c", "recovery_init_sync_method=syncfs"]
        self.process = Process([*command, *settings], self.directory.with_suffix(".log"))
        until(self._answers, 60, what="PostgreSQL")

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.directory), user="gate", dbname="postgres", autocommit=True)

    def new_url(self) -> str:
        """Create a database and return its URL."""
        self._count += 1
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE t{self._count}")
        return f"postgresql+psycopg://gate@/t{self._count}?host={self.directory}"

    def stop(self) -> None:
        """Stop it at once."""
        pid = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 3)  # SIGQUIT: immediate shutdown; runuser would not pass a SIGKILL on
        if self.process:
            self.process.wait(20)
        self.process = None

    def must_run(self) -> None:
        """Start the server again if a test has left it stopped."""
        if self.process is None:
            self.start()

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.with_suffix(".log").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, fsync on."""
    found = Postgres()
    found.start()
    yield found
    found.stop()
    found.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/central.db"
    return str(request.getfixturevalue("postgres").new_url())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store on each kind of database."""
    found = Store(url)
    found.open()
    yield found
    found.close()
