"""The strict reader of passes: what is good is read whole, and nothing else is read at all."""

from __future__ import annotations

import random
from dataclasses import replace

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.core import base45, cose, scan
from station.core import credential as passes
from station.core.credential import PREFIX, claims_map, classify_foreign, parse, write
from station.core.documents import Role
from station.core.model import Credential, Direction, Health, HealthCode, PassClass, Rejected
from station.core.reasons import Reason
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    FAR_ZONE,
    INDEX,
    NEIGHBOUR,
    NOW,
    PASSES,
    STRANGER,
    TRUST,
    TYPICAL,
    VISITORS,
    ZONE,
    credential,
    key_row,
    pass_text,
    strange_pass,
    trust_bundle,
    written,
)

TEXT = pass_text()
RAW = base45.decode(TEXT[len(PREFIX) :])
CLAIMS = dict(claims_map(TYPICAL))
FIELDS = dict(CLAIMS[passes.PASS])  # type: ignore[call-overload]
ROUNDS = 3000
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refused(text: str) -> Rejected:
    """Read a text that must be refused."""
    verdict = parse(text, TRUST)
    assert isinstance(verdict, Rejected), text
    assert isinstance(verdict.reason, Reason)
    return verdict


def with_claim(key: object, value: object) -> dict[object, object]:
    """Return the typical claims with one replaced."""
    return {**CLAIMS, key: value}


def with_field(key: object, value: object) -> dict[object, object]:
    """Return the typical claims with one entry of the pass map replaced."""
    return {**CLAIMS, passes.PASS: {**FIELDS, key: value}}


def without(claims: dict[object, object], key: object) -> dict[object, object]:
    """Return a map without one key."""
    return {k: v for k, v in claims.items() if k != key}


# --- what is good ----------------------------------------------------------------------------------------------------


def test_a_typical_pass_is_read_whole():
    """What the office issued comes back field by field, from a text as short as the format promises."""
    assert parse(TEXT, TRUST) == TYPICAL
    assert scan.is_signed(TEXT, TRUST, ZONE)
    assert len(TEXT) <= 262  # version 9-M, alphanumeric


zones = st.sampled_from([ZONE, NEIGHBOUR, "320699999999"])
names = st.text(st.sampled_from("王李*· abc"), max_size=40)
credentials = st.builds(
    Credential,
    kid=st.just(PASSES.kid),
    cti=st.binary(min_size=8, max_size=8),
    not_before=st.integers(NOW - 400 * DAY_S, NOW + 500 * DAY_S),
    expires=st.integers(0, NOW + 400 * DAY_S),
    pass_class=st.sampled_from([c for c in PassClass if c is not PassClass.MEDIC]),
    home_zone=zones,
    directions=st.sets(st.sampled_from(Direction), min_size=1).map(frozenset),
    gates=st.sets(st.text("abcdefgh-", min_size=1, max_size=12), max_size=5).map(frozenset),
    extra_zones=st.sets(zones, max_size=3).map(frozenset),
    health=st.none() | st.builds(Health, st.sampled_from(HealthCode), st.integers(0, 100_000)),
    name=names,
    household=st.none() | st.binary(min_size=6, max_size=6),
    plate=st.text("苏FA0123456789", max_size=12),
    status_index=st.none() | st.integers(0, 2**32),
    phone_key=st.none()
    | st.builds(lambda sign, x: sign + x, st.sampled_from([b"\x02", b"\x03"]), st.binary(min_size=32, max_size=32)),
)


@settings(max_examples=150, deadline=None)
@given(credentials)
def test_every_issued_pass_is_read_back(issued):
    """The reader is the exact inverse of the issuer, over everything a pass can say."""
    assert parse(strange_pass(claims_map(issued)), TRUST) == issued
    assert parse(write(issued, PASSES.private), TRUST) == issued


@pytest.mark.parametrize("ways", [{Direction.IN}, {Direction.OUT}, {Direction.IN, Direction.OUT}])
def test_direction_bits(ways):
    """Bit 1 is in, bit 2 is out, as pass-format numbers them."""
    bits = {Direction.IN: 1, Direction.OUT: 2}
    text = strange_pass(with_field(passes.DIRECTIONS, sum(bits[way] for way in ways)))
    verdict = parse(text, TRUST)
    assert isinstance(verdict, Credential)
    assert verdict.directions == ways


