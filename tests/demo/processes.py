"""Processes of the demo and of system tests: started in the foreground, watched through their logs, ended by pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NotInTimeError(TimeoutError):
    """Something did not happen within its time. The message says what."""


def until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Wait until `condition` is true. Raises NotInTimeError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what}: not within {timeout_s} s")
        time.sleep(0.01)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listening(port: int) -> bool:
    """Say whether something listens on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def command(name: str, *arguments: str) -> list[str]:
    """Return the command line of one of the project's commands in this environment."""
    return [str(Path(sys.executable).with_name(name)), *arguments]


class Process:
    """A child process whose output goes to a log file."""

    def __init__(self, line: list[str], log: Path) -> None:
        self.log = log
        self._from = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self.child = subprocess.Popen(line, stdout=out, stderr=out, cwd=ROOT, stdin=subprocess.DEVNULL)

    def said(self, words: str) -> str:
        """Return the first line of this process's log that holds `words`; empty while there is none."""
        with self.log.open("rb") as file:
            file.seek(self._from)
            text = file.read().decode(errors="replace")
        return next((line for line in text.splitlines() if words in line), "")

    def running(self) -> bool:
        """Say whether the process lives."""
        return self.child.poll() is None

    def kill(self) -> None:
        """Kill -9: what a power cut leaves of a process."""
        self.child.kill()
        self.child.wait()

    def stop(self, timeout_s: float = 15) -> int:
        """End the process as systemd would and return its exit status."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotInTimeError(f"{self.child.args}: did not stop within {timeout_s} s; see {self.log}") from None


class Broker:
    """Mosquitto on a loopback port of its own. It keeps nothing on disk: a kill forgets all it had acknowledged."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if found is None:
            raise FileNotFoundError("mosquitto is not installed; run: apt-get install mosquitto")
        self._binary, self._folder, self.port = found, folder, free_port()
        self._config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false", "set_tcp_nodelay true"]
        self._config.write_text("\n".join([*lines, "max_queued_messages 100000", *user]) + "\n")
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = Process([self._binary, "-c", str(self._config)], self._folder / "mosquitto.log")
        until(lambda: listening(self.port), 10, "Mosquitto listens")

    def kill(self) -> None:
        """Kill -9."""
        if self._process:
            self._process.kill()

    def stop(self) -> None:
        """End it cleanly."""
        if self._process:
            self._process.stop()
