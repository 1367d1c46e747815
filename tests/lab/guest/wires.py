#!/usr/bin/python3
"""What is wired to the header from outside: contacts, buttons and panels, which are stronger than any pull.

The simulated chip has one pull for each line; a program that claims a line with a pull of its own changes it, which a
closed contact to ground would not allow. So every level is put back at once, long before a contact counts as settled.

Datagrams at /run/lab-wires.sock: `22 1` sets a level, `bounce 27 12` toggles a line twelve times as fast as it goes and
leaves it as it was, `bounce 27 12 0` leaves it at 0.
"""

import os
import select
import socket
from pathlib import Path

SOCKET = Path("/run/lab-wires.sock")
LINES = "/sys/devices/platform/gpio-sim.0/gpiochip0"
AT_REST = {22: 0, 27: 1, 13: 0, 26: 0}
"""Door shut, exit button not pressed, no fire, lid on."""
NAMES = {0: b"pull-down", 1: b"pull-up"}
LOOK_MS = 10


class Wire:
    """One line from outside."""

    def __init__(self, pin, level):
        self.file = os.open(f"{LINES}/sim_gpio{pin}/pull", os.O_RDWR)
        self.level = level
        self.put()

    def put(self, level=None):
        self.level = self.level if level is None else level
        os.pwrite(self.file, NAMES[self.level], 0)

    def hold(self):
        if os.pread(self.file, 16, 0).strip() != NAMES[self.level]:
            self.put()


def obey(wires, words):
    if words[0] == "bounce":
        wire, count = wires[int(words[1])], int(words[2])
        ends = int(words[3]) if len(words) > 3 else wire.level
        for turn in range(count):
            os.pwrite(wire.file, NAMES[turn % 2], 0)
        wire.put(ends)
    else:
        wires[int(words[0])].put(int(words[1]))


def main():
    wires = {pin: Wire(pin, level) for pin, level in AT_REST.items()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
        SOCKET.unlink(missing_ok=True)
        orders.bind(str(SOCKET))
        ready()
        while True:
            if select.select([orders], [], [], LOOK_MS / 1000)[0]:
                obey(wires, orders.recv(200).decode().split())
            for wire in wires.values():
                wire.hold()


def ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


if __name__ == "__main__":
    main()
