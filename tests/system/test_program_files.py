"""The program's files against what was installed."""

from __future__ import annotations

import base64
import hashlib
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from station.doctor import machine_probes
from station.doctor.findings import find
from station.doctor.program_files import Comparison, compare

SOURCE = b"print('open')\n"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with one distribution of one module, as pip leaves it."""
    info = tmp_path / "gate-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gate\nVersion: 1.0\n")
    (tmp_path / "gate.py").write_bytes(SOURCE)
    digest = base64.urlsafe_b64encode(hashlib.sha256(SOURCE).digest()).rstrip(b"=").decode()
    rows = [f"gate.py,sha256={digest},{len(SOURCE)}", f"gate.pyc,sha256={digest},9", "gate-1.0.dist-info/RECORD,,"]
    (info / "RECORD").write_text("\n".join(rows) + "\n")
    return tmp_path


def _compare(folder: Path) -> Comparison:
    return compare(Distribution.discover(path=[str(folder)]))


def test_files_as_installed_are_sound(installed: Path) -> None:
    """Untouched files agree; compiled ones and the list itself are left out."""
    assert _compare(installed) == Comparison(1, ())


@pytest.mark.parametrize("damage", ["one bit", "cut", "gone"])
def test_a_worn_card_is_found(installed: Path, damage: str) -> None:
    """A changed, shortened or missing file is named with its path."""
    module = installed / "gate.py"
    match damage:
        case "one bit":
            module.write_bytes(bytes([SOURCE[0] ^ 1]) + SOURCE[1:])
        case "cut":
            module.write_bytes(SOURCE[:-1])
        case "gone":
            module.unlink()
    assert _compare(installed).changed == (str(module),)


def test_the_doctor_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The technician reads which files, out of how many, and that a second time means the card."""
    monkeypatch.setattr(machine_probes, "compare", lambda: Comparison(900, ("/a.py", "/b.py", "/c.py", "/d.py")))
    finding = find("program", machine_probes.program)
    assert not finding.good
    assert "4 of 900" in finding.found
    assert "/c.py" in finding.found
    assert "/d.py" not in finding.found
    assert "replace the card" in finding.remedy
