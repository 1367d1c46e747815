"""What holds for every file of the project: docstrings, and nothing that belongs to one workplace."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.docs.pages import project_files, tree

PYTHON = [path for path in project_files() if path.suffix == ".py"]
TESTS = [path for path in PYTHON if path.is_relative_to(ROOT / "tests") and path.name.startswith("test_")]
# Put together from pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a package index's address": r"https?://[^\s/\"']*(?:" + "pypi|pythonhosted|npmjs|nexus|artifactory|devpi)",
    "an index option": r"^\s*--(?:extra-)?index-url|^\s*--find-links|^\s*-i https?:",
    "a workspace path": "/" + r"work/(?:main|shared|issue|\.)|/tmp/" + "(?:BRIEF|issue)" + r"\d*\.md",
}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TESTS, ids=_name)
def test_every_test_says_what_it_proves(path: Path) -> None:
    """Each test function, and each method of a test class, has a docstring."""
    silent = [
        f"{node.name} (line {node.lineno})"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_every_module_says_what_it_is() -> None:
    """Each Python file of the project begins with a docstring; an empty file has nothing to say."""
    silent = [_name(path) for path in PYTHON if (module := tree(path)).body and not ast.get_docstring(module)]
    assert not silent


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_of_the_workplace_is_in_a_file(what: str) -> None:
    """No file names a package index's host or a path of the machine it was written on."""
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [f"{_name(path)}: {match[0]}" for path in project_files() if (match := pattern.search(_text(path)))]
    assert not found


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="ignore")


def test_the_search_finds_what_it_is_for() -> None:
    """Each pattern matches the thing it is named after."""
    samples = {
        "a package index's address": "https://mirror." + "pypi.example/simple",
        "an index option": "--index" + "-url http://somewhere",
        "a workspace path": "see /" + "work/main/README.md",
    }
    assert samples.keys() == FORBIDDEN.keys()
    for what, sample in samples.items():
        assert re.search(FORBIDDEN[what], sample, re.MULTILINE), what
