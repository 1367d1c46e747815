"""Every smallest change of a text or of its bytes, and what a reader made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from station.core import base45, scan
from station.core.documents import TrustBundle
from station.core.model import Rejected
from station.core.reasons import Reason

OTHERS = "abz_;,\"'\\\t\n\r\0\x7f\u00a0\u0301\u212a\uff21\uff10王🙂\ud800"
"""Characters beyond Base45: small letters, marks, white space, look-alikes (the Kelvin sign, full width), halves."""
CHARACTERS = base45.ALPHABET + OTHERS
MOST_KEPT = 20
"""Texts that are remembered for the report of what went wrong."""


def flipped_bits(raw: bytes) -> Iterator[bytes]:
    """Yield `raw` with each of its bits flipped."""
    for place in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


def edited(text: str, characters: str = CHARACTERS) -> Iterator[str]:
    """Yield `text` with every edit of one character: substituted, deleted, inserted, two neighbours transposed."""
    for place, old in enumerate(text):
        before, after = text[:place], text[place + 1 :]
        yield before + after
        yield from (before + new + after for new in characters if new != old)
        yield from (before + new + old + after for new in characters)
        if after and after[0] != old:
            yield before + after[0] + old + after[1:]
    yield from (text + new for new in characters)


def changes(text: str, characters: str = CHARACTERS) -> Iterator[str]:
    """Yield the texts of all flipped bits, then all edits."""
    prefix, raw = text[:4], base45.decode(text[4:])
    yield from (prefix + base45.encode(changed) for changed in flipped_bits(raw))
    yield from edited(text, characters)


@dataclass
class Tally:
    """What became of some texts. `wrong`: those accepted though nobody signed them, or that raised an error."""

    tried: int = 0
    accepted: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    wrongs: int = 0

    def fault(self, what: str) -> None:
        """Note something that must not happen."""
        self.wrongs += 1
        if len(self.wrong) < MOST_KEPT:
            self.wrong.append(what)

    def note(self, text: str, read: Callable[[str], object], *, signed: bool = False) -> object:
        """Read a text and note the outcome. `signed`: it is made by the office, so accepting it is no fault."""
        self.tried += 1
        try:
            found = read(text)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
            self.fault(f"{type(error).__name__}: {error}: {text!r}")
            return None
        if isinstance(found, Rejected):
            if isinstance(found.reason, Reason):
                self.reasons[found.reason] += 1
            else:
                self.fault(f"the reason {found.reason!r} is none: {text!r}")
            return found
        self.accepted += 1
        if not signed:
            self.fault(f"accepted: {text!r}")
        return found

    def join(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.tried += other.tried
        self.accepted += other.accepted
        self.wrongs += other.wrongs
        self.reasons += other.reasons
        self.wrong = [*self.wrong, *other.wrong][:MOST_KEPT]


def tally(texts: Iterable[str], trust: TrustBundle, zone: str) -> Tally:
    """Read texts that nobody signed."""
    result = Tally()
    for text in texts:
        result.note(text, lambda one: scan.read(one, trust, zone))
    return result
