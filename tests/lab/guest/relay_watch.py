#!/usr/bin/python3
"""Tells the host every change of the relay's line, from before the station starts until the power is cut.

Two ways at once, because each is blind to something. The kernel's trace events see every level that a program drives,
however short; sampling sees the level of a line that nobody drives. Times are microseconds of CLOCK_MONOTONIC, as in
the station's journal. Lines of JSON go out through /dev/virtio-ports/lab.ack and are on the host at once.
"""

import json
import os
import re
import select
import socket
import sys
import time
from pathlib import Path

PIN = int(sys.argv[1])
LEVEL = f"/sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio{PIN}/value"
TRACE = Path("/sys/kernel/tracing/instances/lab-relay")
SEEN = re.compile(rb"(\d+)\.(\d{6}): gpio_value: \d+ set (\d)")
SAMPLE_S, ALIVE_US = 0.02, 1_000_000


def number():
    """The kernel's number of the line: the first of the chip and the pin."""
    listed = Path("/sys/kernel/debug/gpio").read_text()
    return int(re.search(r"gpiochip0: GPIOs (\d+)-", listed).group(1)) + PIN


def trace():
    TRACE.mkdir(exist_ok=True)
    (TRACE / "trace_clock").write_text("mono")
    event = TRACE / "events" / "gpio" / "gpio_value"
    (event / "filter").write_text(f"gpio == {number()} && get == 0")
    (event / "enable").write_text("1")
    return os.open(TRACE / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)


class Teller:
    """Writes to the host."""

    def __init__(self):
        self.port = os.open("/dev/virtio-ports/lab.ack", os.O_WRONLY)
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]

    def tell(self, at_us, how, level):
        row = {"boot": self.boot, "t": at_us, "how": how, "level": level}
        os.write(self.port, json.dumps(row).encode() + b"\n")


def now_us():
    return time.monotonic_ns() // 1000


def main():
    teller, pipe, level = Teller(), trace(), os.open(LEVEL, os.O_RDONLY)
    seen, alive_us, rest = None, 0, b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    while True:
        if select.select([pipe], [], [], SAMPLE_S)[0]:
            *lines, rest = (rest + os.read(pipe, 65536)).split(b"\n")
            for found in filter(None, map(SEEN.search, lines)):
                teller.tell(int(found[1]) * 1_000_000 + int(found[2]), "driven", int(found[3]))
        at_us, found = now_us(), int(os.pread(level, 4, 0))
        if found != seen:
            teller.tell(at_us, "seen", found)
            seen = found
        if at_us - alive_us >= ALIVE_US:
            teller.tell(at_us, "alive", found)
            alive_us = at_us


if __name__ == "__main__":
    main()
