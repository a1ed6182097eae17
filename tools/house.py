"""Draw the house: the floors of the import contracts, each room with the first sentence of its docstring.

    python tools/house.py > docs/images/house.svg

`nox -s docs -- --write` does the same. An SVG of our own making is the same on every machine, so CI can compare it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WIDTH, WALL, PAD, GAP, CHIP = 1080, 60, 14, 12, 130
LINE, TEXT, NAME = 17, 12.5, 15
"""Height of a line, size of its letters, size of those of a room's name; px."""
EM = 0.6
"""Mean width of a letter, in its size: that of a wide font, so that narrower ones fit as well."""
SKY, EARTH = (219, 234, 254), (253, 230, 200)
"""Colours of the highest and of the lowest floor."""
RULES = ("#2563eb", "#c2410c", "#15803d", "#7e22ce", "#be185d", "#0f766e")
"""Colours of rules that hold for some rooms."""
INK, FAINT, FRAME = "#1f2937", "#4b5563", "#94a3b8"


@dataclass(frozen=True)
class Room:
    """A module of a floor.

    Args:
        name: as in the file tree.
        about: the first sentence of its docstring.
        floors: its own rooms, from above; rooms of one floor don't import one another.
        rules: numbers of the rules that hold for it.
    """

    name: str
    about: str
    floors: tuple[tuple["Room", ...], ...] = ()
    rules: tuple[int, ...] = ()


@dataclass(frozen=True)
class House:
    """All floors from above, and the names of the rules that hold for some rooms."""

    floors: tuple[tuple[Room, ...], ...]
    rules: tuple[str, ...]


def read_house(root: Path = ROOT) -> House:
    """The house as `pyproject.toml` and the docstrings of `src/` describe it."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = {c["containers"][0]: c["layers"] for c in contracts if c["type"] == "layers"}
    rules = [c for c in contracts if c["type"] == "forbidden"]
    sources = root / "src"
    return House(_floors("rilctl", layers, rules, sources), tuple(rule["name"] for rule in rules))


def _floors(
    package: str, layers: Mapping[str, Sequence[str]], rules: Sequence[Mapping[str, Any]], sources: Path
) -> tuple[tuple[Room, ...], ...]:
    folder = sources.joinpath(*package.split("."))
    if package in layers:
        names = [[name.strip() for name in layer.split("|")] for layer in layers[package]]
    else:
        names = [sorted(file.parent.name for file in folder.glob("*/__init__.py"))]
    found = []
    for floor in names:
        rooms = []
        for name in floor:
            path = f"{package}.{name}"
            holding = tuple(number for number, rule in enumerate(rules) if path in rule["source_modules"])
            is_file = (folder / f"{name}.py").is_file()
            inside = () if is_file else _floors(path, layers, rules, sources)
            about = _first_sentence(folder / f"{name}.py" if is_file else folder / name / "__init__.py")
            rooms.append(Room(f"{name}.py" if is_file else f"{name}/", about, inside, holding))
        found.append(tuple(rooms))
    return tuple(floor for floor in found if floor)


def _first_sentence(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].partition(". ")[0].rstrip(".").replace("`", "")


def render(root: Path = ROOT) -> str:
    """The picture."""
    house = read_house(root)
    inner = WIDTH - 2 * WALL
    drawn: list[str] = []
    y = 118.0
    top = y
    for number, floor in enumerate(house.floors):
        widths = _widths(floor, inner - 2 * PAD - GAP * (len(floor) - 1))
        height = max(_height(room, width) for room, width in zip(floor, widths, strict=True))
        drawn.append(_box(WALL, y, inner, height + 2 * GAP, _shade(number / (len(house.floors) - 1)), radius=0))
        drawn.append(f'<path d="M{WALL} {y:g}H{WIDTH - WALL}" stroke="{FRAME}" stroke-opacity="0.6"/>')
        x = float(WALL + PAD)
        for room, width in zip(floor, widths, strict=True):
            drawn += _room(room, x, y + GAP, width, height)
            x += width + GAP
        y += height + 2 * GAP
    drawn.append(f'<path d="M{WALL} {top:g}V{y:g}M{WIDTH - WALL} {top:g}V{y:g}" stroke="{FRAME}"/>')
    drawn += [*_roof(top), *_arrow(top, y), *_ground(y)]
    y += 34
    for number, rule in enumerate(house.rules):
        drawn += [_dot(WALL + 8, y - 4, number), _text(WALL + 22, y, rule, TEXT, FAINT)]
        y += LINE + 3
    height = int(y + 4)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, -apple-system, \'Segoe UI\', Helvetica, Arial, sans-serif" role="img">\n'
        "<title>The house: floors of src/rilctl, imports point downwards only</title>\n"
    )
    return head + "\n".join([_box(0, 0, WIDTH, height, "#ffffff", radius=0), *drawn]) + "\n</svg>\n"


def _widths(floor: Sequence[Room], total: float) -> list[float]:
    """A room with rooms of its own is wider."""
    weights = [1.5 if room.floors else 1.0 for room in floor]
    return [total * weight / sum(weights) for weight in weights]


def _height(room: Room, width: float) -> float:
    lines = _wrapped(room.about, width - 2 * PAD)
    return PAD + NAME + 6 + LINE * len(lines) + sum(LINE + 14 for _ in _chip_rows(room, width)) + PAD - 4


def _chip_rows(room: Room, width: float) -> Iterator[tuple[Room, ...]]:
    """A room's own floors as lines; a floor without order is broken where it is too long."""
    for floor in room.floors:
        row: list[Room] = []
        for chip in floor:
            if row and sum(_chip_width(each) + 8 for each in [*row, chip]) > width - 2 * PAD:
                yield tuple(row)
                row = []
            row.append(chip)
        yield tuple(row)


