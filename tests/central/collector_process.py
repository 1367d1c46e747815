"""A collector as a process of its own, so that it can be killed - also between COMMIT and acknowledgement."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sync.central import config, serve
from sync.central.store import Store


def main() -> None:
    """Arguments: configuration file, and after how many commits with events to die (0: never)."""
    die_after = int(sys.argv[2])
    commit, done = Store.commit_batches, [0]

    def commit_then_die(self: Store, offers: Any, asked: Any = ()) -> Any:
        result = commit(self, offers, asked)
        done[0] += bool(offers)
        if die_after and done[0] >= die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Store.commit_batches = commit_then_die  # type: ignore[method-assign]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    serve.run(config.load(Path(sys.argv[1])), stop, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
