"""The physical world that all twins of one station share, in a process of its own, and the client to reach it.

`python -m drivers.twins.world SOCKET LOGFILE` serves it. Because it is another process, its log of pin levels
survives a kill -9 of the station, as an oscilloscope at the relay would. One JSON object per line, UTF-8, over a Unix
stream socket:

    client -> world   {"op": "set", "key": k, "value": v}   {"op": "watch"}
                      {"op": "hello", "role": "station", "pid": n, "release": "pull" | "keep"}
                      {"op": "log", ...}
    world -> watcher  {"op": "state", "state": {...}} once, then {"op": "set", "key": k, "value": v} for each change

Keys: "camera.NAME" (a scene or null), "thermometer.NAME" ({"object_c", "ambient_c", "fault"}), "pin.N" (0 or 1 from
outside; absent or null: nothing drives the pin). LOGFILE holds one JSON object per line, each with "t" (nanoseconds,
CLOCK_MONOTONIC): every "log" and "set" in order of arrival, and what becomes of a station's output pins when its
connection ends. "release": "pull" stands for kernels that turn a released line into an input (strict_gpiod), "keep"
for Raspberry Pi kernels without it, which leave the last level on the pin.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from station.ports import DeviceFault

log = logging.getLogger(__name__)

Message = dict[str, Any]
ReleaseBehaviour = Literal["pull", "keep"]

LISTENING = "listening"
"""First word the world writes to its standard output once clients can connect."""
_MAX_LINE = 1 << 20
_START_TIMEOUT_S = 10.0


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# --- the world itself ----------------------------------------------------------------------------------------------


class _Visitor:
    """One connected client: what it said it is, and the last that was logged of each of its pins."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.watching = False
        self.hello: Message | None = None
        self.pins: dict[int, Message] = {}


class WorldServer:
    """State and log of one world. Runs in one asyncio loop, so that arrival order is the only order there is."""

    def __init__(self, record: TextIO) -> None:
        """`record`: where the log's lines go; each is flushed."""
        self._record = record
        self._state: Message = {}
        self._visitors: set[_Visitor] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it hangs up. A line that is no message is logged and skipped."""
        visitor = _Visitor(writer)
        self._visitors.add(visitor)
        try:
            while line := await reader.readline():
                self._receive(visitor, line)
        except asyncio.CancelledError:
            return  # the world ends, not the station
        except (OSError, ValueError):
            self._write({"op": "log", "what": "broken-client"})
        finally:
            self._visitors.discard(visitor)
            writer.close()
        self._release_pins(visitor)

    def _receive(self, visitor: _Visitor, line: bytes) -> None:
        try:
            message = json.loads(line)
            self._obey(visitor, message)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._write({"op": "log", "what": "bad-message", "text": repr(line[:200]), "error": repr(error)})

    def _obey(self, visitor: _Visitor, message: Message) -> None:
        match message["op"]:
            case "set":
                self._state[message["key"]] = message["value"]
                self._write(message)
                told = _line({"op": "set", "key": message["key"], "value": message["value"]})
                for other in self._visitors:
                    if other.watching:
                        other.writer.write(told)
            case "watch":
                visitor.watching = True
                visitor.writer.write(_line({"op": "state", "state": self._state}))
            case "hello":
                visitor.hello = message
            case "log":
                self._write(message)
                if message.get("what") == "pin":
                    visitor.pins[int(message["pin"])] = message
            case other_op:
                raise ValueError(f"unknown op {other_op!r}")

    def _release_pins(self, visitor: _Visitor) -> None:
        """Record what the kernel makes of the output pins of a station that is gone."""
        if visitor.hello is None or visitor.hello.get("role") != "station":
            return
        self._write({"op": "log", "what": "gone", "pid": visitor.hello.get("pid")})
        keeps = visitor.hello.get("release") == "keep"
        for pin, last in sorted(visitor.pins.items()):
            if last.get("function") != "output":
                continue
            level = last.get("level", 0) if keeps else int(last.get("pull") == "up")
            function = "output" if keeps else "input"
            self._write(
                {"op": "log", "what": "pin", "pin": pin, "function": function, "level": level, "by": "release"},
            )

    def _write(self, message: Message) -> None:
        self._record.write(_line({"t": time.monotonic_ns()} | message).decode())
        self._record.flush()


async def _run(path: Path, record: TextIO) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_unix_server(WorldServer(record).serve, path, limit=_MAX_LINE)
    sys.stdout.write(f"{LISTENING} {path}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def _remove_stale(path: Path) -> None:
    """Remove a socket nobody answers at. Raises OSError where another world still listens."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OSError("another world is listening there; stop it or choose another socket")


