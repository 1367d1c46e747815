"""The office's commands on the pages are run as they stand, in a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import station.cli
import sync.central.cli
from station.core import base45, cose
from tests.docs.blocks import DOCS
from tests.docs.pages import Example, examples
from tests.docs.test_examples import command_lines

PROGRAMS = {"gate-central": sync.central.cli.main, "gate-station": station.cli.main}
ELSEWHERE = {"serve", "publish", "run", "doctor"}
"""What needs a broker or devices; the demo runs it."""


def _page(name: str) -> list[Example]:
    return [example for example in examples("console", "toml") if example.page == DOCS / name]


def _run(arguments: list[str], office: Path) -> None:
    name, *words = [word.replace("/srv/office", str(office)) for word in arguments]
    if not ELSEWHERE & set(words):
        assert PROGRAMS[name](words) == 0, f"{name} {' '.join(words)}"


def _pass_entry(text: str) -> str:
    """Return ISSUER-KID:INDEX of the last pass printed."""
    code = [line for line in text.splitlines() if line.startswith("EP1:")][-1]
    signed = cose.open_sign1(base45.decode(code[4:]))
    claims = cose.decode_strict(signed.payload)
    return f"{signed.signatures[0].kid.hex()}:{claims[-65537][9]}"


def test_issue_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, trust bundle, passes and status lists can be made by the commands of the page, in their order."""
    monkeypatch.chdir(tmp_path)
    said = ""
    for example in _page("how-to/issue-passes.md"):
        for words in command_lines(example):
            entry = _pass_entry(said) if "EP1:" in said else ""
            _run([entry if re.fullmatch(r"[0-9a-f]{8}:\d+", word) else word for word in words], tmp_path / "office")
            said += capsys.readouterr().out
    assert (tmp_path / "cards" / "wang.html").exists()
    assert (tmp_path / "office" / "documents" / "status.cose").exists()


def test_write_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy on the page is signed by the command on the page."""
    monkeypatch.chdir(tmp_path)
    office = tmp_path / "office"
    assert sync.central.cli.main(["keys", "issuer", "centre", "--role", "policy", "--office", str(office)]) == 0
    for example in _page("how-to/write-a-policy.md"):
        if example.kind == "toml":
            Path("compound.toml").write_text(example.body, encoding="utf-8")
        for words in command_lines(example):
            _run(words, office)
    assert (office / "documents" / "policy.cose").exists()


def test_first_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The tutorial's own part works: make keys, issue a pass, read its picture, take it apart."""
    monkeypatch.chdir(tmp_path)
    roots: list[str] = []
    for example in _page("tutorial/first-gate.md"):
        if example.kind == "toml":
            text = example.body
            for number, root in enumerate(roots, 1):
                text = text.replace(f'"{str(number) * 64}"', f'"{root}"')
            Path("station.toml").write_text(text, encoding="utf-8")
        for words in command_lines(example):
            _run(words, tmp_path / "office")
            said = capsys.readouterr().out
            roots = roots or re.findall(r'"([0-9a-f]{64})"', said)
    assert "home_zone      320611001001" in said
