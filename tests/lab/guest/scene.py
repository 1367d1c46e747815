#!/opt/venv/bin/python
"""Feeds /dev/video0 without a pause, whatever is shown: the lab's camfeed with a picture that can be changed.

Datagrams at /run/lab-scene.sock: a text is shown as a QR code, `:blank` an empty wall, `:freeze` sends no more frames.
"""

import fcntl
import os
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import qrcode

DEVICE, WIDTH, HEIGHT, FRAME_S = "/dev/video0", 640, 480, 0.2
SOCKET = Path("/run/lab-scene.sock")
VIDIOC_S_FMT = 0xC0D05605
WALL, SHARE = 160, 0.95


def picture(text):
    """YUYV."""
    gray = np.full((HEIGHT, WIDTH), WALL, np.uint8)
    if not text.startswith(":"):
        code = qrcode.QRCode(border=4, error_correction=qrcode.constants.ERROR_CORRECT_L)
        code.add_data(text)
        code.make()
        modules = np.array(code.get_matrix(), np.uint8)
        scale = max(1, int(HEIGHT * SHARE) // len(modules))
        drawn = np.kron(255 - 255 * modules, np.ones((scale, scale), np.uint8))
        top, left = (HEIGHT - len(drawn)) // 2, (WIDTH - len(drawn)) // 2
        gray[top : top + len(drawn), left : left + len(drawn)] = drawn
    both = np.full((HEIGHT, WIDTH, 2), 128, np.uint8)
    both[:, :, 0] = gray
    return both.tobytes()


def opened():
    device = os.open(DEVICE, os.O_RDWR)
    form = bytearray(208)
    fields = (2, WIDTH, HEIGHT, int.from_bytes(b"YUYV", "little"), 1, WIDTH * 2, WIDTH * HEIGHT * 2)
    struct.pack_into("<I4xIIIIII", form, 0, *fields)  # type 2: VIDEO_OUTPUT
    fcntl.ioctl(device, VIDIOC_S_FMT, form)
    return device


class Scene:
    """What is before the camera. A code takes seconds to draw on an emulated processor; the frames go on meanwhile."""

    def __init__(self):
        self.frame = picture(":blank")

    def obey(self, orders):
        while True:
            text = orders.recv(8192).decode()
            self.frame = None if text == ":freeze" else picture(text)


def main():
    device, scene = opened(), Scene()
    SOCKET.unlink(missing_ok=True)
    orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    orders.bind(str(SOCKET))
    threading.Thread(target=scene.obey, args=(orders,), daemon=True).start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    while True:
        if frame := scene.frame:
            os.write(device, frame)
        time.sleep(FRAME_S)


if __name__ == "__main__":
    main()
