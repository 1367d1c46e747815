"""What the tests read: the project's files, the documentation's pages, their code blocks and links."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.docs.blocks import ROOT

_FENCE = re.compile(r"^```(?P<kind>[a-z]*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SKIPPED = {".git", ".venv", "build", "dist"}


@dataclass(frozen=True)
class Example:
    """A fenced block of a page. `kind`: the word after the fence, such as toml or console."""

    page: Path
    kind: str
    body: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.body.strip().splitlines()[0][:50]}"


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is, or would be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        found = [path for path in ROOT.rglob("*") if not SKIPPED & set(path.relative_to(ROOT).parts)]
    return tuple(path for path in sorted(found) if path.is_file())


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """Return README, CHANGELOG and every page of the documentation."""
    return [path for path in project_files() if path.suffix == ".md"]


def examples(*kinds: str) -> list[Example]:
    """Return the fenced blocks of the given kinds."""
    return [
        Example(page, match["kind"], match["body"])
        for page in pages()
        for match in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if match["kind"] in kinds
    ]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    found = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", one)).strip().lower().replace(" ", "-") for one in found}


def links(page: Path) -> Iterator[str]:
    """Yield the relative targets a page links to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            yield target
