"""What the architecture page names exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT
from tests.docs.pages import pages

PAGE = DOCS / "explanation" / "architecture.md"
# The changelog and the decisions may tell of files of the past.
PAGES = [page for page in pages() if page.name != "CHANGELOG.md" and DOCS / "decisions" not in page.parents]
_PATH = re.compile(r"`((?:station|drivers|sync|tests|systemd|requirements|docs|\.ci)(?:/[\w.-]+)+/?)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_named_exist(page: Path) -> None:
    """Every file and folder of the project that a page names in code font exists."""
    named = set(_PATH.findall(page.read_text(encoding="utf-8")))
    assert not {path for path in named if not (ROOT / path).exists()}


def test_architecture_names_modules_and_tests() -> None:
    """The page names modules, and for the promises tests, so the check above has something to check."""
    named = set(_PATH.findall(PAGE.read_text(encoding="utf-8")))
    assert len([path for path in named if path.startswith("station/")]) > 20
    assert len([path for path in named if path.startswith("tests/")]) > 5


def test_layers_are_those_of_the_linter() -> None:
    """The layers on the page are the ones that import-linter enforces."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    places = []
    for layer in contract["layers"]:
        name = layer.split(" | ")[0].replace(".", "/")
        places.append(max(text.rfind(f"`{name}.py` over"), text.rfind(f"`{name}.py` and"), text.rfind(f"over `{name}")))
    assert -1 not in places
    assert places == sorted(places)
