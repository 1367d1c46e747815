"""gate-central keys: rotation of roots, delegation, withdrawal, and who may read the files."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from station.core import cose
from station.core.credential import parse, write
from station.core.documents import DocumentType, TrustBundle, kid_of, open_document, open_trust
from station.core.model import Credential, Direction, PassClass, Rejected
from station.core.reasons import Reason
from station.core.sealing import Personal, Sealer, open_key, unseal
from station.core.status import StatusManifest, read_manifest
from station.core.succession import FIRST_SET, RootSet, open_roots
from station.documents import Taken
from sync.central.keys import Keyring, KeyringError
from sync.central.office_trust import newest_bundle
from sync.central.personal_key import read_personal
from sync.central.status_register import MOST_REVOKED
from tests.central.bureau import Bureau, Post, seconds, visitor_request
from tests.sync.lab import STATION, ZONE


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """An office."""
    return Bureau(tmp_path / "office")


def modes(folder: Path) -> dict[str, int]:
    """The permission bits of every file that holds a private key."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    }


# --- rotation --------------------------------------------------------------------------------------------------------


def test_rotation_makes_the_next_set_with_both_sets_consent(bureau: Bureau) -> None:
    """Roots 2 carry two signatures of roots 1 and two of roots 2; the new bundle those of two of roots 2."""
    bureau.run("keys", "rotate")
    following = open_roots(bureau.document("roots-2"), RootSet(FIRST_SET, tuple(bureau.first_roots)))
    assert isinstance(following, RootSet), following
    assert following.number == 2
    assert not set(following.keys) & set(bureau.first_roots)
    signers = [signature.kid for signature in cose.open_sign(bureau.document("roots-2")).signatures]
    sets = [{kid_of(key) for key in keys} for keys in (bureau.first_roots, following.keys)]
    assert [len(known & set(signers)) for known in sets] == [2, 2]
    assert not isinstance(open_trust(bureau.document("trust"), following.keys), Rejected)
    old = open_trust(bureau.document("trust"), bureau.first_roots)
    assert isinstance(old, Rejected)
    assert old.reason is Reason.DOCUMENT_UNSIGNED
    assert bureau.keyring.public_roots() == list(following.keys)


def test_old_roots_stay_until_the_operator_removes_them(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """Their files are untouched, the command says what to do with them, and without them the next rotation works."""
    before = {path.name: path.read_bytes() for path in (bureau.folder / "roots").iterdir()}
    capsys.readouterr()
    bureau.run("keys", "rotate")
    said = capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (bureau.folder / "roots").iterdir()} == before
    for words in ("roots-2 offline", "documents publish", "destroy", str(bureau.folder / "roots"), "as they are"):
        assert words in said
    for path in (bureau.folder / "roots").iterdir():
        path.unlink()
    bureau.run("keys", "trust")
    bureau.run("keys", "rotate")
    assert bureau.keyring.root_sets.current().number == 3


def test_a_station_follows_every_step(bureau: Bureau, tmp_path: Path) -> None:
    """A station whose configuration names roots 1 comes to roots 3 and the newest bundle, in any order, for good."""
    post = Post(tmp_path / "post", bureau.first_roots)
    first, now = bureau.document("trust"), post.clock.now()
    assert post.documents.offer("trust", first, now) == Taken(DocumentType.TRUST, 1)
    bureau.run("keys", "rotate")
    bureau.run("keys", "rotate")
    for name in ("trust", "roots-3", "roots-2"):
        post.documents.offer(name.partition("-")[0], bureau.document(name), now)
    post.documents.retry(now)
    assert (post.documents.in_force[DocumentType.ROOTS].seq, post.documents.in_force[DocumentType.TRUST].seq) == (3, 3)
    post.restart()
    assert (post.documents.in_force[DocumentType.ROOTS].seq, post.documents.in_force[DocumentType.TRUST].seq) == (3, 3)
    back = post.documents.offer("trust", first, now)
    assert isinstance(back, Rejected), "a bundle of the old roots is not good any more"
    post.close()


