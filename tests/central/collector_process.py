"""A collector as a process of its own, so that it can be killed - also between COMMIT and acknowledgement."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sync.central import config, serve, tables
from sync.central.store import Store


def held(store: Store) -> int:
    """Return how many events the database holds."""
    with store.reading() as db:
        return int(db.execute(sa.select(sa.func.count()).select_from(tables.event)).scalar_one())


def main() -> None:
    """Arguments: configuration file, and after how many commits with new events to die (0: never)."""
    die_after = int(sys.argv[2])
    commit, done = Store.commit_batches, [0]

    def commit_then_die(self: Store, offers: Any, asked: Any = ()) -> Any:
        before = held(self)
        result = commit(self, offers, asked)
        done[0] += held(self) > before  # a batch that was sent again commits nothing new
        if die_after and done[0] >= die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Store.commit_batches = commit_then_die  # type: ignore[method-assign]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    serve.run(config.load(Path(sys.argv[1])), stop, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