# --- what is altered -------------------------------------------------------------------------------------------------


def test_every_single_bit_change_of_the_bytes_is_refused():
    """All one-bit mutants of a typical pass are refused with a reason, and none raises."""
    for position in range(8 * len(RAW)):
        altered = bytearray(RAW)
        altered[position // 8] ^= 1 << position % 8
        verdict = refused(written(bytes(altered)))
        assert verdict.reason in {Reason.PASS_MALFORMED, Reason.PASS_UNKNOWN_ISSUER, Reason.PASS_FORGED}


EDITS = base45.ALPHABET + "aé"


def test_every_single_character_change_of_the_text_is_refused():
    """Each character replaced by each other one: refused, whatever it hits."""
    for at, old in enumerate(TEXT):
        for new in EDITS:
            if new != old:
                refused(TEXT[:at] + new + TEXT[at + 1 :])


def test_every_single_character_left_out_doubled_or_swapped_is_refused():
    """Deletions, insertions and neighbours exchanged, each at every place, are refused."""
    for at in range(len(TEXT)):
        refused(TEXT[:at] + TEXT[at + 1 :])
        swapped = TEXT[:at] + TEXT[at + 1 : at + 2] + TEXT[at] + TEXT[at + 2 :]
        if swapped != TEXT:
            refused(swapped)
    for at in range(len(TEXT) + 1):
        for new in "0A:é":
            refused(TEXT[:at] + new + TEXT[at:])


def test_every_shortened_pass_is_refused():
    """A pass cut off anywhere, and a pass with anything before or behind it, is refused."""
    for end in range(len(TEXT)):
        refused(TEXT[:end])
    for extra in (" ", "0", "00", "000", TEXT):
        refused(TEXT + extra)
        refused(extra + TEXT)


# --- what is hostile -------------------------------------------------------------------------------------------------


@BOUNDED
@given(st.text(max_size=120))
def test_any_text_is_judged(text):
    """Thousands of arbitrary texts, bare and behind the prefix, end in a typed refusal."""
    for candidate in (text, PREFIX + text, PREFIX + text.upper(), "EL1:" + text):
        refused(candidate)


@BOUNDED
@given(st.binary(max_size=300))
def test_any_bytes_are_judged(raw):
    """Thousands of arbitrary bytes behind the prefix end in a typed refusal."""
    assert refused(written(raw)).reason is Reason.PASS_MALFORMED


def test_mangled_passes_are_judged():
    """Seeded cuts, copies, overwritten runs and spliced halves of a real pass: thousands, all refused, none raises."""
    chance = random.Random(7)
    other = base45.decode(pass_text(cti=bytes(8), name="李*")[len(PREFIX) :])
    for _ in range(ROUNDS):
        mangled, (low, high) = bytearray(RAW), sorted(chance.sample(range(len(RAW)), 2))
        match chance.randrange(4):
            case 0:
                del mangled[low:high]
            case 1:
                mangled[low:low] = mangled[low:high]
            case 2:
                mangled[low:high] = chance.randbytes(high - low)
            case _:
                mangled = bytearray(RAW[:high] + other[low:])
        if bytes(mangled) != RAW:
            refused(written(bytes(mangled)))


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.binary(max_size=70)
    | st.text(max_size=14)
    | st.sampled_from([ZONE, PASSES.kid, TYPICAL.cti, cbor2.undefined, cbor2.CBORSimpleValue(99)])
)
keys = st.sampled_from([1, 2, 3, 4, 5, 7, 8, passes.PASS, -1, -2, -3, "x", b"y"])


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    """Return lists, maps and tags of values."""
    tagged = st.builds(cbor2.CBORTag, st.sampled_from([6, 17, 18, 61, 98, 6000]), inner)
    return st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5) | tagged


values = st.recursive(leaves, nested, max_leaves=12)


@BOUNDED
@given(values)
def test_any_signed_content_is_judged(content):
    """Even under a good signature, content of any shape is refused as malformed and never raises."""
    assert refused(strange_pass(content)).reason is Reason.PASS_MALFORMED


