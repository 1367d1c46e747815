"""A disk whose fsync does not return until the test lets it: SQLite's own VFS with a lock in xSync."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import apsw

NAME = "stuck-disk"


class StuckDisk:
    """While `held`, whoever commits waits in the fsync. `waiting` is set as soon as somebody does."""

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()
        self.waiting = threading.Event()

    def sync(self) -> None:
        """Return once the disk is free; called by SQLite instead of fsync, before it."""
        if not self._free.is_set():
            self.waiting.set()
            self._free.wait()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """No fsync returns meanwhile."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()


@contextlib.contextmanager
def stuck_disk() -> Iterator[StuckDisk]:
    """Make the databases opened meanwhile stand on such a disk."""
    disk, base = StuckDisk(), apsw.vfs_names()[0]

    class File(apsw.VFSFile):
        def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
            disk.sync()
            super().xSync(flags)

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(NAME, base, makedefault=True)

        def xOpen(self, name: object, flags: list[int]) -> File:  # noqa: N802 - SQLite's name
            return File(base, name, flags)

    vfs = Disk()
    try:
        yield disk
    finally:
        vfs.unregister()
