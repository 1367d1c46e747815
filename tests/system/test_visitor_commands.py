"""The commands a technician runs for visitors' passes, live codes and time codes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from drivers.decoder import read_still
from station import cli, visitor_key
from station.core import base45, cose, timecode
from tests.core import issuing
from tests.core.phones import phone

STATION, ZONE = "gate-east-1", issuing.ZONE
NONCE = bytes.fromhex("09f3a0c11b2d4e5f")
CONFIG = """
[station]
id = "{station}"
gate = "east"
zone = "{zone}"
[trust]
roots = [{roots}]
[paths]
state = "{folder}/state"
documents = "{folder}/documents"
guards = "{folder}/guards.toml"
[hardware]
pins = "twin"
world = "{folder}/world.sock"
[[lane]]
id = "in"
direction = "in"
camera = {{ source = "scene:in" }}
door = {{ relay = {{ pin = 17 }} }}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A station that has its configuration and documents, and never ran."""
    roots = ", ".join(f'"{root.hex()}"' for root in issuing.ROOT_BYTES)
    text = CONFIG.format(station=STATION, zone=ZONE, folder=tmp_path, roots=roots)
    (tmp_path / "station.toml").write_text(text, encoding="utf-8")
    (tmp_path / "documents").mkdir()
    rows = [*issuing.key_rows(), issuing.key_row(issuing.STRANGER, ["guard", "time"], [ZONE])]
    (tmp_path / "documents" / "trust.cose").write_bytes(issuing.trust_raw(rows))
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def station(folder, capsys):
    """Runs gate-station with the folder's configuration; gives exit status, output and errors."""

    def run(group: str, *rest: str) -> tuple[int, str, str]:
        status = cli.main([group, "--config", str(folder / "station.toml"), *rest])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


# --- the station's own key -------------------------------------------------------------------------------------------


def test_a_new_key_is_the_stations_alone(station, folder):
    """The key's file can be read by its owner only, and the request printed is that key's, for this station."""
    status, said, _ = station("visitor-key", "new")
    path = folder / "state" / "visitor.key"
    assert status == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["visitor.key"]
    raw = base45.decode(said.splitlines()[0].removeprefix("EV1:"))
    public = visitor_key.load(folder / "state").public_key().public_bytes_raw()
    assert (raw[:32], raw[32:]) == (public, STATION.encode())
    assert "PRIVATE" not in said
    assert base45.encode(visitor_key.load(folder / "state").private_bytes_raw()) not in said


def test_the_request_is_printed_as_a_code(station, tmp_path):
    """The blocks in the terminal, two modules to a character, are a code that the project's reader reads."""
    said = station("visitor-key", "new")[1]
    blocks = [line for line in said.splitlines() if line and set(line) <= set(" ▀▄█")]
    light = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    rows = np.array([[light[one] for one in line] for line in blocks], np.uint8)  # line, column, half
    picture = rows.transpose(0, 2, 1).reshape(-1, rows.shape[1])[: rows.shape[1]]
    cv2.imwrite(str(tmp_path / "terminal.png"), picture.repeat(6, 0).repeat(6, 1))
    assert [code.text for code in read_still(tmp_path / "terminal.png")] == [said.splitlines()[0]]


def test_the_technician_is_told_what_to_do_next(station, folder):
    """The office's command is printed whole, ready to be copied into a shell, with what follows it."""
    said = station("visitor-key", "new")[1]
    (line,) = [one for one in said.splitlines() if "keys delegate" in one]
    words = shlex.split(line)
    assert words[:4] == ["gate-central", "keys", "delegate", said.splitlines()[0]]
    assert words[words.index("--zone") + 1] == ZONE
    for told in ("documents publish", f"delegation-{STATION}.cose", f"into {folder}/documents", "访客"):
        assert told in said, told


def test_the_request_can_be_shown_again(station):
    """`show` prints the same request and makes nothing; a second `new` makes another key and says what that ends."""
    first = station("visitor-key", "new")[1]
    shown = station("visitor-key", "show")[1]
    assert shown == first
    second = station("visitor-key", "new")[1]
    assert second.splitlines()[0] != first.splitlines()[0]
    assert "The key before it is gone" in second
    assert "The key before it is gone" not in first


def test_no_key_and_a_key_open_to_others_are_told(station, folder):
    """Without a key, and with one that others can read, `show` fails and names the command that helps."""
    for prepare in (lambda: None, lambda: (folder / "state" / "visitor.key").chmod(0o644)):
        prepare()
        status, said, problem = station("visitor-key", "show")
        assert (status, said) == (1, "")
        assert "gate-station visitor-key new" in problem
        station("visitor-key", "new")