@BOUNDED
@given(st.sampled_from(sorted(CLAIMS)) | st.sampled_from(range(1, 12)).map(lambda n: -n), values)
def test_any_value_in_any_place_is_judged(place, value):
    """One claim (or, negative, one entry of the pass map) replaced by anything: read or refused, never an error."""
    claims = with_field(-place, value) if -12 < place < 0 else with_claim(place, value)
    verdict = parse(strange_pass(claims), TRUST)
    if isinstance(verdict, Rejected):
        assert verdict.reason in {Reason.PASS_MALFORMED, Reason.PASS_OUT_OF_SCOPE}


@BOUNDED
@given(values, values)
def test_any_headers_are_judged(protected, unprotected):
    """Protected and unprotected headers of any shape are refused before the signature matters."""
    text = written(cose.encode(cbor2.CBORTag(18, [cose.encode(protected), unprotected, b"", bytes(64)])))
    assert refused(text).reason in {Reason.PASS_MALFORMED, Reason.PASS_UNKNOWN_ISSUER}


def growth(chance: random.Random, depth: int = 3) -> object:
    """Return a random value of the kinds CBOR knows."""
    kind = chance.randrange(11 if depth else 8)
    if kind < 8:
        number = chance.choice([0, 1, 2, 3, 24, 255, NOW, 2**32, 2**63, 2**64, -1, -8, -(2**65)])
        return [None, chance.random() < 0.5, number, -number, 1.5, chance.randbytes(number % 70), "王" * 5, ZONE][kind]
    inner = [growth(chance, depth - 1) for _ in range(chance.randrange(5))]
    if kind == 8:
        return inner
    if kind == 9:
        return dict(zip(chance.sample([*range(1, 12), passes.PASS, -1, -2, -3, "x"], len(inner)), inner, strict=True))
    return cbor2.CBORTag(chance.choice([6, 17, 18, 61, 98, 6000]), inner)


def test_passes_with_one_thing_exchanged_are_judged():
    """Thousands of good passes with one claim, field or header exchanged for anything: read or refused, no error."""
    chance, issuer = random.Random(11), {cose.ALG: cose.EDDSA, cose.KID: PASSES.kid}
    for _ in range(ROUNDS):
        content, header = {**CLAIMS, passes.PASS: dict(FIELDS)}, dict(issuer)
        place = chance.choice([content, content[passes.PASS], header])
        place[chance.choice([*place, *range(1, 12)])] = growth(chance)
        verdict = parse(strange_pass(content, protected=header), TRUST)
        if isinstance(verdict, Rejected):
            allowed = {Reason.PASS_MALFORMED, Reason.PASS_OUT_OF_SCOPE, Reason.PASS_UNKNOWN_ISSUER}
            assert verdict.reason in allowed


def test_values_that_are_dear_to_decode_are_refused():
    """Nested, self-containing, gigantic and executable-looking CBOR costs nothing and raises nothing."""
    for raw in (
        b"\x81" * 2600 + b"\x00",
        b"\xa1\x00" * 1300 + b"\x00",
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that contains itself
        b"\x9b" + b"\xff" * 8,
        b"\xc4\x82\x1a\x3b\x9a\xca\x00\x01",  # 1E+1000000000
        b"\xc5\x82\x1a\x00\x98\x96\x80\x03",  # 3 * 2**10000000
        b"\xd8\x1e\x82\x01\x00",  # 1/0
        b"\xd8\x23\x66((((((",  # a broken regular expression
        b"\xd8\x24\x60",  # an empty MIME message
    ):
        assert refused(written(raw)).reason is Reason.PASS_MALFORMED
        assert refused(strange_pass(raw)).reason is Reason.PASS_MALFORMED
        assert refused(strange_pass(CLAIMS, protected=raw)).reason is Reason.PASS_MALFORMED


# --- each refusal by its name ----------------------------------------------------------------------------------------


def test_a_changed_signature_is_forged():
    """A pass whose form is right and whose signature is not is called forged."""
    assert refused(written(RAW[:-1] + bytes([RAW[-1] ^ 1]))).reason is Reason.PASS_FORGED


def test_a_changed_content_is_forged():
    """A name exchanged under the old signature is called forged."""
    assert refused(written(RAW.replace("王".encode(), "李".encode()))).reason is Reason.PASS_FORGED


