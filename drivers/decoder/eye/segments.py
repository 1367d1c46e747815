"""The bit stream of a QR code: segments to bytes and text (ISO/IEC 18004, 7.4).

Strict on purpose: what the standard does not allow was not written by an encoder but by a false correction. The
padding is checked to the last bit, which guards soft decoding against texts that were never there.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from enum import Enum

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""Table 5."""

_ALPHABET = len(ALPHANUMERIC)
_PADS = (0xEC, 0x11)
_MODE_BITS = 4
_MEDIUM_FROM, _LARGE_FROM = 10, 27
"""First versions with longer character counts (table 3)."""


class SegmentProblem(Enum):
    """Why a bit stream is no text."""

    TRUNCATED = "the data ends inside a segment"
    UNKNOWN_MODE = "a mode indicator is not in the standard"
    BAD_VALUE = "a group of digits, letters or kanji is out of range"
    BAD_PADDING = "the padding is not as the standard says"
    BAD_ECI = "an ECI designator is malformed"


class SegmentError(ValueError):
    """A bit stream that no encoder writes. `problem` says which rule it breaks."""

    def __init__(self, problem: SegmentProblem) -> None:
        """`problem`: the rule that is broken."""
        super().__init__(problem.value)
        self.problem = problem


class Mode(Enum):
    """Mode indicators (table 2)."""

    TERMINATOR = 0b0000
    NUMERIC = 0b0001
    ALPHANUMERIC = 0b0010
    STRUCTURED_APPEND = 0b0011
    BYTE = 0b0100
    FNC1_FIRST = 0b0101
    ECI = 0b0111
    KANJI = 0b1000
    FNC1_SECOND = 0b1001


_COUNT_BITS = {
    Mode.NUMERIC: (10, 12, 14),
    Mode.ALPHANUMERIC: (9, 11, 13),
    Mode.BYTE: (8, 16, 16),
    Mode.KANJI: (8, 10, 12),
}

_CHARSETS = {
    **{number: f"iso8859-{number - 2}" for number in range(3, 19) if number != 14},  # noqa: PLR2004 - 8859-12 is void
    1: "iso8859-1",
    20: "shift_jis",
    21: "cp1250",
    22: "cp1251",
    23: "cp1252",
    24: "cp1256",
    25: "utf-16-be",
    26: "utf-8",
    27: "ascii",
    28: "big5",
    29: "gb18030",
    30: "euc_kr",
    32: "gb18030",
    170: "ascii",
}
"""Character sets by ECI number (AIM ECI register)."""


@dataclass(frozen=True, slots=True)
class StructuredAppend:
    """This symbol is number `index` (from 0) of `total`; `parity` is the same in all of them (clause 8)."""

    index: int
    total: int
    parity: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a symbol says. `raw`: the bytes as encoded, kanji as Shift JIS; `text`: the same as characters."""

    raw: bytes
    text: str
    append: StructuredAppend | None = None
    gs1: bool = False


def parse(data: bytes, version: int) -> Content:
    """Read the data codewords of a symbol of this version. Raises SegmentError for what no encoder writes."""
    return _Parser(data, version).parse()


class _Bits:
    """Reads a byte string bit by bit, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise SegmentError(SegmentProblem.TRUNCATED)
        self.left -= count
        return self._value >> self.left & ((1 << count) - 1)


@dataclass(slots=True)
class _Pieces:
    """Collected so far: each piece with the character set it is in ("" = not said)."""

    pieces: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, raw: bytes, charset: str) -> None:
        if self.pieces and self.pieces[-1][1] == charset:
            raw = self.pieces.pop()[0] + raw
        self.pieces.append((raw, charset))


