"""Every reason the station can give, once: its code, whose matter it is, and its BACnet name.

The texts a person sees for a reason stand in station/locale/{zh,en}.ftl under `reason-CODE` with attribute `next`;
a test holds both files against this table. BACnet names: ANSI/ASHRAE 135, BACnetAccessEvent.
"""

from __future__ import annotations

from enum import StrEnum

from station.core.record import dataclass


class Matter(StrEnum):
    """Whose matter a reason is. A fault of the station is never shown as a fault of the person."""

    NONE = "none"
    HOLDER = "holder"
    """The pass or the person does not meet the rules."""
    UNDECIDED = "undecided"
    """The station lacks what it needs to decide; the guard decides."""
    STATION = "station"
    """A device, the disk or the software of the station failed."""
    CLOCK = "clock"
    """The station does not know the time well enough."""


class Reason(StrEnum):
    """Reason codes. The value is what journal, wire, screen and documentation use."""

    GRANTED = "granted"
    OVERRIDE = "override"
    MEASURE_FIRST = "measure-first"
    # the text
    FOREIGN_TEXT = "foreign-text"
    FOREIGN_LINK = "foreign-link"
    PAYMENT_CODE = "payment-code"
    ONE_AT_A_TIME = "one-at-a-time"
    # the pass
    PASS_UNREADABLE = "pass-unreadable"  # noqa: S105 - a reason code, not a password
    PASS_MALFORMED = "pass-malformed"  # noqa: S105
    PASS_UNKNOWN_ISSUER = "pass-unknown-issuer"  # noqa: S105
    PASS_OUT_OF_SCOPE = "pass-out-of-scope"  # noqa: S105
    PASS_FORGED = "pass-forged"  # noqa: S105
    PASS_NOT_YET_VALID = "pass-not-yet-valid"  # noqa: S105
    PASS_EXPIRED = "pass-expired"  # noqa: S105
    PASS_REVOKED = "pass-revoked"  # noqa: S105
    PASS_KEY_REVOKED = "pass-key-revoked"  # noqa: S105
    WRONG_GATE = "wrong-gate"
    WRONG_DIRECTION = "wrong-direction"
    # the live presentation
    LIVE_MALFORMED = "live-malformed"
    LIVE_NO_KEY = "live-no-key"
    LIVE_FORGED = "live-forged"
    LIVE_STALE = "live-stale"
    LIVE_AHEAD = "live-ahead"
    LIVE_REPLAYED = "live-replayed"
    LIVE_WRONG_NONCE = "live-wrong-nonce"
    # the rules
    POLICY = "policy"
    NOT_LIVE = "not-live"
    NONCE_NEEDED = "nonce-needed"
    OUTSIDE_HOURS = "outside-hours"
    QUOTA_USED = "quota-used"
    AWAY_TOO_LONG = "away-too-long"
    PASSBACK = "passback"
    ESCORT_NEEDED = "escort-needed"
    REGISTER_FIRST = "register-first"
    TEST_DUE = "test-due"
    ZONE_CLOSED = "zone-closed"
    HOME_QUARANTINE = "home-quarantine"
    LOCKED_DOWN_BY_CENTRAL = "locked-down-by-central"
    GUARD_CHECK = "guard-check"
    HEALTH_CODE = "health-code"
    NO_RULE = "no-rule"
    # the temperature
    FEVER_RAISED = "fever-raised"
    FACE_COLD = "face-cold"
    FACE_TOO_FAR = "face-too-far"
    NO_FACE = "no-face"
    SENSOR_OUT_OF_RANGE = "sensor-out-of-range"
    THERMOMETER_FAULT = "thermometer-fault"
    # what the station lacks
    STATUS_UNKNOWN = "status-unknown"
    NO_TRUST = "no-trust"
    NO_POLICY = "no-policy"
    CLOCK_LOST = "clock-lost"
    CLOCK_UNSURE = "clock-unsure"
    TIME_CODE_REFUSED = "time-code-refused"
    JOURNAL_FAILED = "journal-failed"
    RELAY_FAILED = "relay-failed"
    INTERLOCKED = "interlocked"
    DISK_FULL = "disk-full"
    # documents
    DOCUMENT_MALFORMED = "document-malformed"
    DOCUMENT_UNSIGNED = "document-unsigned"
    DOCUMENT_OUT_OF_ROLE = "document-out-of-role"
    DOCUMENT_ROLLBACK = "document-rollback"
    DOCUMENT_CONFLICT = "document-conflict"
    DOCUMENT_FAST_FORWARD = "document-fast-forward"
    DOCUMENT_FROM_FUTURE = "document-from-future"
    DOCUMENT_EXPIRED = "document-expired"
    DOCUMENT_BROKEN_LINK = "document-broken-link"
    POLICY_UNKNOWN_FACT = "policy-unknown-fact"
    POLICY_UNKNOWN_OPERATOR = "policy-unknown-operator"
    POLICY_INVALID = "policy-invalid"
    ANNOUNCEMENT_INVALID = "announcement-invalid"
    STATUS_CHUNK_MISMATCH = "status-chunk-mismatch"
    # commands
    COMMAND_RETAINED = "command-retained"
    COMMAND_MALFORMED = "command-malformed"
    COMMAND_OUT_OF_ROLE = "command-out-of-role"
    COMMAND_UNSIGNED = "command-unsigned"
    COMMAND_OTHER_STATION = "command-other-station"
    COMMAND_OTHER_EPOCH = "command-other-epoch"
    COMMAND_NOT_YET_VALID = "command-not-yet-valid"
    COMMAND_EXPIRED = "command-expired"
    COMMAND_REPLAYED = "command-replayed"
    COMMAND_NO_BOOT_NONCE = "command-no-boot-nonce"
    COMMAND_UNKNOWN_VERB = "command-unknown-verb"
    COMMAND_BAD_ARGUMENT = "command-bad-argument"
    COMMAND_BEFORE_HELLO = "command-before-hello"
    COMMAND_IMPOSSIBLE = "command-impossible"
    COMMAND_INTERRUPTED = "command-interrupted"


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """Whose matter a reason is and what BACnet calls it."""

    matter: Matter
    bacnet: str