def test_a_strangers_pass_has_an_unknown_issuer():
    """A well-made pass of a key nobody gave the role is refused as unknown, and names the key."""
    verdict = refused(pass_text(STRANGER))
    assert verdict.reason is Reason.PASS_UNKNOWN_ISSUER
    assert STRANGER.kid.hex() in verdict.detail


def test_a_stranger_under_a_known_key_id_is_forged():
    """The key id of the office over a stranger's signature is called forged."""
    header = {cose.ALG: cose.EDDSA, cose.KID: PASSES.kid}
    assert refused(strange_pass(CLAIMS, protected=header, key=STRANGER)).reason is Reason.PASS_FORGED


def test_a_key_of_another_role_issues_no_passes():
    """The key that signs policies is no issuer of passes."""
    assert refused(pass_text(CENTRAL)).reason is Reason.PASS_UNKNOWN_ISSUER


@pytest.mark.parametrize("text", [TEXT, pass_text(VISITORS), pass_text(PASSES, home_zone=FAR_ZONE)])
def test_a_withdrawn_key_issues_no_more_passes(text):
    """Passes of a key that the status manifest withdraws are refused as such, before anything else is judged."""
    withdrawn = replace(TRUST, revoked=frozenset({PASSES.kid, VISITORS.kid}))
    verdict = parse(text, withdrawn)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.PASS_KEY_REVOKED
    assert isinstance(parse(TEXT, replace(TRUST, revoked=frozenset({VISITORS.kid}))), Credential)


def test_without_trust_no_pass_is_judged():
    """Without a trust bundle the station says that it lacks one; foreign texts are still named."""
    verdict = parse(TEXT, None)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.NO_TRUST
    assert not scan.is_signed(TEXT, None, ZONE)
    foreign = parse("hello", None)
    assert isinstance(foreign, Rejected)
    assert foreign.reason is Reason.FOREIGN_TEXT


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("A", "one is left over"),
        (":::", "exceeds two bytes"),
        ("bb8", "is not a Base45 character"),
        ("0" * 4293, "4297 characters"),
    ],
)
def test_texts_that_are_no_base45_are_unreadable(body, says):
    """What cannot be a pass by its characters or its length is unreadable."""
    verdict = refused(PREFIX + body)
    assert verdict.reason is Reason.PASS_UNREADABLE
    assert says in verdict.detail


def test_the_longest_qr_code_is_still_looked_at():
    """4,296 characters, the most a QR code carries, are judged by their content and not by their length."""
    assert refused(PREFIX + "0" * (passes.LONGEST_TEXT - len(PREFIX))).reason is Reason.PASS_MALFORMED


NOT_CANONICAL = {
    "a number in too many bytes": (b"\x04\x1a", b"\x04\x1b\x00\x00\x00\x00"),
    "an endless map": (b"\xa4\x04", b"\xbf\x04"),
}


def body() -> bytes:
    """Return the typical payload."""
    return cose.encode(CLAIMS)


