"""Part of the bench: what it costs to import the verifier, in fresh processes, against what it is made of alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

import cbor2

from tests.passes.figures import Bar, Part

ROOT = Path(__file__).parents[2]
PACKAGES = Path(cbor2.__file__).parents[1]
OURS = "import station.core.credential, station.core.documents, station.core.decide"
IMPORTS = {
    "the verifier: credential, documents, decide": OURS,
    "peer: cryptography alone (Ed25519, P-256, SHA-256)": (
        "from cryptography.hazmat.primitives.asymmetric import ec, ed25519\n"
        "from cryptography.hazmat.primitives import hashes"
    ),
    "peer: cbor2 alone": "import cbor2",
    "peer: what the standard library lends": "import dataclasses, enum, hashlib, typing, collections.abc",
    "a bare interpreter": "pass",
}
_AROUND = """
import sys
sys.path[:0] = {paths!r}
import time
cpu, wall = time.process_time(), time.perf_counter()
{code}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
with open("/proc/self/status") as status:
    held = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
print(cpu * 1000, wall * 1000, held / 1000)
"""


def once(code: str) -> tuple[float, float, float]:
    """Run imports in an interpreter without site packages of its own: CPU ms, wall ms, memory held (MB)."""
    program = _AROUND.format(paths=[str(ROOT), str(PACKAGES)], code=code)
    command = [sys.executable, "-I", "-S", "-c", program]
    cpu, wall, held = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(cpu), float(wall), float(held)


def measure(times: int) -> Part:
    """Import everything `times` times in turns. The least CPU time counts: it has a floor, above it is other work."""
    for code in IMPORTS.values():
        once(code)  # the first time compiles
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(times):
        for name, code in IMPORTS.items():
            found[name].append(once(code))
    middle = {name: [median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    least = {name: min(cpu for cpu, _, _ in rows) for name, rows in found.items()}
    bare = middle["a bare interpreter"][2]
    ours = next(iter(IMPORTS))
    part = Part("Imports")
    part.bars = [
        Bar("import of the verifier, CPU time", least[ours], 40.0, "ms"),
        Bar(f"import of the verifier, CPU time, median of {times}", middle[ours][0], None, "ms"),
        Bar("import of the verifier, memory over a bare interpreter", middle[ours][2] - bare, 20.0, "MB"),
    ]
    rows = [
        (name, f"{least[name]:.1f}", f"{cpu:.1f}", f"{wall:.1f}", f"{held - bare:.1f}")
        for name, (cpu, wall, held) in middle.items()
    ]
    head = (f"median of {times} fresh processes", "least CPU ms", "CPU ms", "wall ms", "MB over a bare interpreter")
    part.tables.append((head, rows))
    part.remarks.append(f"CPU time is the least of {times} processes: it has a floor, and above it is other work.")
    return part
