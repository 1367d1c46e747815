"""Draws a timeline as a timing diagram (SVG): one row per track, marks for recorded events."""

from __future__ import annotations

import html
import math

from station.simulation.timeline import Timeline

ROW, BAR, LEFT, TOP, WIDTH, FOOT = 34, 20, 150, 40, 1000, 40
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
MOST_TICKS = 12
NARROW = 6.5
"""Pixels a character of a label needs."""
COLOURS = {
    "unlocked": "#7bc47f",
    "granted": "#7bc47f",
    "passing": "#7bc47f",
    "open": "#b8e0b9",
    "open-unlocked": "#b8e0b9",
    "denied": "#e88b84",
    "refused": "#e88b84",
    "alarm": "#d9534f",
    "forced-open": "#d9534f",
    "held-open": "#d9534f",
    "lock-failed": "#d9534f",
    "referred": "#f3c26b",
    "propped-open": "#f3c26b",
    "ajar": "#f3c26b",
    "station-fault": "#c9a0dc",
    "out-of-service": "#c9a0dc",
    "evacuate": "#7bc47f",
    "released-by-fire": "#7bc47f",
    "measuring": "#8ec1e8",
    "escorting": "#8ec1e8",
}
QUIET = "#e6e9ee"


def draw(timeline: Timeline, end_s: float, title: str, events: str = "journal") -> str:
    """Return the SVG of a timeline from 0 to `end_s`; the track `events` is drawn as marks."""
    tracks = [track for track in timeline.tracks if track != events]
    height = TOP + ROW * (len(tracks) + 1) + FOOT
    scale = WIDTH / max(end_s, 1e-6)
    size = f'viewBox="0 0 {LEFT + WIDTH + 20} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="22" font-size="15">{html.escape(title)}</text>',
        *_grid(end_s, scale, height),
    ]
    for row, track in enumerate(tracks):
        parts += _track(timeline, track, TOP + ROW * row, end_s, scale)
    parts += _marks(timeline, events, TOP + ROW * len(tracks), scale)
    return "\n".join([*parts, "</svg>\n"])


def _grid(end_s: float, scale: float, height: int) -> list[str]:
    tick = next((t for t in TICKS if end_s / t <= MOST_TICKS), TICKS[-1])
    lines = []
    for number in range(math.floor(end_s / tick) + 1):
        x = LEFT + number * tick * scale
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - FOOT + 6}" stroke="#d5d9e0"/>')
        lines.append(f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle" fill="#667">{number * tick:g} s</text>')
    return lines


def _track(timeline: Timeline, track: str, y: int, end_s: float, scale: float) -> list[str]:
    parts = [f'<text x="10" y="{y + BAR - 4}">{html.escape(track)}</text>']
    for begin, end, value in timeline.spans(track, end_s):
        if not value:
            continue
        x, width = LEFT + begin * scale, max(1.0, (end - begin) * scale)
        label = html.escape(value)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" '
            f'fill="{COLOURS.get(value, QUIET)}"><title>{label} {begin:g} s to {end:g} s</title></rect>'
        )
        if width > NARROW * len(value):
            parts.append(f'<text x="{x + 4:.1f}" y="{y + BAR - 5}" font-size="11">{label}</text>')
    return parts


def _marks(timeline: Timeline, track: str, y: int, scale: float) -> list[str]:
    parts = [f'<text x="10" y="{y + BAR - 4}">{html.escape(track)}</text>']
    for change in timeline.changes:
        if change.track == track:
            x = LEFT + change.at_s * scale
            parts.append(
                f'<path d="M{x:.1f} {y} l4 8 h-8 z" fill="#345"><title>{html.escape(change.value)} '
                f"{change.at_s:g} s</title></path>"
            )
    return parts
