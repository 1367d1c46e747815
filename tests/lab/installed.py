"""The image of a machine on which this checkout is installed; made once for each state of the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.lab.machine import MACHINE, PYTHON, ROOT, LabError, Machine, disk_of
from tests.lab.wheels import LOCK, fetch

PARTS = ("station", "drivers", "sync", "systemd", "docs/how-to/install.md", "tests/lab/guest", "tests/powercut/guest")
FILES = ("pyproject.toml", "README.md", "LICENSE", "requirements/run.lock")
INSTALLING_S = 1800


def installed() -> Path:
    """Return the image with this checkout installed, and make it where there is none."""
    maker = Machine("install")
    maker.build()
    image = maker.work / "installed.qcow2"
    mark = image.with_suffix(".sha256")
    state = checkout()
    if image.exists() and mark.exists() and (os.environ.get("LAB_REUSE") or mark.read_text() == state):
        return image  # LAB_REUSE: while the checkout changes elsewhere
    print("installing this checkout in the lab (minutes)", flush=True)
    fetch(maker.work / "wheels", PYTHON, MACHINE)
    with tempfile.TemporaryDirectory(dir=maker.work) as scratch:
        folder = Path(scratch) / "disk"
        _copy(folder / "gate-station")
        shutil.copytree(maker.work / "wheels", folder / "wheels")
        disk = disk_of(folder, "lab-install", Path(scratch) / "install.img")
        maker.forget_disks()
        try:
            maker.boot("--qemu", disk)
            script = "mkdir -p /run/i; mount -o ro /dev/disk/by-label/lab-install /run/i; sh /run/i/gate-station/"
            said = maker.run(f"{script}tests/lab/guest/install.sh", INSTALLING_S)
        finally:
            maker.stop()
    if "installed in" not in said:
        raise LabError(said)
    (maker.folder / "root.qcow2").rename(image)
    backing = f"{maker.images.name}/root.qcow2"  # by its way from the image, which has moved
    subprocess.run(["qemu-img", "rebase", "-u", "-b", backing, "-F", "qcow2", str(image)], check=True)
    mark.write_text(state)
    return image


def checkout() -> str:
    """Return a digest of everything that is installed."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for part in PARTS:
        where = ROOT / part
        found = sorted(where.rglob("*")) if where.is_dir() else [where]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
    yield from (ROOT / name for name in FILES)
    assert LOCK.exists()


def _copy(to: Path) -> None:
    for path in _sources():
        target = to / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