_H, _U, _S = Matter.HOLDER, Matter.UNDECIDED, Matter.STATION

REASONS: dict[Reason, ReasonInfo] = {
    Reason.GRANTED: ReasonInfo(Matter.NONE, "granted"),
    Reason.OVERRIDE: ReasonInfo(Matter.NONE, "granted"),
    Reason.MEASURE_FIRST: ReasonInfo(Matter.NONE, "verification-required"),
    Reason.FOREIGN_TEXT: ReasonInfo(_H, "denied-unknown-credential"),
    Reason.FOREIGN_LINK: ReasonInfo(_H, "denied-unknown-credential"),
    Reason.PAYMENT_CODE: ReasonInfo(_H, "denied-unknown-credential"),
    Reason.ONE_AT_A_TIME: ReasonInfo(_H, "denied-authentication-factor-error"),
    Reason.PASS_UNREADABLE: ReasonInfo(_H, "denied-authentication-factor-damaged"),
    Reason.PASS_MALFORMED: ReasonInfo(_H, "denied-authentication-factor-error"),
    Reason.PASS_UNKNOWN_ISSUER: ReasonInfo(_H, "denied-unknown-credential"),
    Reason.PASS_OUT_OF_SCOPE: ReasonInfo(_H, "denied-unknown-credential"),
    Reason.PASS_FORGED: ReasonInfo(_H, "denied-incorrect-authentication-factor"),
    Reason.PASS_NOT_YET_VALID: ReasonInfo(_H, "denied-credential-not-yet-active"),
    Reason.PASS_EXPIRED: ReasonInfo(_H, "denied-credential-expired"),
    Reason.PASS_REVOKED: ReasonInfo(_H, "denied-credential-disabled"),
    Reason.WRONG_GATE: ReasonInfo(_H, "denied-point-no-access-rights"),
    Reason.WRONG_DIRECTION: ReasonInfo(_H, "denied-no-access-rights"),
    Reason.PASS_KEY_REVOKED: ReasonInfo(_H, "denied-credential-disabled"),
    Reason.LIVE_MALFORMED: ReasonInfo(_H, "denied-authentication-factor-error"),
    Reason.LIVE_NO_KEY: ReasonInfo(_H, "denied-authentication-factor-error"),
    Reason.LIVE_FORGED: ReasonInfo(_H, "denied-incorrect-authentication-factor"),
    Reason.LIVE_STALE: ReasonInfo(_H, "denied-verification-timeout"),
    Reason.LIVE_AHEAD: ReasonInfo(_H, "denied-verification-failed"),
    Reason.LIVE_REPLAYED: ReasonInfo(_H, "denied-verification-failed"),
    Reason.LIVE_WRONG_NONCE: ReasonInfo(_H, "denied-verification-failed"),
    Reason.POLICY: ReasonInfo(_H, "denied-no-access-rights"),
    Reason.NOT_LIVE: ReasonInfo(_H, "verification-required"),
    Reason.NONCE_NEEDED: ReasonInfo(_H, "verification-required"),
    Reason.OUTSIDE_HOURS: ReasonInfo(_H, "denied-out-of-time-range"),
    Reason.QUOTA_USED: ReasonInfo(_H, "denied-credential-max-uses"),
    Reason.AWAY_TOO_LONG: ReasonInfo(_H, "denied-out-of-time-range"),
    Reason.PASSBACK: ReasonInfo(_H, "denied-passback"),
    Reason.ESCORT_NEEDED: ReasonInfo(_H, "denied-no-accompaniment"),
    Reason.REGISTER_FIRST: ReasonInfo(_H, "verification-required"),
    Reason.TEST_DUE: ReasonInfo(_H, "denied-threat-level"),
    Reason.ZONE_CLOSED: ReasonInfo(_H, "denied-zone-no-access-rights"),
    Reason.HOME_QUARANTINE: ReasonInfo(_H, "denied-threat-level"),
    Reason.GUARD_CHECK: ReasonInfo(_U, "verification-required"),
    Reason.HEALTH_CODE: ReasonInfo(_H, "denied-threat-level"),
    Reason.LOCKED_DOWN_BY_CENTRAL: ReasonInfo(_H, "denied-deny-all"),
    Reason.NO_RULE: ReasonInfo(_U, "verification-required"),
    Reason.FEVER_RAISED: ReasonInfo(_H, "verification-required"),
    Reason.FACE_COLD: ReasonInfo(_H, "denied-verification-failed"),
    Reason.FACE_TOO_FAR: ReasonInfo(_H, "denied-verification-failed"),
    Reason.NO_FACE: ReasonInfo(_H, "denied-verification-timeout"),
    Reason.SENSOR_OUT_OF_RANGE: ReasonInfo(_S, "denied-authentication-unavailable"),
    Reason.THERMOMETER_FAULT: ReasonInfo(_S, "denied-authentication-unavailable"),
    Reason.STATUS_UNKNOWN: ReasonInfo(_U, "denied-authentication-unavailable"),
    Reason.NO_TRUST: ReasonInfo(_S, "denied-authentication-unavailable"),
    Reason.NO_POLICY: ReasonInfo(_S, "denied-authentication-unavailable"),
    Reason.CLOCK_LOST: ReasonInfo(Matter.CLOCK, "denied-authentication-unavailable"),
    Reason.CLOCK_UNSURE: ReasonInfo(Matter.CLOCK, "denied-authentication-unavailable"),
    Reason.TIME_CODE_REFUSED: ReasonInfo(Matter.CLOCK, "none"),
    Reason.JOURNAL_FAILED: ReasonInfo(_S, "denied-other"),
    Reason.RELAY_FAILED: ReasonInfo(_S, "denied-other"),
    Reason.INTERLOCKED: ReasonInfo(_U, "denied-other"),
    Reason.DISK_FULL: ReasonInfo(_S, "denied-other"),
    Reason.DOCUMENT_MALFORMED: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_UNSIGNED: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_OUT_OF_ROLE: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_ROLLBACK: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_CONFLICT: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_FAST_FORWARD: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_FROM_FUTURE: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_EXPIRED: ReasonInfo(_U, "none"),
    Reason.DOCUMENT_BROKEN_LINK: ReasonInfo(_U, "none"),
    Reason.POLICY_UNKNOWN_FACT: ReasonInfo(_U, "none"),
    Reason.POLICY_UNKNOWN_OPERATOR: ReasonInfo(_U, "none"),
    Reason.POLICY_INVALID: ReasonInfo(_U, "none"),
    Reason.ANNOUNCEMENT_INVALID: ReasonInfo(_U, "none"),
    Reason.STATUS_CHUNK_MISMATCH: ReasonInfo(_U, "none"),
    Reason.COMMAND_RETAINED: ReasonInfo(_U, "none"),
    Reason.COMMAND_MALFORMED: ReasonInfo(_U, "none"),
    Reason.COMMAND_OUT_OF_ROLE: ReasonInfo(_U, "none"),
    Reason.COMMAND_UNSIGNED: ReasonInfo(_U, "none"),
    Reason.COMMAND_OTHER_STATION: ReasonInfo(_U, "none"),
    Reason.COMMAND_OTHER_EPOCH: ReasonInfo(_U, "none"),
    Reason.COMMAND_NOT_YET_VALID: ReasonInfo(_U, "none"),
    Reason.COMMAND_EXPIRED: ReasonInfo(_U, "none"),
    Reason.COMMAND_REPLAYED: ReasonInfo(_U, "none"),
    Reason.COMMAND_NO_BOOT_NONCE: ReasonInfo(_U, "none"),
    Reason.COMMAND_UNKNOWN_VERB: ReasonInfo(_U, "none"),
    Reason.COMMAND_BAD_ARGUMENT: ReasonInfo(_U, "none"),
    Reason.COMMAND_BEFORE_HELLO: ReasonInfo(_U, "none"),
    Reason.COMMAND_IMPOSSIBLE: ReasonInfo(_U, "none"),
    Reason.COMMAND_INTERRUPTED: ReasonInfo(_U, "none"),
}
