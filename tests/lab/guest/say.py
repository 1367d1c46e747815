#!/usr/bin/python3
"""Says something to the lab's helpers: say.py wires "22 1" 0.5 "22 0"; a number alone waits so many seconds."""

import socket
import sys
import time

name, *words = sys.argv[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
    for word in words:
        try:
            time.sleep(float(word))
        except ValueError:
            orders.sendto(word.encode(), f"/run/lab-{name}.sock")