def _chip_width(chip: Room) -> float:
    return len(chip.name) * TEXT * EM + 18


def _room(room: Room, x: float, y: float, width: float, height: float) -> list[str]:
    drawn = [
        _box(x, y, width, height, "#ffffff", FRAME),
        _text(x + PAD, y + PAD + NAME - 3, room.name, NAME, INK, "bold"),
    ]
    for place, rule in enumerate(room.rules):
        drawn.append(_dot(x + width - PAD - 4 - 14 * place, y + PAD + 6, rule))
    line = y + PAD + NAME + 6 + LINE - 5
    for text in _wrapped(room.about, width - 2 * PAD):
        drawn.append(_text(x + PAD, line, text, TEXT, FAINT))
        line += LINE
    line += 12
    for row in _chip_rows(room, width):
        drawn += _chips(row, x + PAD, line, width - 2 * PAD)
        line += LINE + 14
    return drawn


def _chips(row: Sequence[Room], x: float, line: float, width: float) -> list[str]:
    """Rooms inside of a room; one that has its line for itself says what it is."""
    drawn = []
    for chip in row:
        about = _fitting(chip.about, width - CHIP - PAD) if len(row) == 1 else ""
        own = width if about else _chip_width(chip)
        drawn.append(_box(x, line - 18, own, LINE + 9, "#f8fafc", "#cbd5e1", radius=5))
        drawn.append(_text(x + 9, line - 1, chip.name, TEXT, INK))
        if about:
            drawn.append(_text(x + CHIP, line - 1, about, TEXT - 0.5, FAINT))
        x += own + 8
    return drawn


def _roof(top: float) -> list[str]:
    points = f"{WALL - 34},{top} {WIDTH / 2},16 {WIDTH - WALL + 34},{top}"
    about = "src/rilctl: a floor imports from those below it, never from beside or above"
    return [
        f'<polygon points="{points}" fill="#e2e8f0" stroke="{FRAME}" stroke-linejoin="round"/>',
        _text(WIDTH / 2, top - 40, "the house", 24, INK, "bold", middle=True),
        _text(WIDTH / 2, top - 15, about, TEXT, FAINT, middle=True),
    ]


def _arrow(top: float, bottom: float) -> list[str]:
    x, middle = WIDTH - WALL + 20, (top + bottom) / 2
    label = _text(x + 10, middle, "imports", TEXT, FAINT, middle=True)
    return [
        f'<path d="M{x} {top + 20:g}V{bottom - 26:g}" stroke="{FRAME}" stroke-width="2"/>',
        f'<path d="M{x - 6} {bottom - 28:g}h12l-6 14z" fill="{FRAME}"/>',
        f'<g transform="rotate(90 {x + 10} {middle:g})">{label}</g>',
    ]


def _ground(y: float) -> list[str]:
    return [
        f'<path d="M{WALL - 34} {y:g}H{WIDTH - WALL + 34}" stroke="#78716c" stroke-width="4" stroke-linecap="round"/>'
    ]


def _wrapped(text: str, width: float) -> list[str]:
    """Lines of at most `width` px."""
    lines: list[str] = []
    for word in text.split():
        if lines and (len(lines[-1]) + 1 + len(word)) * TEXT * EM <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fitting(text: str, width: float) -> str:
    """The text, or what stands before its first colon or semicolon, if that is one line; else nothing."""
    forms = (text, re.split("[:;]", text)[0])
    return next((form for form in forms if len(_wrapped(form, width)) == 1), "")


def _shade(share: float) -> str:
    """From the sky's colour (0) to the earth's (1)."""
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(SKY, EARTH, strict=True))


def _box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none", radius: int = 8) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="{radius}" fill="{fill}" stroke="{stroke}"/>'


def _dot(x: float, y: float, rule: int) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{RULES[rule]}"/>'


def _text(
    x: float, y: float, text: str, size: float, fill: str, weight: str = "normal", *, middle: bool = False
) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    look = f'font-size="{size:g}" font-weight="{weight}" fill="{fill}"{anchor}'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(text)}</text>'


if __name__ == "__main__":
    sys.stdout.write(render())
