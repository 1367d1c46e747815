"""News of the site's other gates: signed notices that gate-sync received become passages in the register."""

from __future__ import annotations

import logging

from station.config import StationConfig
from station.core.documents import TrustBundle
from station.core.model import ClockState, Instant, Rejected
from station.core.peers import PeerNotice, open_notice
from station.inbox import NOTHING, Inbox
from station.register import HEARD_US, Register

log = logging.getLogger(__name__)

BYTES_AT_ONCE = 128 << 10
"""Taken up in one look: three notices of 2,000 passages, 11 ms each, or as many small ones as the inbox gives."""


class SiteNews:
    """Used by the gate thread alone."""

    def __init__(self, inbox: Inbox, register: Register, station: StationConfig) -> None:
        self._inbox, self._register, self._station = inbox, register, station
        self._mark = NOTHING
        self._catching_up = True
        self._said: set[str] = set()

    def read(self, trust: TrustBundle | None, now: Instant) -> None:
        """Take in what has arrived; what lay there at start tells of passages, but not that the site is heard from."""
        if self._station.site is None or trust is None:
            return
        rows = self._inbox.notices(self._mark)
        taken = 0
        for mark, raw in rows:
            if taken >= BYTES_AT_ONCE:
                break
            self._mark, taken = mark, taken + len(raw)
            notice = open_notice(raw, trust, self._station.site, self._station.zone)
            if isinstance(notice, Rejected):
                self._refuse(notice)
            else:
                fresh = not self._catching_up and _of_now(notice, now)
                self._register.heard(notice.passages, now, fresh=fresh)
        if not rows:
            self._catching_up = False

    def _refuse(self, why: Rejected) -> None:
        if why.detail not in self._said and len(self._said) < 100:  # noqa: PLR2004 - the log has its limit, too
            self._said.add(why.detail)
            log.warning("a notice from the other gates was refused: %s (%s)", why.reason, why.detail)


def _of_now(notice: PeerNotice, now: Instant) -> bool:
    """Say whether a notice tells that the other gates are heard from now: an old one handed out again does not."""
    age_s = abs(now.seconds - notice.issued)
    return now.state is not ClockState.LOST and age_s <= HEARD_US / 1e6 + now.uncertainty_s
