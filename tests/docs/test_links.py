"""Links inside the documentation lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT
from tests.docs.pages import anchors, links, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    """Every relative link of the page names a file that exists, and a heading in it."""
    broken = [target for target in links(page) if not _resolves(page, target)]
    assert not broken


def _resolves(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(path)


def test_broken_links_are_seen(tmp_path: Path) -> None:
    """The check itself refuses a missing file and a missing heading."""
    page = DOCS / "index.md"
    assert not _resolves(page, "reference/nothing.md")
    assert not _resolves(page, "reference/policy.md#nothing")
    assert not _resolves(page, str(tmp_path))
    assert _resolves(page, "reference/policy.md#a-rule")


def test_every_page_can_be_reached() -> None:
    """From docs/index.md every page of tutorial, how-to, reference and explanation can be reached."""
    seen, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md" and page.exists():
            seen.add(page)
            waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    folders = ("tutorial", "how-to", "reference", "explanation")
    assert not {page for folder in folders for page in (DOCS / folder).glob("*.md")} - seen
