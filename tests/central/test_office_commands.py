"""gate-central at the desk: passes for phones and households, time codes, policies in JSON, the phone page."""

from __future__ import annotations

import json
import signal
import subprocess
import tomllib
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image

from station.core import base45
from station.core.credential import parse
from station.core.documents import Role
from station.core.model import Credential, Rejected
from station.core.timecode import TimeCode, read_text
from sync.central.cli import main
from sync.central.office_trust import newest_bundle
from sync.central.phone_page import page_files
from tests.central.bureau import POLICY, Bureau, seconds
from tests.demo.processes import command
from tests.sync.lab import ZONE

NUMBER = "3f2a91c077de0b14"


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """An office."""
    return Bureau(tmp_path / "office")


@pytest.fixture
def phone_key() -> bytes:
    """A phone's public key, compressed."""
    private = ec.generate_private_key(ec.SECP256R1())
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def issue(bureau: Bureau, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Issue a resident's pass; return the lines printed."""
    out = ["--out", str(bureau.folder / "cards")]
    capsys.readouterr()
    bureau.run("pass", "issue", "--key", "passes", "--class", "resident", "--zone", ZONE, *out, *words)
    return capsys.readouterr().out.splitlines()


def read(bureau: Bureau, text: str) -> Credential:
    """Read a pass as a station with the office's newest documents does."""
    found = parse(text, newest_bundle(bureau.folder))
    assert isinstance(found, Credential), found
    return found


# --- passes ----------------------------------------------------------------------------------------------------------


def test_a_pass_is_bound_to_a_phone(bureau: Bureau, phone_key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """The phone's key gets into the pass from its digits as from its QR code; without one the pass is bound to none."""
    for shown in (phone_key.hex(), "EK1:" + base45.encode(phone_key)):
        (text,) = issue(bureau, capsys, "--phone-key", shown)
        assert read(bureau, text).phone_key == phone_key
    (text,) = issue(bureau, capsys)
    assert read(bureau, text).phone_key is None


def test_a_pass_comes_as_a_link(bureau: Bureau, phone_key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """With the page's address a second line holds the whole pass behind the #, percent-encoded."""
    page = "https://pass.example.org/"
    text, link = issue(bureau, capsys, "--phone-key", phone_key.hex(), "--page", page)
    start, _, encoded = link.partition("#p=")
    assert start == page
    assert unquote(encoded) == text
    assert not set(' +"<>') & set(encoded)


def test_a_pass_names_its_household_and_its_hours(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """The pseudonym of the household and a validity in hours get into the pass."""
    (text,) = issue(bureau, capsys, "--household", "0a0b0c0d0e0f", "--hours", "3")
    found = read(bureau, text)
    assert found.household == bytes.fromhex("0a0b0c0d0e0f")
    assert found.expires - found.not_before == 3 * 3600
    (text,) = issue(bureau, capsys)
    assert (read(bureau, text).household, read(bureau, text).expires - found.not_before >= 30 * 86_400) == (None, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--phone-key", "02" + "f" * 64], "no P-256 key"),
        (["--phone-key", "1234"], "66 hexadecimal digits"),
        (["--household", "xyz"], "12 hexadecimal digits"),
        (["--household", "0A0B0C0D0E0F"], "12 hexadecimal digits"),
    ],
)
def test_a_mistyped_key_or_household_issues_nothing(
    bureau: Bureau, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mistake is named and no card is written, nor is a status index given out."""
    out = ["--out", str(bureau.folder / "cards")]
    assert bureau.status("pass", "issue", "--key", "passes", "--class", "resident", "--zone", ZONE, *out, *words) == 1
    assert message in capsys.readouterr().err
    assert not (bureau.folder / "cards").exists()
    assert bureau.register.kids() == []


# --- the time --------------------------------------------------------------------------------------------------------


def told(bureau: Bureau, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Make a time code; return its text."""
    capsys.readouterr()
    bureau.run("time-code", "--key", "captain", *words)
    return capsys.readouterr().out.strip("\n")


@pytest.mark.parametrize(
    "shown", [NUMBER, "3f2a 91c0 77de 0b14", NUMBER.upper(), f"https://pass.example.org/#n={NUMBER}"]
)
def test_a_guard_gets_the_time_signed(bureau: Bureau, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    """However the number is copied from the screen, stations of the zone believe the code, and for that number only."""
    text = told(bureau, capsys, "--number", shown)
    code = read_text(text, newest_bundle(bureau.folder), ZONE)
    assert isinstance(code, TimeCode), code
    assert (code.nonce.hex(), code.role, code.kid) == (NUMBER, Role.GUARD, bureau.kid("captain"))
    assert abs(code.t - seconds()) <= 2
    assert isinstance(read_text(text, newest_bundle(bureau.folder), "110101001001"), Rejected)


def test_the_time_code_is_a_picture_to_hold_up(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """The PNG holds the printed text."""
    picture = bureau.folder / "cards" / "time.png"
    text = told(bureau, capsys, "--number", NUMBER, "--out", str(picture))
    with Image.open(picture) as image:
        (found,) = zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    assert found.text == text


def test_who_may_not_tell_the_time_gets_no_code(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """A key without the role, one that is in no trust bundle yet, and a wrong number: refused with what to do."""
    bureau.run("keys", "issuer", "newcomer", "--role", "guard", "--zone", "3206")
    cases = [
        (["--key", "passes", "--number", NUMBER], "has not the role guard"),
        (["--key", "newcomer", "--number", NUMBER], "keys trust"),
        (["--key", "captain", "--number", NUMBER[1:]], "16 digits"),
        (["--key", "captain", "--number", "g" * 16], "16 digits"),
    ]
    for words, message in cases:
        capsys.readouterr()
        assert bureau.status("time-code", *words) == 1
        said = capsys.readouterr()
        assert message in said.err
        assert said.out == ""


# --- policies --------------------------------------------------------------------------------------------------------


def test_a_policy_in_json_is_the_policy_in_toml(bureau: Bureau, tmp_path: Path) -> None:
    """Both sources of one policy give the same rules, times of day written as such included."""
    source = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    source["rules"][0]["when"]["minute_of_day"] = {"between": ["06:00", "22:30"]}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(source, default=str), encoding="utf-8")
    bureau.run("policy", "sign", str(path), "--key", "centre")
    assert b"minute_of_day" in bureau.document("policy")
    path.write_text("{", encoding="utf-8")
    assert bureau.status("policy", "sign", str(path), "--key", "centre") == 1


# --- the phone page --------------------------------------------------------------------------------------------------


def test_the_phone_page_is_written_for_any_web_server(bureau: Bureau, tmp_path: Path) -> None:
    """All its files are there, byte for byte what the small server hands out."""
    assert main(["phone", "write", str(tmp_path / "www")]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "www").iterdir()} == page_files()


def test_the_phone_page_is_served_until_told_to_stop() -> None:
    """The command says its address, answers there, and ends well on SIGTERM."""
    line = command("gate-central", "phone", "serve", "--port", "0")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        address = child.stdout.readline().strip()
        connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().read() == page_files()["index.html"]
        connection.close()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) in (0, -signal.SIGTERM)
