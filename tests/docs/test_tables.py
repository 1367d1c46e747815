"""Every table of the reference says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import blocks
from tests.docs.blocks import Table, read_rows
from tests.docs.tables import TABLES, unwritten

BY_NAME = {table.name: table for table in TABLES}


@pytest.mark.parametrize("name", BY_NAME)
def test_table_is_current(name: str) -> None:
    """Nothing in the code is missing from the page and nothing on the page is missing from the code."""
    found = BY_NAME[name].found()
    assert found == BY_NAME[name].wanted(found), "run: python -m tests.docs.tables --write"


@pytest.mark.parametrize("name", BY_NAME)
def test_table_is_written(name: str) -> None:
    """People have written what the code cannot say."""
    assert not unwritten(BY_NAME[name]), f"docs/{BY_NAME[name].page}: replace the question marks"


def test_tables_are_not_empty() -> None:
    """The readers of the code see something everywhere, so an empty table cannot pass as a current one."""
    assert not [table.name for table in TABLES if len(read_rows(table.found())) < 2]


def test_every_block_has_a_table() -> None:
    """No page has a block that nothing renews."""
    known = {(table.page, table.name) for table in TABLES}
    marked = {
        (str(page.relative_to(blocks.DOCS)), line.removeprefix("<!-- table: ").removesuffix(" -->"))
        for page in blocks.DOCS.rglob("*.md")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("<!-- table: ")
    }
    assert marked == known


def test_renewing_keeps_what_people_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new row comes with a question mark, a lost one goes, a kept one keeps its words, pipes and all."""
    monkeypatch.setattr(blocks, "DOCS", tmp_path)
    page = tmp_path / "page.md"
    old = "| Key | Meaning |\n| --- | --- |\n| a\\|b | kept \\| so |\n| gone | x |\n"
    page.write_text(f"before\n<!-- table: t -->\n{old}<!-- end: t -->\nafter\n")
    table = Table("t", "page.md", ("Key",), lambda: [("a|b",), ("new",)], ("Meaning",))
    assert table.update()
    assert read_rows(table.found()) == [("a\\|b", "kept \\| so"), ("new", "?")]
    assert unwritten(table) == ["new"]
    assert not table.update()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
