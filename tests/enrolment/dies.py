"""Enrols or renews in a child process that kills itself (-9) just before its Nth step on files or sockets.

Reads lines `STEP STATE [CODE URL]` and answers each with the exit status of a child of its own: 0 where it got through
before that step, -9 where it was killed. The child is forked, so that nothing has to be imported again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path

from sync.config import StationConfig
from sync.enrolment import enrol
from sync.enrolment_code import read
from sync.identity import IdentityFolder
from sync.renewal import renew

STEPS = {"os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "socket.connect"}
STATION = StationConfig(id="gate-east-1", zone="320611001001")


def work(last: int, state: Path, *arguments: str) -> None:
    """Do it, and die before step `last`."""
    steps = 0

    def count(event: str, values: tuple[object, ...]) -> None:
        nonlocal steps
        writing = event == "open" and isinstance(values[2], int) and bool(values[2] & (os.O_WRONLY | os.O_RDWR))
        if event in STEPS or (writing and str(state) in str(values[0])):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    if arguments:
        enrol(STATION, IdentityFolder(state), read(arguments[0]), arguments[1], time.time())
    else:
        renew(IdentityFolder(state))


def main() -> None:
    """Answer line by line."""
    for line in sys.stdin:
        step, state, *arguments = line.split()
        child = os.fork()
        if child == 0:
            try:
                work(int(step), Path(state), *arguments)
            except BaseException:  # noqa: BLE001 - said, then the child ends
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
