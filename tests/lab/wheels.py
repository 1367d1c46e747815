"""The locked packages as wheels for the machine in the lab, whose Python is not this one's.

pip cannot be asked for another Python's environment markers, so the lock is filtered here; hashes stay.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from packaging.markers import Marker, default_environment

LOCK = Path(__file__).parents[2] / "requirements" / "run.lock"
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux1")
_REQUIREMENT = re.compile(
    r"^(?P<what>[A-Za-z0-9._-]+==[^ ;\\]+)(?: ; (?P<marker>.*?))?(?P<hashes>(?: ?\\\n +--hash=\S+)+)", re.MULTILINE
)


def wanted(lock: str, python: str, machine: str) -> str:
    """Return the lock with only what `python` ("3.13") on a Linux `machine` ("x86_64") installs, without markers."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    kept = [
        found["what"] + found["hashes"]
        for found in _REQUIREMENT.finditer(lock)
        if not found["marker"] or Marker(found["marker"]).evaluate(environment)  # type: ignore[arg-type]
    ]
    return "\n".join(kept) + "\n"


def fetch(folder: Path, python: str, machine: str) -> None:
    """Download what is not in the folder yet. Raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    text = wanted(LOCK.read_text(encoding="utf-8"), python, machine)
    done = folder / "requirements.txt"
    if done.exists() and done.read_text(encoding="utf-8") == text:
        return
    asked = folder / "asked.txt"
    asked.write_text(text, encoding="utf-8")
    line = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r", str(asked)]
    line += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--dest", str(folder)]
    for platform in PLATFORMS:
        line += ["--platform", f"{platform}_{machine}"]
    subprocess.run(line, check=True)
    asked.rename(done)
