"""Tables in the documentation that are held against the code: marked blocks in Markdown pages.

    <!-- table: NAME -->
    ...
    <!-- end: NAME -->

Each row has cells that come from the code and, in the last columns, cells that people write. The first cell is the
key: written cells are kept under it when the block is made anew. "?" stands where somebody still has to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
UNWRITTEN = "?"
Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table. `rows` gives the cells from the code, `written` names the columns that people fill in."""

    name: str
    page: str
    head: Row
    rows: Callable[[], Iterable[Row]]
    written: Row = ()

    @property
    def path(self) -> Path:
        """The page the table stands on."""
        return DOCS / self.page

    def found(self) -> str:
        """Return the block's present content. Raises LookupError where the page has no such block."""
        return self._match(self.path.read_text(encoding="utf-8"))["body"]

    def wanted(self, before: str) -> str:
        """Return the block as it must be, with what people wrote in `before`."""
        kept = {cells[0]: cells[len(self.head) :] for cells in read_rows(before)}
        unknown = (UNWRITTEN,) * len(self.written)
        rows = [(*row, *kept.get(row[0], unknown)) for row in map(_escaped, self.rows())]
        head = (*self.head, *self.written)
        return "\n".join(map(_line, [head, ("---",) * len(head), *rows])) + "\n"

    def update(self) -> bool:
        """Make the block anew; says whether it changed."""
        page = self.path.read_text(encoding="utf-8")
        match = self._match(page)
        wanted = self.wanted(match["body"])
        if wanted == match["body"]:
            return False
        self.path.write_text(page[: match.start("body")] + wanted + page[match.end("body") :], encoding="utf-8")
        return True

    def _match(self, page: str) -> re.Match[str]:
        pattern = rf"<!-- table: {re.escape(self.name)} -->\n(?P<body>.*?)<!-- end: {re.escape(self.name)} -->"
        match = re.search(pattern, page, re.DOTALL)
        if match is None:
            raise LookupError(f"{self.path}: no block <!-- table: {self.name} --> ... <!-- end: {self.name} -->")
        return match


def read_rows(body: str) -> list[Row]:
    """Return the cells of a Markdown table's rows, without head and rule, still escaped."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines[2:]]


def code(text: object) -> str:
    """Return a cell in code font; empty for an empty text."""
    return f"`{text}`" if str(text) else ""


def _escaped(row: Row) -> Row:
    return tuple(cell.replace("|", r"\|").replace("\n", " ").strip() for cell in row)


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"