@pytest.mark.parametrize(("old", "new"), NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_a_second_way_to_write_the_content_is_malformed(old, new):
    """A payload that says the same in other bytes is refused, though its signature is good."""
    changed = body().replace(old, new, 1) + (b"\xff" if new[0] == 0xBF else b"")
    assert changed != body()
    assert cbor2.loads(changed) == CLAIMS
    verdict = refused(strange_pass(changed))
    assert (verdict.reason, verdict.detail) == (
        Reason.PASS_MALFORMED,
        "not the deterministic encoding, or bytes follow",
    )


def pair(key: int, value: object) -> bytes:
    """Return one encoded map entry."""
    return cose.encode(key) + cose.encode(value)


def test_a_key_written_twice_is_malformed():
    """Duplicate keys never let the later one win."""
    doubled = b"\xa5" + pair(passes.EXP, NOW) + body()[1:]
    verdict = refused(strange_pass(doubled))
    assert verdict.reason is Reason.PASS_MALFORMED
    fields = b"\xa2" + pair(1, 1) + pair(1, 6)
    assert refused(strange_pass({**CLAIMS, passes.PASS: cbor2.CBORTag(24, fields)})).reason is Reason.PASS_MALFORMED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (written(RAW + b"\x00"), "bytes follow"),
        (strange_pass(body() + b"\x00"), "bytes follow"),
        (strange_pass(CLAIMS, tag=17), "not tagged 18"),
        (strange_pass(CLAIMS, tag=98), "not tagged 18"),
        (written(RAW[1:]), "not tagged 18"),
        (written(b"\xd8\x3d" + RAW), "not tagged 18"),  # CWT tag 61 around it
        (strange_pass(CLAIMS, unprotected={4: PASSES.kid}), "the unprotected header is not empty"),
        (strange_pass(CLAIMS, protected={1: -7, 4: PASSES.kid}), "the protected header is not exactly"),
        (strange_pass(CLAIMS, protected={1: -8}), "the protected header is not exactly"),
        (strange_pass(CLAIMS, protected={1: -8, 4: PASSES.kid, 2: []}), "the protected header is not exactly"),
        (strange_pass(CLAIMS, protected={1: -8, 4: PASSES.kid[:3]}), "the key id is not 4 bytes"),
        (strange_pass(CLAIMS, protected={1: -8, 4: PASSES.kid + b"\x00"}), "the key id is not 4 bytes"),
        (strange_pass([]), "claims is not a map"),
        (strange_pass(with_claim(6, NOW)), "claims has unknown keys: 6"),
        (strange_pass(with_claim("exp", NOW)), "claims has unknown keys: 'exp'"),
        (strange_pass(with_field(11, 1)), "pass map has unknown keys: 11"),
        (strange_pass(with_field(0, 1)), "pass map has unknown keys: 0"),
        (strange_pass(without(CLAIMS, passes.PASS)), "pass map is not a map"),
        (strange_pass(without(CLAIMS, passes.EXP)), "exp is not a whole number"),
        (strange_pass(without(CLAIMS, passes.NBF)), "nbf is not a whole number"),
        (strange_pass(without(CLAIMS, passes.CTI)), "cti is not 8 bytes"),
        (strange_pass(with_claim(passes.EXP, -1)), "exp is not a whole number"),
        (strange_pass(with_claim(passes.EXP, 2**63)), "exp is not a whole number"),
        (strange_pass(with_claim(passes.EXP, float(NOW) + 0.5)), "a value of type float"),
        (strange_pass({**without(CLAIMS, passes.EXP), float(passes.EXP): NOW}), "a map key of type float"),
        (strange_pass(with_claim(passes.EXP, True)), "exp is not a whole number"),
        (strange_pass(with_claim(passes.NBF, False)), "nbf is not a whole number"),
        (strange_pass(with_claim(passes.NBF, str(NOW))), "nbf is not a whole number"),
        (strange_pass(with_claim(passes.CTI, bytes(7))), "cti is not 8 bytes"),
        (strange_pass(with_claim(passes.CTI, bytes(9))), "cti is not 8 bytes"),
        (strange_pass(with_claim(passes.CTI, "12345678")), "cti is not 8 bytes"),
        (strange_pass(with_field(passes.CLASS, True)), "class is not a whole number"),
        (strange_pass(with_field(passes.CLASS, 0)), "0 is not a valid PassClass"),
        (strange_pass(with_field(passes.CLASS, 7)), "7 is not a valid PassClass"),
        (strange_pass(with_field(passes.ZONE, ZONE[:11])), "a zone is not 12 digits"),
        (strange_pass(with_field(passes.ZONE, ZONE + "0")), "zone is not printable text of at most 12"),
        (strange_pass(with_field(passes.ZONE, ZONE[:11] + "x")), "a zone is not 12 digits"),
        (strange_pass(with_field(passes.ZONE, ZONE[:11] + "１")), "a zone is not 12 digits"),  # a full-width digit
        (strange_pass(with_field(passes.ZONE, int(ZONE))), "zone is not printable text"),
        (strange_pass(with_field(passes.DIRECTIONS, 0)), "directions is not a whole number from 1 to 3"),
        (strange_pass(with_field(passes.DIRECTIONS, 4)), "directions is not a whole number from 1 to 3"),
        (strange_pass(with_field(passes.DIRECTIONS, True)), "directions is not a whole number from 1 to 3"),
        (strange_pass(with_field(passes.GATES, "east")), "gates is not a list"),
        (strange_pass(with_field(passes.GATES, ["g"] * 51)), "gates is not a list of at most 50"),
        (strange_pass(with_field(passes.GATES, [1])), "gate is not printable text"),
        (strange_pass(with_field(passes.GATES, ["g" * 41])), "gate is not printable text of at most 40"),
        (strange_pass(with_field(passes.HEALTH, 0)), "health is not a list"),
        (strange_pass(with_field(passes.HEALTH, None)), "health is not a list"),
        (strange_pass(with_field(passes.HEALTH, [0])), "health is not [code, day]"),
        (strange_pass(with_field(passes.HEALTH, [0, 1, 2])), "health is not a list of at most 2"),
        (strange_pass(with_field(passes.HEALTH, [3, 20_000])), "3 is not a valid HealthCode"),
        (strange_pass(with_field(passes.HEALTH, [False, 20_000])), "health code is not a whole number"),
        (strange_pass(with_field(passes.HEALTH, [0, 100_001])), "health day is not a whole number"),
        (strange_pass(with_field(passes.NAME, "王" * 41)), "name is not printable text of at most 40"),
        (strange_pass(with_field(passes.NAME, "a\nb")), "name is not printable"),
        (strange_pass(with_field(passes.NAME, "\u202egnp")), "name is not printable"),  # right-to-left override
        (strange_pass(with_field(passes.HOUSEHOLD, bytes(5))), "household is not 6 bytes"),
        (strange_pass(with_field(passes.PLATE, "0" * 13)), "plate is not printable text of at most 12"),
        (strange_pass(with_field(passes.STATUS_INDEX, -1)), "status index is not a whole number"),
        (strange_pass(with_field(passes.STATUS_INDEX, 2**32 + 1)), "status index is not a whole number"),
        (strange_pass(with_field(passes.STATUS_INDEX, None)), "status index is not a whole number"),
        (strange_pass(with_field(passes.EXTRA_ZONES, [ZONE, "1"])), "a zone is not 12 digits"),
        (strange_pass(with_field(passes.EXTRA_ZONES, [ZONE] * 51)), "extra zones is not a list of at most 50"),
    ],
)
def test_each_malformed_pass_is_refused_by_its_own_words(text, says):
    """Every check of the strict reader is reached by a pass that fails nothing but that check."""
    verdict = refused(text)
    assert verdict.reason is Reason.PASS_MALFORMED
    assert says in verdict.detail


