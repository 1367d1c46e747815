"""A machine of the hardware lab: built, booted, cut and asked through the lab's own command.

`LAB` names the lab's directory, `LAB_WORK` where images go, default ~/.cache/gate-station-lab. Nothing is killed here:
the lab's command ends the qemu it started, by pid.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "trixie-amd64"
PYTHON, MACHINE = "3.13", "x86_64"
"""Of the image that the lab builds by default."""
NEEDS = ("qemu-system-x86_64", "qemu-img", "mke2fs", "debugfs", "ssh")


class LabError(RuntimeError):
    """The lab did not do what it was asked for; the text holds what it said."""


def lab_folder() -> Path:
    """Return the lab's directory."""
    return Path(os.environ.get("LAB") or ROOT.parent / "shared" / "lab").resolve()


def why_not() -> str:
    """Say why there is no lab here; empty where there is one."""
    if not (lab_folder() / "lab").exists():
        return f"no hardware lab in {lab_folder()}; name its directory in LAB"
    missing = [name for name in NEEDS if shutil.which(name, path=_path()) is None]
    return f"the hardware lab needs {', '.join(missing)}" if missing else ""


def _path() -> str:
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


def tool(name: str) -> str:
    """Return where a program is; those for file systems are not in every user's path."""
    return shutil.which(name, path=_path()) or name


@dataclass
class Machine:
    """One machine by its name. `settings`: more of the lab's environment variables."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the folder for images and state."""
        default = Path.home() / ".cache" / "gate-station-lab"
        self.work = Path(os.environ.get("LAB_WORK", default)).resolve()
        self.images = self.work / SUITE
        self.folder = self.work / "run" / f"{self.name}-{SUITE}"
        self.folder.mkdir(parents=True, exist_ok=True)

    # --- the lab's command -----------------------------------------------------------------------------------------

    def lab(self, *words: str, timeout_s: float = 600, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the lab's command; return what it said. Raises LabError unless `check` is false."""
        environment = {
            **os.environ,
            "LAB_WORK": str(self.work),
            "LAB_NAME": self.name,
            "PATH": _path(),
            **self.settings,
        }
        done = subprocess.run(
            [str(lab_folder() / "lab"), *words],
            env=environment,
            cwd=self.work,  # its sockets have short names only from here
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise LabError(f"lab {' '.join(words)}: exit status {done.returncode}\n{done.stdout}")
        return done

    def build(self) -> None:
        """Build the image unless there is one: minutes, as root, with the Debian archive."""
        if not (self.images / "root.qcow2").exists():
            print("building the lab's image (minutes)", flush=True)
            self.lab("build", timeout_s=3600)

    def boot(self, *options: str) -> None:
        """Switch the machine on and wait until it answers."""
        self.lab("boot", "--smp", os.environ.get("LAB_SMP", "1"), "--timeout", "1200", *options, timeout_s=1500)

    @property
    def running(self) -> bool:
        """Whether its qemu runs."""
        return self.lab("status").stdout.startswith("running")

    def run(self, command: str, timeout_s: float = 120) -> str:
        """Run a shell command in the machine; return what it said. Raises LabError."""
        return self.lab("run", "-t", str(timeout_s), "--", command, timeout_s=timeout_s + 60).stdout

    def cut(self, seed: int) -> str:
        """Cut the power; an honest disk loses what was not flushed. Return what the disk says."""
        return self.lab("cut", "--seed", str(seed)).stdout.strip()

    def stop(self) -> None:
        """Shut the machine down; twice is fine."""
        self.lab("stop", timeout_s=300, check=False)

    # --- disks -----------------------------------------------------------------------------------------------------

    def forget_disks(self) -> None:
        """Throw away what the machine's disks hold."""
        for name in ("root.raw", "root.qcow2", "data.raw"):
            (self.folder / name).unlink(missing_ok=True)

    def root_from(self, image: Path, *, honest: bool) -> None:
        """Give the machine a root disk with what `image` holds; `honest`: one that loses un-flushed writes."""
        self.forget_disks()
        raw, layered = self.folder / "root.raw", self.folder / "root.qcow2"
        if honest:
            subprocess.run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)], check=True)
            return
        shutil.copyfile(image, layered)  # not one layer more: a machine can only be saved with the lab's image below
        backing = os.path.relpath(self.images / "root.qcow2", self.folder)
        subprocess.run(["qemu-img", "rebase", "-u", "-b", backing, "-F", "qcow2", str(layered)], check=True)

    def data_disk(self, megabytes: int) -> None:
        """Give the machine a second disk with an empty file system, before it is booted with `--disk`."""
        disk = self.folder / "data.raw"
        disk.unlink(missing_ok=True)
        subprocess.run([tool("mke2fs"), "-q", "-t", "ext4", str(disk), f"{megabytes}m"], check=True)

    def told(self) -> list[dict[str, object]]:
        """Return what the machine has told through its port since it was switched on."""
        return _rows(self.folder / "ack.log")

    def told_before(self) -> list[dict[str, object]]:
        """Return what it told before it was switched on last."""
        return _rows(self.folder / "ack.log.old")


def _rows(path: Path) -> list[dict[str, object]]:
    """Return the whole lines of JSON in a file that is still being written."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]


def disk_of(folder: Path, label: str, to: Path) -> str:
    """Make a small file system with a folder's content; return the qemu option that adds it, read-only."""
    used = sum(path.stat().st_size + 4096 for path in folder.rglob("*"))
    to.unlink(missing_ok=True)
    with to.open("wb") as file:
        file.truncate((used * 5 // 4 + (8 << 20)) // 4096 * 4096)
    line = [tool("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", "-L", label, "-d", str(folder), str(to)]
    subprocess.run(line, check=True)
    return f"-drive if=virtio,format=raw,readonly=on,file={to}"