def main(arguments: list[str] | None = None) -> int:
    """Serve a world at SOCKET, log to LOGFILE (appended), until SIGTERM. Returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        path, record_path = (Path(name) for name in given)
    except ValueError:
        sys.stderr.write("usage: python -m drivers.twins.world SOCKET LOGFILE\n")
        return 2
    try:
        _remove_stale(path)
        with record_path.open("a", encoding="utf-8") as record:
            asyncio.run(_run(path, record))
    except OSError as error:
        sys.stderr.write(f"world at {path}, log {record_path}: {error}\n")
        return 1
    path.unlink(missing_ok=True)
    return 0


def launch(path: Path, record: Path) -> subprocess.Popen[str]:
    """Start a world at socket `path` with log `record`; returns once clients can connect. Raises DeviceFault."""
    command = [sys.executable, "-m", "drivers.twins.world", str(path), str(record)]
    home = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths})
    if process.stdout is None or not process.stdout.readline().startswith(LISTENING):
        process.wait(_START_TIMEOUT_S)
        raise DeviceFault("world", f"the world at {path} did not start", "Read the message it wrote just above")
    return process


# --- the client ----------------------------------------------------------------------------------------------------


class World:
    """A connection to the world. Thread safe. When the world dies, the last known state stays and nothing raises."""

    @classmethod
    def connect(cls, path: Path, timeout: float = 5.0) -> World:
        """Connect to the world at `path` and fetch its state. Raises DeviceFault when nobody answers there."""
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(timeout)
            link.connect(str(path))
            link.settimeout(None)
        except OSError as error:
            link.close()
            remedy = f"Start it: python -m drivers.twins.world {path} LOGFILE, or correct hardware.world"
            raise DeviceFault("world", f"no world of twins answers at {path} ({error})", remedy) from error
        world = cls(link)
        if not world._known.wait(timeout):
            world.close()
            raise DeviceFault("world", f"the process at {path} does not tell its state", "Restart the world")
        return world

    def __init__(self, link: socket.socket) -> None:
        """`link`: a connected stream socket; use `connect` to get one."""
        self._link = link
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._known = threading.Event()
        self._state: Message = {}
        self._callbacks: list[Callable[[str, Any], None]] = []
        self._lost = False
        self._receiver = threading.Thread(target=self._receive, name="world", daemon=True)
        self._receiver.start()
        self._send({"op": "watch"})

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` as last heard, or `default`."""
        with self._changed:
            return self._state.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Change the world. `get` shows it once the world has told everyone, the sender included."""
        self._send({"op": "set", "key": key, "value": value, "t": time.monotonic_ns()})

    def log(self, **fields: Any) -> None:
        """Add a line to the world's log; it is in the kernel's hands when this returns."""
        self._send({"op": "log", "t": time.monotonic_ns()} | fields)

    def hello(self, release: ReleaseBehaviour) -> None:
        """Say that this process is a station, and what happens to its output pins when it is gone."""
        self._send({"op": "hello", "role": "station", "pid": os.getpid(), "release": release})

    def on_change(self, callback: Callable[[str, Any], None]) -> Callable[[], None]:
        """Call `callback(key, value)` from the receiving thread after each change; returns what ends that."""
        with self._changed:
            self._callbacks.append(callback)

        def forget() -> None:
            with self._changed, contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return forget

    def wait_for(self, predicate: Callable[[Message], bool], timeout: float) -> bool:
        """Wait until `predicate(state)` holds, at most `timeout` seconds; returns whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: predicate(self._state), timeout)

    def close(self) -> None:
        """Hang up. May be called twice."""
        self._lost = True
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._receiver:
            self._receiver.join()
        self._link.close()

    def _send(self, message: Message) -> None:
        with self._sending:
            try:
                self._link.sendall(_line(message))
            except OSError as error:
                self._lose(error)

    def _receive(self) -> None:
        try:
            with self._link.makefile("rb") as lines:
                for line in lines:
                    self._hear(json.loads(line))
            self._lose("it hung up")
        except (OSError, ValueError) as error:
            self._lose(error)

    def _hear(self, message: Message) -> None:
        with self._changed:
            if message["op"] == "state":
                self._state = dict(message["state"])
                self._known.set()
                told: list[Callable[[str, Any], None]] = []
            else:
                self._state[message["key"]] = message["value"]
                told = list(self._callbacks)
            self._changed.notify_all()
        for callback in told:
            try:
                callback(message["key"], message["value"])
            except Exception:
                log.exception("a twin failed on the world's change of %s", message["key"])

    def _lose(self, why: object) -> None:
        if not self._lost:
            self._lost = True
            log.warning("the world of the twins is gone (%s); they keep its last state. Restart world and station", why)


if __name__ == "__main__":
    sys.exit(main())
