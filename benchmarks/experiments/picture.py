"""A place's picture: each arm's accuracy with its interval, and each seed as a small point.

An SVG of our own making is the same on every machine, so CI can compare it.
"""

from collections.abc import Sequence
from html import escape

from experiments.standing import Standing

LEFT, WIDTH, RIGHT, TOP, ROW = 240, 460, 70, 34, 26
"""Room for names, for accuracies, for figures, for the title; height of a row; px."""
INK, FAINT, GRID = "#1f2937", "#6b7280", "#e5e7eb"
OURS, OTHER, AGAINST = "#c2410c", "#2563eb", "#15803d"
"""Colours of what has a discriminator, of what has none, and of the arm that others are compared with."""
WITH_DISCRIMINATOR = ("ril", "gad", "ablations/")
"""How their names begin."""


def draw(title: str, found: Sequence[Standing], baseline: str) -> str:
    """The picture as text."""
    height = TOP + ROW * len(found) + 30
    whole = LEFT + WIDTH + RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{height}" viewBox="0 0 {whole} {height}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{whole}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="20" font-size="13" font-weight="600" fill="{INK}">{escape(title)}</text>',
    ]
    bottom = TOP + ROW * len(found)
    for percent in range(0, 101, 20):
        x = _x(percent / 100)
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" fill="{FAINT}">{percent} %</text>')
    for place, each in enumerate(found):
        parts += _row(each, TOP + ROW * place + ROW / 2, AGAINST if each.arm == baseline else _colour(each.arm))
    return "\n".join([*parts, "</svg>", ""])


def _row(each: Standing, y: float, colour: str) -> list[str]:
    low, middle, high = _x(each.mean.low), _x(each.mean.estimate), _x(each.mean.high)
    seeds = [_x(sum(run.correct) / run.num_questions) for _, run in sorted(each.runs.items())]
    name, ink = (each.arm, INK) if each.is_whole else (f"{each.arm} (seeds missing)", FAINT)
    return [
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" fill="{ink}">{escape(name)}</text>',
        f'<line x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke="{colour}" stroke-width="3" stroke-opacity="0.35"/>',
        *(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}" fill-opacity="0.6"/>' for x in seeds),
        f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>',
        f'<text x="{LEFT + WIDTH + 8}" y="{y + 4}" fill="{INK}">{each.mean.estimate * 100:.1f} %</text>',
    ]


def _x(share: float) -> float:
    return round(LEFT + WIDTH * share, 1)


def _colour(arm: str) -> str:
    return OURS if arm.startswith(WITH_DISCRIMINATOR) else OTHER
