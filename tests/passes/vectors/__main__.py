"""Writes the files of vectors: `python -m tests.passes.vectors --write`; without it says which are out of date.

What a vector must give is stated by its maker. Before anything is written, our reader is held against all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tests.passes import reading
from tests.passes.vectors import el1, ep1, et1, policy, status, trust

MAKERS = {"ep1": ep1, "el1": el1, "et1": et1, "trust": trust, "status": status, "policy": policy}


def made(name: str) -> str:
    """Return a file's text. Raises ValueError where our reader says otherwise than the vectors' maker."""
    file: dict[str, Any] = json.loads(json.dumps(MAKERS[name].document()))
    for held in reading.held(name, file):
        if isinstance(held.case, dict) and isinstance(held.found, dict) and held.case.get("refused"):
            held.case["says"] = held.found.get("says", "")  # a help for people, no part of the format
    for held in reading.held(name, file):
        if held.wanted != held.found:
            raise ValueError(f"{name}, {held.rule!r}: wanted {held.wanted}, found {held.found}")
    return json.dumps(file, ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Write or compare; the exit status is 1 where a file is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tests.passes.vectors", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the files")
    options = parser.parse_args()
    stale = 0
    for name in reading.NAMES:
        path, text = reading.FOLDER / f"{name}.json", made(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        print(f"{path.name}: {'written' if options.write else 'is out of date'}")
        stale += not options.write
        if options.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