class _Parser:
    def __init__(self, data: bytes, version: int) -> None:
        self._bits = _Bits(data)
        self._class = (version >= _MEDIUM_FROM) + (version >= _LARGE_FROM)
        self._pieces = _Pieces()
        self._charset = ""
        self._append: StructuredAppend | None = None
        self._gs1 = False

    def parse(self) -> Content:
        """Return what the segments say, to the terminator or the end. Raises SegmentError."""
        while self._bits.left >= _MODE_BITS:
            try:
                mode = Mode(self._bits.take(_MODE_BITS))
            except ValueError as error:
                raise SegmentError(SegmentProblem.UNKNOWN_MODE) from error
            if mode is Mode.TERMINATOR:
                break
            self._segment(mode)
        self._check_padding()
        raw = b"".join(piece for piece, _ in self._pieces.pieces)
        text = "".join(_text(piece, charset) for piece, charset in self._pieces.pieces)
        return Content(raw, text, self._append, self._gs1)

    def _segment(self, mode: Mode) -> None:
        match mode:
            case Mode.NUMERIC:
                self._numeric(self._count(mode))
            case Mode.ALPHANUMERIC:
                self._alphanumeric(self._count(mode))
            case Mode.BYTE:
                count = self._count(mode)
                self._pieces.add(self._bits.take(8 * count).to_bytes(count, "big"), self._charset)
            case Mode.KANJI:
                self._kanji(self._count(mode))
            case Mode.ECI:
                self._eci()
            case Mode.STRUCTURED_APPEND:
                index, last, parity = (self._bits.take(count) for count in (4, 4, 8))
                self._append = StructuredAppend(index, last + 1, parity)
            case Mode.FNC1_FIRST:
                self._gs1 = True
            case Mode.FNC1_SECOND:
                self._bits.take(8)  # application indicator

    def _count(self, mode: Mode) -> int:
        return self._bits.take(_COUNT_BITS[mode][self._class])

    def _numeric(self, count: int) -> None:
        """Three digits in ten bits (7.4.3)."""
        digits = ""
        while count:
            group = min(count, 3)
            value = self._bits.take(3 * group + 1)
            if value >= 10**group:
                raise SegmentError(SegmentProblem.BAD_VALUE)
            digits += f"{value:0{group}d}"
            count -= group
        self._pieces.add(digits.encode("ascii"), self._charset)

    def _alphanumeric(self, count: int) -> None:
        """Two characters in eleven bits (7.4.4)."""
        letters = ""
        while count:
            group = min(count, 2)
            value = self._bits.take(5 * group + 1)
            if value >= _ALPHABET**group:
                raise SegmentError(SegmentProblem.BAD_VALUE)
            first, second = divmod(value, _ALPHABET)
            letters += ALPHANUMERIC[first] * (group - 1) + ALPHANUMERIC[second]
            count -= group
        if self._gs1:  # FNC1 stands as "%", the percent sign itself as "%%" (7.4.8.2)
            letters = letters.replace("%%", "\0").replace("%", "\x1d").replace("\0", "%")
        self._pieces.add(letters.encode("ascii"), self._charset)

    def _kanji(self, count: int) -> None:
        """A character of Shift JIS in 13 bits (7.4.6)."""
        raw = b""
        for _ in range(count):
            high, low = divmod(self._bits.take(13), 0xC0)
            code = high << 8 | low
            code += 0x8140 if code < 0x1F00 else 0xC140  # noqa: PLR2004 - 7.4.6
            raw += code.to_bytes(2, "big")
        try:
            raw.decode("shift_jis")
        except UnicodeDecodeError as error:
            raise SegmentError(SegmentProblem.BAD_VALUE) from error
        self._pieces.add(raw, "shift_jis")

    def _eci(self) -> None:
        """One to three bytes, told apart by their leading bits (table 4)."""
        first = self._bits.take(8)
        if first & 0b1000_0000 == 0:
            number = first
        elif first & 0b0100_0000 == 0:
            number = (first & 0b11_1111) << 8 | self._bits.take(8)
        elif first & 0b0010_0000 == 0:
            number = (first & 0b1_1111) << 16 | self._bits.take(16)
        else:
            raise SegmentError(SegmentProblem.BAD_ECI)
        self._charset = _CHARSETS.get(number, "")

    def _check_padding(self) -> None:
        """Zeros to the next byte, then EC and 11 by turns (7.4.9, 7.4.10).

        segno, which also writes our passes, adds a byte of zeros where the data already end with a byte.
        """
        whole, odd = divmod(self._bits.left, 8)
        if self._bits.take(odd):
            raise SegmentError(SegmentProblem.BAD_PADDING)
        pads = [self._bits.take(8) for _ in range(whole)]
        if pads[:1] == [0]:
            pads = pads[1:]
        if any(pad != _PADS[number % 2] for number, pad in enumerate(pads)):
            raise SegmentError(SegmentProblem.BAD_PADDING)


def _text(raw: bytes, charset: str) -> str:
    """Decode by the named character set; where none is named or it does not fit: UTF-8, Shift JIS, Latin-1."""
    for candidate in (charset, "utf-8", "shift_jis"):
        if candidate:
            try:
                return codecs.decode(raw, candidate)
            except (UnicodeDecodeError, LookupError):
                continue
    return raw.decode("latin-1")
