"""Issues visitors' passes at the gate, with the key that central has delegated to this station for a day."""

from __future__ import annotations

import secrets

from station import visitor_key
from station.config import Config
from station.core.calendar import DAY_S
from station.core.credential import write
from station.core.documents import KeyEntry, kid_of
from station.core.events import Kind
from station.core.model import Credential, Direction, Instant, PassClass
from station.documents import Documents
from station.guard_screen import VisitorAnswer, VisitorRequest
from station.ports import Clock
from station.recorder import Recorder
from station.wording import text

SHORTEST_S = 300


class VisitorDesk:
    """Used by the gate thread alone."""

    def __init__(self, config: Config, documents: Documents, recorder: Recorder, clock: Clock) -> None:
        self._config, self._documents, self._recorder, self._clock = config, documents, recorder, clock

    def issue(self, request: VisitorRequest) -> VisitorAnswer:
        """Issue a pass for a visitor; nothing is handed out that was not recorded."""
        now, own = self._clock.now(), self._documents.own_key
        usable = own is not None and self._documents.trust is not None and own.kid not in self._documents.trust.revoked
        if own is None or not usable or own.expires < now.seconds + SHORTEST_S:
            return VisitorAnswer(None, text("answer-no-delegation"))
        try:
            key = visitor_key.load(self._config.paths.state)
        except visitor_key.VisitorKeyError:
            return VisitorAnswer(None, text("answer-no-visitor-key"))
        if kid_of(key.public_key().public_bytes_raw()) != own.kid:
            return VisitorAnswer(None, text("answer-no-delegation"))
        credential = self._credential(request, own, now)
        payload = {
            "cti": credential.cti.hex(),
            "kid": own.kid.hex(),
            "class": "visitor",
            "exp": credential.expires,
            "operator": request.operator,
            **({"duress": True} if request.duress else {}),
        }
        if self._recorder.commit_unless_broken(Kind.ISSUED, payload, now) is None:
            return VisitorAnswer(None, text("answer-not-recorded"))
        return VisitorAnswer(write(credential, key), text("answer-issued"), credential.expires)

    def _credential(self, request: VisitorRequest, own: KeyEntry, now: Instant) -> Credential:
        here = self._config.station
        begins = max(now.seconds, own.not_before)
        return Credential(
            kid=own.kid,
            cti=secrets.token_bytes(8),
            not_before=begins,
            expires=min(begins + min(DAY_S, round(request.hours * 3600)), own.expires),
            pass_class=PassClass.VISITOR,
            home_zone=here.zone,
            directions=frozenset(Direction),
            gates=frozenset({here.gate}),
            name=request.name,
        )
