"""A QR text becomes a credential or a reasoned refusal: the strict reader of passes (docs/reference/pass-format.md).

EP1: `EP1:` + Base45 of an uncompressed COSE_Sign1 that holds a CWT (RFC 8392) with exactly the claims below.
EL1: the same bytes with what the holder's phone signed a moment ago (station.core.live).
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core import base45, cose, live, shape
from station.core.documents import Role, TrustBundle
from station.core.model import Credential, Direction, Health, HealthCode, Live, PassClass, Rejected
from station.core.reasons import Reason
from station.core.record import replace

PREFIX = "EP1:"
LONGEST_TEXT = 4296
"""Characters in the largest QR code (version 40-L, alphanumeric)."""

EXP, NBF, CTI, CNF, PASS = 4, 5, 7, 8, -65537
CLASS, ZONE, DIRECTIONS, GATES, HEALTH, NAME, HOUSEHOLD, PLATE, STATUS_INDEX, EXTRA_ZONES = range(1, 11)
DIRECTION_BITS = {Direction.IN: 1, Direction.OUT: 2}
ZONE_DIGITS = 12
# Sets made once, and lists read only where they are there: the claims are read in 10.5 us instead of 17.6.
_CLAIMS, _FIELDS = frozenset({EXP, NBF, CTI, CNF, PASS}), frozenset(range(CLASS, EXTRA_ZONES + 1))
_CNF, _KEY = frozenset({1}), frozenset({1, -1, -2, -3})
_DIRECTIONS = [frozenset(way for way, bit in DIRECTION_BITS.items() if bits & bit) for bits in range(4)]

_PAYMENT = (
    "WXP://",
    "HTTPS://WX.TENPAY.COM/",
    "HTTPS://QR.ALIPAY.COM/",
    "ALIPAYS://",
    "HTTPS://QR.95516.COM/",
    "000201",  # EMVCo merchant-presented mode: payload format indicator "00" "02" "01"
)


def classify_foreign(text: str) -> Reason:
    """Name what a text is that is no pass: a payment code, a link, or something else."""
    upper = text[:40].upper()
    if upper.startswith(_PAYMENT):
        return Reason.PAYMENT_CODE
    if upper.startswith(("HTTP://", "HTTPS://")):
        return Reason.FOREIGN_LINK
    return Reason.FOREIGN_TEXT


def parse(text: str, trust: TrustBundle | None) -> Credential | Rejected:
    """Read and verify a QR text. Only form, issuer and signature are judged here; what a pass opens is policy."""
    presented_live = text.startswith(live.PREFIX)
    if not presented_live and not text.startswith(PREFIX):
        return Rejected(classify_foreign(text))
    if len(text) > LONGEST_TEXT:
        return Rejected(Reason.PASS_UNREADABLE, f"{len(text)} characters")
    if trust is None:
        return Rejected(Reason.NO_TRUST, "no trust bundle is in force")
    try:
        raw = base45.decode(text[len(PREFIX) :])
        return _live(raw, trust) if presented_live else _verify(cose.open_sign1(raw), trust)
    except base45.Base45Error as error:
        return Rejected(Reason.PASS_UNREADABLE, str(error))
    except cose.CoseError as error:
        return Rejected(Reason.PASS_MALFORMED, str(error))


def _live(raw: bytes, trust: TrustBundle) -> Credential | Rejected:
    try:
        presentation = live.take_apart(raw)
    except ValueError as error:
        return Rejected(Reason.LIVE_MALFORMED, str(error))
    verdict = _verify(cose.open_sign1(presentation.raw_pass), trust, presentation.live)
    if isinstance(verdict, Rejected):
        return verdict
    if verdict.phone_key is None:
        return Rejected(Reason.LIVE_NO_KEY, "the pass is bound to no phone", replace(verdict, live=None))
    if not presentation.good(verdict.phone_key):
        return Rejected(Reason.LIVE_FORGED, "the signature is not of the phone the pass is bound to")
    return verdict


def _verify(signed: cose.Signed, trust: TrustBundle, shown: Live | None = None) -> Credential | Rejected:
    signature = signed.signatures[0]
    if signature.kid in trust.revoked:
        return Rejected(Reason.PASS_KEY_REVOKED, f"key {signature.kid.hex()} was withdrawn")
    issuer = trust.key(signature.kid, Role.PASS)
    if issuer is None:
        return Rejected(Reason.PASS_UNKNOWN_ISSUER, f"key {signature.kid.hex()}")
    if not signature.good(issuer.public_key):
        return Rejected(Reason.PASS_FORGED, f"the signature is not of key {signature.kid.hex()}")
    try:
        credential = _claims(signature.kid, cose.decode_strict(signed.payload), shown)
    except ValueError as error:
        return Rejected(Reason.PASS_MALFORMED, str(error))
    if credential.pass_class not in issuer.classes:
        return Rejected(Reason.PASS_OUT_OF_SCOPE, f"key {issuer.kid.hex()} may not issue {credential.pass_class.name}")
    zones = {credential.home_zone, *credential.extra_zones}
    if not all(map(issuer.covers, zones)):
        return Rejected(Reason.PASS_OUT_OF_SCOPE, f"key {issuer.kid.hex()} may not issue for {sorted(zones)}")
    if not (issuer.not_before <= credential.not_before and credential.expires <= issuer.expires):
        return Rejected(Reason.PASS_OUT_OF_SCOPE, f"valid beyond the time of key {issuer.kid.hex()}")
    return credential


def _claims(kid: bytes, value: object, shown: Live | None) -> Credential:
    claims = shape.mapping(value, "claims")
    shape.keys_within(claims, _CLAIMS, "claims")
    fields = shape.mapping(claims.get(PASS), "pass map")
    shape.keys_within(fields, _FIELDS, "pass map")
    zone = _zone(fields.get(ZONE))
    return Credential(
        kid=kid,
        cti=shape.octets(claims.get(CTI), "cti", 8),
        not_before=shape.integer(claims.get(NBF), "nbf"),
        expires=shape.integer(claims.get(EXP), "exp"),
        pass_class=PassClass(shape.integer(fields.get(CLASS), "class")),
        home_zone=zone,
        directions=_DIRECTIONS[shape.integer(fields.get(DIRECTIONS), "directions", 1, 3)],
        gates=_gates(fields[GATES]) if GATES in fields else frozenset(),
        extra_zones=_extra_zones(fields[EXTRA_ZONES]) if EXTRA_ZONES in fields else frozenset(),
        health=_health(fields[HEALTH]) if HEALTH in fields else None,
        name=shape.text(fields.get(NAME, ""), "name", 40),
        household=shape.octets(fields[HOUSEHOLD], "household", 6) if HOUSEHOLD in fields else None,
        plate=shape.text(fields.get(PLATE, ""), "plate", 12),
        status_index=shape.integer(fields[STATUS_INDEX], "status index", 0, 2**32) if STATUS_INDEX in fields else None,
        phone_key=_phone_key(claims[CNF]) if CNF in claims else None,
        live=shown,
    )


def _zone(value: object) -> str:
    zone = shape.text(value, "zone", ZONE_DIGITS)
    if len(zone) != ZONE_DIGITS or not (zone.isascii() and zone.isdigit()):
        raise shape.ShapeError("a zone is not 12 digits")
    return zone


def _gates(value: object) -> frozenset[str]:
    return frozenset(shape.text(gate, "gate", 40) for gate in shape.sequence(value, "gates", 50))


def _extra_zones(value: object) -> frozenset[str]:
    return frozenset(_zone(zone) for zone in shape.sequence(value, "extra zones", 50))


def _health(value: object) -> Health:
    row = shape.sequence(value, "health", 2)
    if len(row) != 2:  # noqa: PLR2004 - [code, day number]
        raise shape.ShapeError("health is not [code, day]")
    return Health(HealthCode(shape.integer(row[0], "health code")), shape.integer(row[1], "health day", 0, 100_000))


def _phone_key(value: object) -> bytes:
    """Claim cnf (RFC 8747): {1: COSE_Key} with kty EC2, crv P-256, x, and y as a sign bit (RFC 9053 7.1.1)."""
    cnf = shape.mapping(value, "cnf")
    key = shape.mapping(cnf.get(1), "cnf key")
    shape.keys_within(cnf, _CNF, "cnf")
    shape.keys_within(key, _KEY, "cnf key")
    shape.integer(key.get(1), "cnf kty EC2", 2, 2)
    shape.integer(key.get(-1), "cnf crv P-256", 1, 1)
    if not isinstance(key.get(-3), bool):
        raise shape.ShapeError("the phone key is not compressed")
    return (b"\x03" if key[-3] else b"\x02") + shape.octets(key.get(-2), "cnf x", 32)


def write(credential: Credential, key: Ed25519PrivateKey) -> str:
    """Return the QR text of a pass, signed by the key whose id `credential.kid` is."""
    return PREFIX + base45.encode(cose.sign1(cose.encode(claims_map(credential)), credential.kid, key))


def claims_map(credential: Credential) -> Mapping[int, object]:
    """Return the CWT claims of a credential, as the issuer encodes them; the inverse of the strict reader."""
    fields: dict[int, object] = {
        CLASS: int(credential.pass_class),
        ZONE: credential.home_zone,
        DIRECTIONS: sum(DIRECTION_BITS[direction] for direction in credential.directions),
    }
    optional: dict[int, object] = {
        GATES: sorted(credential.gates),
        HEALTH: [int(credential.health.code), credential.health.day] if credential.health else None,
        NAME: credential.name,
        HOUSEHOLD: credential.household,
        PLATE: credential.plate,
        STATUS_INDEX: credential.status_index,
        EXTRA_ZONES: sorted(credential.extra_zones),
    }
    fields |= {key: value for key, value in optional.items() if value is not None and value not in ("", [])}
    claims: dict[int, object] = {
        EXP: credential.expires,
        NBF: credential.not_before,
        CTI: credential.cti,
        PASS: fields,
    }
    if credential.phone_key is not None:
        x, odd = credential.phone_key[1:], credential.phone_key[0] == 3  # noqa: PLR2004 - SEC 1: 02 even, 03 odd
        claims[CNF] = {1: {1: 2, -1: 1, -2: x, -3: odd}}
    return claims