def test_rotation_without_two_old_roots_makes_nothing(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """With one root at hand nothing is made, and the message says which folder lacks what."""
    for number in (1, 2):
        (bureau.folder / "roots" / f"root-{number}.key").unlink()
    assert bureau.status("keys", "rotate") == 1
    assert "2 keys of roots 1 are needed, 1 at hand" in capsys.readouterr().err
    assert not (bureau.folder / "roots-2").exists()
    assert bureau.keyring.root_sets.current().number == 1


def test_a_rotation_that_was_interrupted_is_named(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys left behind without their document are no roots: the old ones sign on, the folder has to be removed."""
    (bureau.folder / "roots-2").mkdir()
    assert bureau.status("keys", "rotate") == 1
    assert "delete the folder" in capsys.readouterr().err
    bureau.run("keys", "trust")
    assert not isinstance(open_trust(bureau.document("trust"), bureau.first_roots), Rejected)


def test_a_succession_that_does_not_verify_is_not_continued(bureau: Bureau) -> None:
    """A set put in by somebody without the old roots is refused at the office as it is at the gates."""
    stranger = Bureau(bureau.folder.parent / "stranger")
    stranger.run("keys", "rotate")
    (bureau.folder / "documents" / "roots-2.cose").write_bytes(stranger.document("roots-2"))
    with pytest.raises(KeyringError, match=r"roots-2\.cose: document-unsigned"):
        bureau.keyring.root_sets.current()


def test_every_private_key_is_its_owners_alone(bureau: Bureau, tmp_path: Path) -> None:
    """Roots of every set and issuing keys have mode 0600; no other file of the office holds a private key."""
    bureau.run("keys", "rotate")
    _, request = visitor_request(tmp_path / "post")
    bureau.run("keys", "delegate", request, "--key", "visits")
    found = modes(bureau.folder)
    assert len(found) == 3 + 3 + 6
    assert set(found.values()) == {0o600}
    assert all(name.startswith(("roots/", "roots-2/", "keys/")) for name in found)
    assert stat.S_IMODE((bureau.folder / "roots-2").stat().st_mode) == 0o700
    assert modes(tmp_path / "post") == {"visitor.key": 0o600}


def test_roots_that_others_can_read_sign_nothing(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """A root file opened to the group stops trust and rotation with the remedy."""
    (bureau.folder / "roots" / "root-1.key").chmod(0o640)
    for words in (("keys", "trust"), ("keys", "rotate")):
        assert bureau.status(*words) == 1
        assert "chmod 600" in capsys.readouterr().err


# --- delegation ------------------------------------------------------------------------------------------------------


def test_a_delegated_key_admits_visitors_at_its_station(bureau: Bureau, tmp_path: Path) -> None:
    """From the station's request to a visitor's pass that its own reader accepts, and no other station's."""
    key, request = visitor_request(tmp_path / "post" / "station")
    bureau.run("keys", "delegate", request, "--key", "visits", "--hours", "8")
    post = Post(tmp_path / "post", bureau.first_roots)
    now = post.clock.now()
    post.documents.offer("trust", bureau.document("trust"), now)
    raw = bureau.document(f"delegation-{STATION}")
    assert post.documents.offer("delegation", raw, now) == Taken(DocumentType.DELEGATION, 1)
    text = write(visitor(kid_of(key.public_key().public_bytes_raw())), key)
    assert isinstance(parse(text, post.documents.trust), Credential)
    own = post.documents.own_key
    assert own is not None
    assert own.expires - own.not_before == 8 * 3600
    neighbour = Post(tmp_path / "neighbour", bureau.first_roots, "gate-west-1")
    neighbour.documents.offer("trust", bureau.document("trust"), now)
    refused = neighbour.documents.offer("delegation", raw, now)
    assert isinstance(refused, Rejected)
    assert isinstance(parse(text, neighbour.documents.trust), Rejected)
    post.close()
    neighbour.close()


def visitor(kid: bytes) -> Credential:
    """A visitor's pass for the next hour."""
    now = seconds() + 1
    return Credential(
        kid=kid,
        cti=b"visitor1",
        not_before=now,
        expires=now + 3600,
        pass_class=PassClass.VISITOR,
        home_zone=ZONE,
        directions=frozenset(Direction),
    )


def test_the_next_delegation_follows_the_one_before(bureau: Bureau, tmp_path: Path) -> None:
    """Day after day the number rises per station and each names its predecessor, so stations take them."""
    post = Post(tmp_path / "post", bureau.first_roots)
    now = post.clock.now()
    post.documents.offer("trust", bureau.document("trust"), now)
    for number in (1, 2):
        _, request = visitor_request(tmp_path / "post" / "station")
        bureau.run("keys", "delegate", request, "--key", "visits")
        raw = bureau.document(f"delegation-{STATION}")
        assert post.documents.offer("delegation", raw, now) == Taken(DocumentType.DELEGATION, number)
    _, request = visitor_request(tmp_path / "other", "gate-west-1")
    bureau.run("keys", "delegate", request, "--key", "passes", "--zone", ZONE)
    assert post.documents.in_force[DocumentType.DELEGATION].seq == 2
    post.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--key", "workers"], "may not admit visitors"),
        (["--key", "centre"], "has no pass role"),
        (["--key", "visits", "--zone", "320611002002"], "does not speak for zone"),
        (["--key", "visits", "--hours", "25"], "at most 24"),
        (["--key", "visits", "--hours", "0"], "more than 0"),
        (["--key", "nobody"], "no key 'nobody'"),
    ],
)
def test_a_delegation_stations_would_refuse_is_not_made(
    bureau: Bureau, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a station would refuse is refused at the desk, with the reason; no file is left behind."""
    _, request = visitor_request(tmp_path / "post")
    assert bureau.status("keys", "delegate", request, *words) == 1
    assert message in capsys.readouterr().err
    assert not list((bureau.folder / "documents").glob("delegation-*"))


@pytest.mark.parametrize("damage", ["EV2:", "EV1:", "EV1:ABC!", "EV1:" + "0" * 48, "cut"])
def test_a_damaged_request_is_refused(
    bureau: Bureau, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Texts that are no requests, or lost characters on their way, are named; nothing is signed."""
    _, request = visitor_request(tmp_path / "post")
    text = request[:40] if damage == "cut" else damage
    assert bureau.status("keys", "delegate", text, "--key", "visits") == 1
    assert "request" in capsys.readouterr().err
    assert not list((bureau.folder / "documents").glob("delegation-*"))


# --- withdrawal ------------------------------------------------------------------------------------------------------


def manifest(bureau: Bureau) -> StatusManifest:
    """The newest status manifest as a station reads it."""
    bundle = open_trust(bureau.document("trust"), bureau.first_roots)
    assert not isinstance(bundle, Rejected)
    envelope = open_document(bureau.document("status"), DocumentType.STATUS, bundle, ZONE)
    assert not isinstance(envelope, Rejected)
    found = read_manifest(envelope)
    assert not isinstance(found, Rejected)
    return found


def issue(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> str:
    """Issue a resident's pass; return its text."""
    out = str(bureau.folder / "cards")
    capsys.readouterr()
    bureau.run("pass", "issue", "--key", "passes", "--class", "resident", "--zone", ZONE, "--out", out)
    return capsys.readouterr().out.strip("\n")


def test_a_withdrawn_key_is_refused_by_stations_and_office(
    bureau: Bureau, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its passes are refused with their own reason once the manifest is there; the office issues no more with it."""
    text = issue(bureau, capsys)
    post = Post(tmp_path / "post", bureau.first_roots)
    now = post.clock.now()
    bureau.run("keys", "revoke", "passes", "--key", "centre")
    post.provide(*(bureau.folder / "documents").glob("*.cose"))
    (post.folder / "provided" / "chunks").symlink_to(bureau.folder / "documents" / "chunks")
    post.documents.offer("trust", bureau.document("trust"), now)
    assert isinstance(parse(text, post.documents.trust), Credential)
    assert post.documents.offer("status", bureau.document("status"), now) == Taken(DocumentType.STATUS, 1)
    refused = parse(text, post.documents.trust)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.PASS_KEY_REVOKED
    words = ("pass", "issue", "--key", "passes", "--class", "resident", "--zone", ZONE, "--out", str(tmp_path))
    assert bureau.status(*words) == 1
    assert "pass-key-revoked" in capsys.readouterr().err
    bureau.run("keys", "revoke", "passes", "--undo", "--key", "centre")
    assert manifest(bureau).revoked == frozenset()
    assert isinstance(parse(text, newest_bundle(bureau.folder)), Credential)
    post.close()


def test_keys_are_withdrawn_by_name_id_and_station(bureau: Bureau, tmp_path: Path) -> None:
    """Each way to name a key leads to the same list; withdrawn keys stay in every later manifest."""
    key, request = visitor_request(tmp_path / "post")
    bureau.run("keys", "delegate", request, "--key", "visits")
    names = ["visits", bureau.kid("workers").hex(), STATION, "0badcafe"]
    for name in names:
        bureau.run("keys", "revoke", name, "--key", "centre")
    bureau.run("status", "sign", "--key", "deputy")
    delegated = kid_of(key.public_key().public_bytes_raw())
    expected = {bureau.kid("visits"), bureau.kid("workers"), delegated, bytes.fromhex("0badcafe")}
    assert manifest(bureau).revoked == expected


def test_a_key_does_not_withdraw_itself(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest signed by a key it withdraws would be the last one of that key: refused, with the way out."""
    assert bureau.status("keys", "revoke", "centre", "--key", "centre") == 1
    assert "another key" in capsys.readouterr().err
    assert not (bureau.folder / "documents" / "status.cose").exists()
    bureau.run("keys", "revoke", "centre", "--key", "deputy")


def test_an_unknown_name_is_no_key(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing mistake withdraws nothing."""
    for name in ("passe", "0BADCAFE", "../keys", ""):
        assert bureau.status("keys", "revoke", name, "--key", "centre") == 1
        assert re.search("no key of", capsys.readouterr().err)
    assert bureau.register.revoked() == []


def test_no_more_keys_are_withdrawn_than_a_manifest_may_name(bureau: Bureau) -> None:
    """At the limit of the format the office refuses, rather than sign what every station refuses."""
    bureau.register.revoke(bytes(4))
    (bureau.folder / "status" / "revoked").write_text("".join(f"{n:08x}\n" for n in range(MOST_REVOKED)))
    bureau.run("status", "sign", "--key", "centre")
    assert len(manifest(bureau).revoked) == MOST_REVOKED
    assert bureau.status("keys", "revoke", "passes", "--key", "centre") == 1


def test_the_keyring_of_an_older_office_still_works(tmp_path: Path) -> None:
    """An office with `roots` and `roots.pub` and no succession signs as before."""
    keyring = Keyring(tmp_path)
    public = keyring.create_roots()
    assert keyring.root_sets.current() == RootSet(FIRST_SET, tuple(public))
    with pytest.raises(KeyringError, match="never overwritten"):
        keyring.create_roots()


# --- personal fields -------------------------------------------------------------------------------------------------


def test_the_bundle_names_the_key_for_personal_fields(bureau: Bureau) -> None:
    """Made once, never overwritten, its owner's alone; the next bundle names it, and what is sealed for it opens."""
    before = open_trust(bureau.document("trust"), bureau.first_roots)
    assert isinstance(before, TrustBundle)
    assert before.personal is None
    bureau.run("keys", "personal")
    bureau.run("keys", "trust")
    trust = open_trust(bureau.document("trust"), bureau.first_roots)
    assert isinstance(trust, TrustBundle)
    path = bureau.folder / "personal" / "personal.key"
    sealer = Sealer(trust.personal or b"")
    key = open_key(sealer.sealed_key, read_personal(path))
    assert unseal(key, sealer.seal(Personal("王*"))) == Personal("王*")
    assert modes(bureau.folder)["personal/personal.key"] == 0o600
    with pytest.raises(KeyringError, match="never overwritten"):
        bureau.keyring.personal.create()
    with pytest.raises(KeyringError, match="not a key for personal fields"):
        read_personal(next((bureau.folder / "keys").glob("*.key")))
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        read_personal(path)