X = bytes(range(32))
COSE_KEY = {1: 2, -1: 1, -2: X, -3: True}


@pytest.mark.parametrize(("odd", "prefix"), [(True, b"\x03"), (False, b"\x02")])
def test_the_phone_key_is_read_compressed(odd, prefix):
    """The COSE_Key of claim cnf becomes the SEC 1 compressed point, its sign bit first."""
    verdict = parse(strange_pass(with_claim(passes.CNF, {1: {**COSE_KEY, -3: odd}})), TRUST)
    assert isinstance(verdict, Credential)
    assert verdict.phone_key == prefix + X


@pytest.mark.parametrize(
    ("confirmation", "says"),
    [
        (None, "cnf is not a map"),
        ({}, "cnf key is not a map"),
        ({1: COSE_KEY, 3: b"kid"}, "cnf has unknown keys: 3"),
        ({1: {**COSE_KEY, 3: -7}}, "cnf key has unknown keys: 3"),
        ({1: {**COSE_KEY, 1: 1}}, "cnf kty EC2"),
        ({1: {**COSE_KEY, -1: 2}}, "cnf crv P-256"),
        ({1: {**COSE_KEY, -3: X}}, "the phone key is not compressed"),
        ({1: {**COSE_KEY, -3: 1}}, "the phone key is not compressed"),
        ({1: {**COSE_KEY, 1: 2.0}}, "a value of type float"),
        ({1: {**COSE_KEY, -1: True}}, "cnf crv P-256"),
        ({1: {**COSE_KEY, -2: X[:31]}}, "cnf x is not 32 bytes"),
    ],
)
def test_each_malformed_phone_key_is_refused_by_its_own_words(confirmation, says):
    """Claim cnf holds one compressed P-256 key and nothing else."""
    verdict = refused(strange_pass(with_claim(passes.CNF, confirmation)))
    assert verdict.reason is Reason.PASS_MALFORMED
    assert says in verdict.detail


