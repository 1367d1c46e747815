"""Decoders: QR codes in gray pictures. `make_decoder` chooses by the configured name.

"eye" is our own reader (drivers/decoder/eye), "zxing" and "pyzbar" are the libraries it stands on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drivers.camera.recorded import load_gray
from drivers.decoder.zbar import ZbarDecoder
from station.ports import DecodedCode, Decoder, DeviceFault, Gray

__all__ = ["make_decoder", "read_still"]

IsValid = Callable[[str], bool]


def make_decoder(name: str, is_valid: IsValid = lambda _text: False) -> Decoder:
    """Return a decoder for one lane (not to be shared by threads); close() it. Raises DeviceFault if it is missing.

    `is_valid`: says whether a text is a pass with a good signature; what the eye reads softly counts only then.
    """
    match name:
        case "eye":
            return _Eye(is_valid)
        case "zxing":
            from drivers.decoder.zxing import ZxingDecoder  # noqa: PLC0415 - only what is configured is loaded

            return ZxingDecoder()
        case "pyzbar":
            return ZbarDecoder()
    raise DeviceFault("decoder", f"{name!r} is no known decoder", 'Set decoder = "eye", "zxing" or "pyzbar"')


class _Eye:
    """The stream reader of one lane, with heavy attempts in a process of their own."""

    def __init__(self, is_valid: IsValid) -> None:
        from drivers.decoder.eye.stream import StreamReader  # noqa: PLC0415 - it imports this package's modules
        from drivers.decoder.eye.worker import SoftWorker  # noqa: PLC0415 - as above

        self._reader, self._is_valid = StreamReader(SoftWorker()), is_valid

    def read(self, gray: Gray) -> list[DecodedCode]:
        return self._reader.read(gray, self._is_valid)

    def close(self) -> None:
        self._reader.close()


def read_still(path: Path) -> list[DecodedCode]:
    """Read the codes of a still with all effort of the eye. Raises DeviceFault naming an unusable file."""
    from drivers.decoder.eye.still import StillReader  # noqa: PLC0415 - it imports this package's modules

    return StillReader().read(load_gray(path, "decoder"))
