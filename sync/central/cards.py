"""Passes for people: a picture for the phone (level M), a drawing, and a sheet to print and cut out (level Q)."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path

import segno

from station.core.model import Credential

SCREEN_LEVEL, PRINT_LEVEL = "M", "Q"
CLASS_WORDS = {
    "RESIDENT": ("居民", "Resident"),
    "VISITOR": ("访客", "Visitor"),
    "WORKER": ("工作人员", "Worker"),
    "RETURNEE": ("返乡人员", "Returnee"),
    "VEHICLE": ("车辆", "Vehicle"),
    "MEDIC": ("医护人员", "Medical"),
}

SHEET = """<!DOCTYPE html>
<html lang="zh"><head><meta charset="utf-8"><title>通行证 Pass</title><style>
@page {{ size: A4; margin: 15mm }}
body {{ font-family: "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 0 }}
.card {{ width: 90mm; border: 0.3mm dashed #888; padding: 5mm; text-align: center; page-break-inside: avoid }}
.card svg {{ width: 80mm; height: 80mm }}
h1 {{ font-size: 16pt; margin: 0 }} p {{ margin: 1mm 0; font-size: 11pt }} .fold {{ color: #555; font-size: 9pt }}
</style></head><body><div class="card">
<h1>{zh} 通行证 · {en} pass</h1>
{svg}
<p>{who}</p><p>有效期 Valid {begin} – {end}</p>
<p class="fold">沿虚线剪下，勿折叠二维码。 Cut along the line; do not fold the code.</p>
</div></body></html>
"""


def write_card(text: str, credential: Credential, folder: Path, name: str) -> list[Path]:
    """Write NAME.png, NAME.svg and NAME.html (the sheet); return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    png, svg, sheet = (folder / f"{name}.{suffix}" for suffix in ("png", "svg", "html"))
    code = segno.make_qr(text, error=SCREEN_LEVEL, boost_error=False)
    code.save(str(png), scale=8, border=4)
    code.save(str(svg), scale=8, border=4)
    sheet.write_text(_sheet(text, credential), encoding="utf-8")
    return [png, svg, sheet]


def _sheet(text: str, credential: Credential) -> str:
    zh, en = CLASS_WORDS[credential.pass_class.name]
    printed = segno.make_qr(text, error=PRINT_LEVEL, boost_error=False)
    who = " · ".join(part for part in (credential.name, credential.plate) if part)
    return SHEET.format(
        zh=zh,
        en=en,
        svg=printed.svg_inline(border=4),
        who=html.escape(who),
        begin=_day(credential.not_before),
        end=_day(credential.expires),
    )


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