def test_a_folder_that_cannot_be_written_is_told(station, folder):
    """Where the key cannot be kept the command fails, names the file, and prints no request."""
    (folder / "state").rmdir()
    status, said, problem = station("visitor-key", "new")
    assert (status, said) == (1, "")
    assert str(folder / "state" / "visitor.key") in problem
    assert "as root" in problem


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_makes_belongs_to_the_service(station, folder):
    """A technician runs the command with sudo: the key still belongs to the owner of the state folder."""
    os.chown(folder / "state", 4711, 4712)
    station("visitor-key", "new")
    made = (folder / "state" / "visitor.key").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (4711, 4712, 0o600)


# --- pass show -------------------------------------------------------------------------------------------------------


def test_a_live_code_is_taken_apart(station):
    """`pass show` prints the pass, the phone's time with its age, and the number the phone signed, in groups."""
    holder = phone("resident")
    text, t = holder.pass_text(), int(time.time()) - 12
    status, said, _ = station("pass", "show", holder.show(text, t, NONCE))
    assert status == 0
    assert f"t              {t} (" in said
    assert "UTC, 12 s ago by" in said or "UTC, 13 s ago by" in said
    assert "nonce          09f3 a0c1 1b2d 4e5f" in said
    assert f"phone_key      {holder.public.hex()}" in said
    status, said, _ = station("pass", "show", holder.show(text, t + 3600))
    assert status == 0
    assert " s ahead by" in said
    assert "nonce          none" in said


def test_a_pass_itself_is_not_live(station):
    """The same pass without a live presentation says so."""
    said = station("pass", "show", phone("resident").pass_text())[1]
    assert "live           no" in said
    assert "nonce" not in said


def test_a_live_code_of_another_phone_is_refused(station):
    """A presentation by a phone the pass is not bound to: reason in both languages, what to do, exit status 1."""
    forged = phone("somebody else").show(phone("resident").pass_text(), int(time.time()))
    status, said, _ = station("pass", "show", forged)
    assert status == 1
    assert said.startswith("live-forged: 动态码不是绑定手机签发的 / This live pass was not signed by the right phone")
    assert "Show the pass on the phone it was issued to" in said


def test_a_time_code_is_taken_apart(station, folder):
    """`pass show` prints the time, the number it answers, and whose word it is, from a text and from a picture."""
    t, key = issuing.NOW, issuing.STRANGER
    raw = cose.sign1(timecode.payload(t, NONCE), key.kid, key.private)
    text = timecode.PREFIX + base45.encode(raw)
    picture = folder / "code.png"
    segno.make_qr(text, error="M").save(str(picture), scale=6, border=4)
    for code in (text, str(picture)):
        status, said, _ = station("pass", "show", code)
        assert status == 0
        assert "what           time code" in said
        assert f"t              {t} (" in said
        assert "nonce          09f3 a0c1 1b2d 4e5f" in said
        assert "role           time" in said
        assert f"kid            {key.kid.hex()}" in said


def test_a_time_code_of_a_pass_office_is_refused(station):
    """A key that may not tell the time is not believed."""
    raw = cose.sign1(timecode.payload(issuing.NOW, NONCE), issuing.PASSES.kid, issuing.PASSES.private)
    status, said, _ = station("pass", "show", timecode.PREFIX + base45.encode(raw))
    assert status == 1
    assert said.startswith("time-code-refused:")


def test_a_text_too_long_for_a_file_name_is_a_text(station):
    """Any text can be shown, also one that is no pass and longer than a file's name may be."""
    status, said, _ = station("pass", "show", "https://example.org/" + "x" * 5000)
    assert status == 1
    assert said.startswith("foreign-link:")


def test_the_keys_used_are_named(station, folder):
    """The last line says which file the keys were taken from; an option takes another one."""
    text = phone("resident").pass_text()
    assert f"keys from      {folder / 'documents' / 'trust.cose'}" in station("pass", "show", text)[1]
    other = folder / "other.cose"
    other.write_bytes(issuing.trust_raw([issuing.key_row(issuing.CENTRAL, ["policy"])]))
    status, said, _ = station("pass", "show", text, "--trust", str(other))
    assert status == 1
    assert said.startswith("pass-unknown-issuer:")
    assert f"keys from      {other}" in said


def test_commands_need_no_screen_library():
    """The command line, which also drives outputs safe, loads neither the screen nor what draws codes."""
    program = "import sys, station.cli; print({'segno', 'starlette', 'uvicorn', 'cv2'} & set(sys.modules))"
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "set()", done.stderr
