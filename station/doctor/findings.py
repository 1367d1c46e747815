"""What the doctor found: one line for each thing looked at, with what to do where it ails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from station.core.model import Text
from station.ports import DeviceFault


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` is empty where all is well."""

    part: str
    good: bool
    found: str
    remedy: str = ""


Probe = Callable[[], str]


class Ailing(Exception):  # noqa: N818 - a finding, not an error
    """A probe found something wrong."""

    def __init__(self, found: str, remedy: str) -> None:
        """`found`: what is wrong; `remedy`: what to do."""
        super().__init__(found)
        self.found, self.remedy = found, remedy


def find(part: str, probe: Probe) -> Finding:
    """Look at one part; what the probe raises becomes the finding."""
    try:
        return Finding(part, good=True, found=probe())
    except Ailing as ailing:
        return Finding(part, good=False, found=ailing.found, remedy=ailing.remedy)
    except DeviceFault as fault:
        return Finding(part, good=False, found=fault.problem, remedy=fault.remedy)


def both(words: Text) -> str:
    """Return what the guard's screen says too, in both its languages."""
    return f"{words['zh']} / {words['en']}"
