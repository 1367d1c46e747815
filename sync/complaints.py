"""What is said of trouble on the way up: once when it begins, once when it ends, and counted."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger(__name__)


class Complaints:
    """What has been said and not been taken back."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self.ignored: Counter[str] = Counter()
        """How many acknowledgements were of no use, by what was wrong."""

    def begin(self, what: str, text: str) -> None:
        """Say that something is wrong, unless that has been said."""
        if what not in self._said:
            self._said.add(what)
            log.error("%s", text)

    def end(self, what: str, text: str) -> None:
        """Say that it is over, if it had been said."""
        if what in self._said:
            self._said.discard(what)
            log.info("%s", text)

    def follow(self, what: str, trouble: str, over: str) -> None:
        """Say `trouble` when it begins and `over` when it is; both are empty as long as nobody knows."""
        if trouble:
            self.begin(what, trouble)
        elif over:
            self.end(what, over)

    def ignore(self, code: str, why: str = "") -> None:
        """Count an acknowledgement that is ignored; `why`: what to say of it, empty where it is no mistake."""
        self.ignored[code] += 1
        if why:
            self.begin("ack-" + code, f"an acknowledgement was ignored: {why}")

    def forget(self) -> None:
        """Say everything anew: another stream begins."""
        self._said.clear()
