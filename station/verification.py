"""Opens documents of every kind against the keys a station believes in now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from station.core.announcements import Announcements, read_announcements
from station.core.documents import (
    DocumentType,
    Envelope,
    KeyEntry,
    TrustBundle,
    open_document,
    open_held,
    open_held_trust,
    open_trust,
)
from station.core.model import Rejected
from station.core.policy import Policy
from station.core.policy_reader import read_policy
from station.core.reasons import Reason
from station.core.status import StatusManifest, read_manifest
from station.core.succession import RootSet, open_held_roots, open_roots, read_delegation

Content = RootSet | TrustBundle | Policy | StatusManifest | KeyEntry | Announcements
Opened = tuple[Content, Envelope] | Rejected


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What documents are held against. `bundle`: what the roots say, without the station's own key."""

    roots: RootSet
    bundle: TrustBundle | None
    station: str
    zone: str

    def open(self, kind: DocumentType, raw: bytes) -> Opened:
        """Verify a document that arrived."""
        if kind is DocumentType.ROOTS:
            roots = open_roots(raw, self.roots)
            return roots if isinstance(roots, Rejected) else _with_envelope(roots, roots.envelope)
        if kind is DocumentType.TRUST:
            bundle = open_trust(raw, self.roots.keys)
            return bundle if isinstance(bundle, Rejected) else (bundle, bundle.envelope)
        if self.bundle is None:
            return Rejected(Reason.NO_TRUST, "no trust bundle is in force yet")
        envelope = open_document(raw, kind, self.bundle, self.zone)
        return envelope if isinstance(envelope, Rejected) else self._content(kind, envelope)

    def recall(self, kind: DocumentType, raw: bytes) -> Opened:
        """Open a document that the station verified when it took effect.

        It is verified again; but keys and roots may have been succeeded since, and the last good document stays in
        force until another comes.
        """
        opened = self.open(kind, raw) if kind is not DocumentType.ROOTS else None
        if opened is not None and not isinstance(opened, Rejected):
            return opened
        try:
            return _RECALL[kind](self, raw, opened)
        except ValueError as error:
            return Rejected(Reason.DOCUMENT_MALFORMED, str(error))

    def _content(self, kind: DocumentType, envelope: Envelope) -> Opened:
        content: Content | Rejected
        if kind is DocumentType.POLICY:
            content = read_policy(envelope)
        elif kind is DocumentType.STATUS:
            content = read_manifest(envelope)
        elif kind is DocumentType.ANNOUNCEMENT:
            content = read_announcements(envelope)
        else:
            assert self.bundle is not None  # noqa: S101 - for the type checker; `open` has asked
            content = read_delegation(envelope, self.bundle, self.station, self.zone)
        return content if isinstance(content, Rejected) else (content, envelope)

    def _recall_roots(self, raw: bytes, _why: Rejected | None) -> Opened:
        roots = open_held_roots(raw)
        return _with_envelope(roots, roots.envelope)

    def _recall_trust(self, raw: bytes, why: Rejected | None) -> Opened:
        if why is None or why.reason is not Reason.DOCUMENT_UNSIGNED or self.roots.envelope is None:
            return why or Rejected(Reason.DOCUMENT_UNSIGNED)
        bundle = open_held_trust(raw)
        return bundle, bundle.envelope

    def _recall_signed(self, raw: bytes, why: Rejected | None) -> Opened:
        if why is None or why.reason is not Reason.DOCUMENT_OUT_OF_ROLE:
            return why or Rejected(Reason.DOCUMENT_OUT_OF_ROLE)
        envelope = open_held(raw)
        return self._content(envelope.type, envelope)

    def _recall_nothing(self, _raw: bytes, why: Rejected | None) -> Opened:
        return why or Rejected(Reason.DOCUMENT_OUT_OF_ROLE)


def _with_envelope(roots: RootSet, envelope: Envelope | None) -> Opened:
    return (roots, envelope) if envelope else Rejected(Reason.DOCUMENT_MALFORMED, "roots without a document")


_RECALL: dict[DocumentType, Callable[[Beliefs, bytes, Rejected | None], Opened]] = {
    DocumentType.ROOTS: Beliefs._recall_roots,  # noqa: SLF001 - a table of this class's own methods
    DocumentType.TRUST: Beliefs._recall_trust,  # noqa: SLF001
    DocumentType.POLICY: Beliefs._recall_signed,  # noqa: SLF001
    DocumentType.STATUS: Beliefs._recall_signed,  # noqa: SLF001
    DocumentType.ANNOUNCEMENT: Beliefs._recall_signed,  # noqa: SLF001
    DocumentType.DELEGATION: Beliefs._recall_nothing,  # noqa: SLF001 - a withdrawn issuer's delegation ends with it
}
