"""Makes the guard screen's font: Noto Sans CJK SC Regular cut down to GB 2312, Latin and punctuation, as WOFF2.

    apt-get install fonts-noto-cjk
    python station/screen/static/fonts/build.py /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

Needs fonttools with its woff extra (the development dependencies). Run it again only to take a newer Noto release.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.ttCollection import TTCollection

FAMILY = "Noto Sans CJK SC"
OUTPUT = Path(__file__).with_name("noto-sans-cjk-sc.woff2")
LATIN_AND_SIGNS = [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2028), *range(0x2030, 0x2040)]
CJK_SIGNS = [*range(0x3000, 0x3020), *range(0xFF01, 0xFF5F), 0x2103, 0x2190, 0x2191, 0x2192, 0x2193, 0x00B7]


def gb2312() -> set[int]:
    """Every character of GB 2312-80, as code points."""
    rows, cells = range(0xA1, 0xF8), range(0xA1, 0xFF)
    text = b"".join(bytes([row, cell]) for row in rows for cell in cells).decode("gb2312", errors="ignore")
    return {ord(character) for character in text}


def face_number(collection: Path) -> int:
    """Index of the SC face: one file holds the Japanese, Korean and Chinese forms of the same characters."""
    faces = TTCollection(str(collection), lazy=True).fonts
    return next(number for number, face in enumerate(faces) if face["name"].getDebugName(1) == FAMILY)


def main(collection: Path) -> None:
    """Cut the font and write it beside this script."""
    font = TTFont(str(collection), fontNumber=face_number(collection))
    options = subset.Options(
        flavor="woff2", layout_features=["kern", "palt", "tnum"], hinting=False, desubroutinize=False
    )
    options.name_IDs = [0, 1, 2, 13, 14]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=gb2312() | set(LATIN_AND_SIGNS) | set(CJK_SIGNS))
    cutter.subset(font)
    subset.save_font(font, str(OUTPUT), options)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