# --- what the issuer may say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (PASSES, {"pass_class": PassClass.MEDIC}),
        (PASSES, {"home_zone": FAR_ZONE}),
        (PASSES, {"extra_zones": frozenset({NEIGHBOUR, FAR_ZONE})}),
        (PASSES, {"expires": NOW + 401 * DAY_S}),
        (PASSES, {"not_before": NOW - 401 * DAY_S}),
        (VISITORS, {"expires": NOW + 3600}),  # a resident's pass from the key for visitors
        (VISITORS, {"pass_class": PassClass.VISITOR, "home_zone": NEIGHBOUR, "expires": NOW + 3600}),
        (VISITORS, {"pass_class": PassClass.VISITOR, "expires": NOW + DAY_S + 1}),
    ],
)
def test_a_pass_beyond_its_issuers_scope_is_refused(key, changes):
    """Class, home zone, extra zones and both ends of validity are held to what the bundle gives the key."""
    assert refused(pass_text(key, **changes)).reason is Reason.PASS_OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (PASSES, {"extra_zones": frozenset({NEIGHBOUR})}),
        (PASSES, {"expires": NOW + 400 * DAY_S, "not_before": NOW - 400 * DAY_S}),
        (VISITORS, {"pass_class": PassClass.VISITOR, "expires": NOW + DAY_S, "not_before": NOW - DAY_S}),
    ],
)
def test_a_pass_at_the_edge_of_its_issuers_scope_is_read(key, changes):
    """The bounds themselves belong to the scope."""
    assert parse(pass_text(key, **changes), TRUST) == credential(kid=key.kid, **changes)


def test_an_empty_prefix_covers_every_zone_and_no_prefix_none():
    """The prefix "" is everywhere; a key without zones speaks for none."""
    text = pass_text(home_zone=FAR_ZONE)
    everywhere = trust_bundle([key_row(PASSES, [Role.PASS], [""], list(PassClass))])
    nowhere = trust_bundle([key_row(PASSES, [Role.PASS], [], list(PassClass))])
    assert isinstance(parse(text, everywhere), Credential)
    verdict = parse(text, nowhere)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.PASS_OUT_OF_SCOPE


# --- other people's codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wxp://f2f0abc", Reason.PAYMENT_CODE),
        ("https://wx.tenpay.com/f2f/abc", Reason.PAYMENT_CODE),
        ("HTTPS://QR.ALIPAY.COM/FKX0", Reason.PAYMENT_CODE),
        ("alipays://platformapi", Reason.PAYMENT_CODE),
        ("https://qr.95516.com/000", Reason.PAYMENT_CODE),
        ("00020101021126", Reason.PAYMENT_CODE),
        ("https://example.org/", Reason.FOREIGN_LINK),
        ("http://qr.alipay.com.example.org/", Reason.FOREIGN_LINK),
        ("hello", Reason.FOREIGN_TEXT),
        ("", Reason.FOREIGN_TEXT),
        ("EP1", Reason.FOREIGN_TEXT),
        ("ep1:" + TEXT[4:], Reason.FOREIGN_TEXT),
        (" " + TEXT, Reason.FOREIGN_TEXT),
        ("el1:" + TEXT[4:], Reason.FOREIGN_TEXT),
        ("EL1:" + TEXT[4:], Reason.LIVE_MALFORMED),
    ],
)
def test_texts_that_are_no_passes_are_named(text, reason):
    """Payment codes, links, live codes and anything else each get the reason a person can act on."""
    assert refused(text).reason is reason
    if not text.startswith("EL1:"):
        assert classify_foreign(text) is reason


def test_the_index_of_the_typical_pass_survives():
    """The status index, by which revocation goes, is the issued one."""
    verdict = parse(TEXT, TRUST)
    assert isinstance(verdict, Credential)
    assert verdict.status_index == INDEX


@pytest.mark.parametrize(
    "header", [{True: -8, 4: PASSES.kid}, {1.0: -8, 4: PASSES.kid}, {1: -8.0, 4: PASSES.kid}, {1: -8, 4.0: PASSES.kid}]
)
def test_what_python_takes_for_the_same_number_is_refused(header):
    """True and 1.0 are no 1: a header has one encoding, also under a good signature."""
    assert refused(strange_pass(CLAIMS, protected=header)).reason is Reason.PASS_MALFORMED
