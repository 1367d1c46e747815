"""Seals for central what a decision knows of a person: nothing of it stays readable on the station's card."""

from __future__ import annotations

from station.core.documents import kid_of
from station.core.events import Kind
from station.core.model import Decision, Instant
from station.core.sealing import Personal, Sealer, written
from station.documents import Documents
from station.journal import Change
from station.payloads import Payload
from station.recorder import Recorder

ADD_PERSONAL = "INSERT INTO personal(seq, text) VALUES ((SELECT max(seq) FROM event), ?)"
"""Runs in the transaction of the event it belongs to, after it."""


class PersonalFields:
    """Used by the gate thread alone."""

    def __init__(self, recorder: Recorder, documents: Documents) -> None:
        self._recorder, self._documents = recorder, documents
        self._sealer: Sealer | None = None

    def of(self, decision: Decision, now: Instant) -> tuple[Payload, list[Change]]:
        """Return what goes into the decision's event, and the change for its transaction; often there is nothing.

        Without a key of central's in the trust bundle nothing is kept at all.
        """
        trust, credential = self._documents.trust, decision.credential
        if trust is None or trust.personal is None or credential is None:
            return {}, []
        personal = Personal(credential.name, credential.plate)
        sealer = self._sealing_for(trust.personal, now) if personal else None
        if sealer is None:
            return {}, []
        sealed = sealer.seal(personal)
        return {"sealed": written(sealed.mark)}, [Change(ADD_PERSONAL, (sealed.text,))]

    def _sealing_for(self, recipient: bytes, now: Instant) -> Sealer | None:
        """Return a sealer whose key central will know: it stands in the journal before anything sealed with it."""
        if self._sealer is None or self._sealer.recipient != recipient:
            sealer = Sealer(recipient)
            payload = {"to": kid_of(recipient).hex(), "key": written(sealer.sealed_key)}
            if self._recorder.commit_unless_broken(Kind.SEALING, payload, now) is None:
                return None
            self._sealer = sealer
        return self._sealer
