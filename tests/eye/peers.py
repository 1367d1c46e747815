"""The readers that are measured, each as a person would call it: ours and its peers behind one signature.

A still reader takes a gray picture and returns texts. A picture may be anything, so errors of peers count as "read
nothing".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np

from station.ports import DecodedCode, Gray

cv2.setNumThreads(1)
cv2.setLogLevel(0)  # its detectors complain on stderr about every kanji segment

Texts = tuple[str, ...]
Read = Callable[[Gray], Texts]

ZXING, ZBAR, QUIRC = "zxing-cpp", "pyzbar", "quirc"
OPENCV, ARUCO = "OpenCV", "OpenCV Aruco"
STILL, STREAM = "still (ours)", "stream (ours)"
ZXING_FRAME, ZBAR_FRAME = f"{ZXING} (frame)", f"{ZBAR} (frame)"
"""The two peers on what the stream sees: a camera's frame of 1280 x 720."""
PEERS = (ZXING, ZBAR, OPENCV, ARUCO, QUIRC)


class ReaderMissingError(RuntimeError):
    """A reader is not installed or not written; the message says what to do."""


def spelled(raw: bytes) -> str:
    """Text of raw bytes: UTF-8, otherwise one character per byte."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def zxing() -> Read:
    """zxing-cpp with its defaults, QR codes only; control characters are not spelled out, so that texts compare."""
    import zxingcpp  # noqa: PLC0415 - each peer is optional

    only, plain = zxingcpp.BarcodeFormat.QRCode, zxingcpp.TextMode.Plain
    return lambda gray: tuple(code.text for code in zxingcpp.read_barcodes(gray, formats=only, text_mode=plain))


def zbar() -> Read:
    """pyzbar, QR codes only."""
    from pyzbar import pyzbar  # noqa: PLC0415 - each peer is optional

    only = [pyzbar.ZBarSymbol.QRCODE]
    return lambda gray: tuple(spelled(code.data) for code in pyzbar.decode(gray, symbols=only))


def opencv(detector: Any) -> Read:
    """One of OpenCV's detectors; what it throws at odd pictures counts as nothing read."""

    def read(gray: Gray) -> Texts:
        try:
            found, texts, _, _ = detector.detectAndDecodeMulti(gray)
        except (cv2.error, UnicodeDecodeError):
            return ()
        return tuple(text for text in texts if text) if found else ()

    return read


def quirc() -> Read:
    """quirc, through pyquirc."""
    import quirc as binding  # noqa: PLC0415 - each peer is optional

    def read(gray: Gray) -> Texts:
        decoder = binding.Decoder(np.ascontiguousarray(gray))
        texts = []
        for number in range(len(decoder)):
            with suppress(RuntimeError):  # located, not decoded
                texts.append(spelled(bytes(decoder[number][1].payload)))
        return tuple(texts)

    return read


_MAKERS: dict[str, Callable[[], Read]] = {
    ZXING: zxing,
    ZBAR: zbar,
    OPENCV: lambda: opencv(cv2.QRCodeDetector()),
    ARUCO: lambda: opencv(cv2.QRCodeDetectorAruco()),
    QUIRC: quirc,
}


def peers() -> tuple[dict[str, Read], list[str]]:
    """Return the peers that can be loaded here, and a notice for each that cannot."""
    readers, notices = {}, []
    for name, make in _MAKERS.items():
        try:
            readers[name] = make()
        except (ImportError, OSError) as error:
            notices.append(f"{name} is not installed ({error}): left out; its dependency is in requirements/dev.lock")
    return readers, notices


class OwnStill:
    """Our still reader."""

    def __init__(self) -> None:
        """Raises ReaderMissingError where drivers/decoder/eye cannot be imported."""
        self._reader = _eye().StillReader()

    def __call__(self, gray: Gray) -> Texts:
        return tuple(code.text for code in self._reader.read(gray))


class OwnStream:
    """Our stream reader: soft attempts inline, so that all its time is seen; `live`: in their own process."""

    def __init__(self, issued: frozenset[str], *, live: bool = False) -> None:
        """Raises ReaderMissingError where drivers/decoder/eye cannot be imported."""
        self._reader = _live_reader() if live else _eye().StreamReader()
        self._issued = issued

    def __call__(self, gray: Gray) -> Texts:
        return tuple(code.text for code in self.codes(gray))

    def codes(self, gray: Gray) -> list[DecodedCode]:
        """Return what was read in this frame."""
        return list(self._reader.read(gray, self._issued.__contains__))

    def close(self) -> None:
        """End the reader's worker."""
        self._reader.close()


def _eye() -> Any:
    try:
        from drivers.decoder import eye  # noqa: PLC0415 - the bench must be able to say what is missing
    except ImportError as error:
        raise ReaderMissingError(f"our reader cannot be imported from drivers/decoder/eye: {error}") from error
    return eye


def _live_reader() -> Any:
    """Return a stream reader whose soft attempts run in their own process, as at a gate."""
    module = _eye()
    try:
        from drivers.decoder.eye.worker import SoftWorker  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ReaderMissingError(f"drivers/decoder/eye/worker.py has no SoftWorker: {error}") from error
    return module.StreamReader(worker=SoftWorker())
