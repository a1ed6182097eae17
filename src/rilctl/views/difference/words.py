"""Two runs beside one another, as lines for a person."""

import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from rilctl.foreign import one_line
from rilctl.reporting.format import number
from rilctl.schemas.difference import AnswerDifference, Difference
from rilctl.schemas.report_result import Flip

_MOST_METRICS = 20
_MOST_FLIPS = 6
_MOST_CHARS = 48
_DIGITS = 12


def lines_of(found: Difference) -> list[str]:
    """What differs; what doesn't is counted."""
    parts = [
        _table(
            [
                ("a", one_line(found.a.name), found.a.verb, found.a.state),
                ("b", one_line(found.b.name), found.b.verb, found.b.state),
            ]
        ),
        *map(list, (_contents(found), _recipe(found), _inputs(found), _metrics(found))),
        *([*_answers(each)] for each in found.answers),
        [*_speed(found)],
        [*_made_with(found)],
    ]
    return [line for part in parts if part for line in (*part, "")][:-1]


def _contents(found: Difference) -> Iterator[str]:
    equal = sum(each.same for each in found.contents)
    if not found.contents:
        return
    yield f"contents: {equal} of {len(found.contents)} equal"
    rows = [
        (
            "  " + each.role,
            "equal" if each.same else "differs",
            _digits(each.a),
            _digits(each.b),
        )
        for each in found.contents
    ]
    yield from _table(rows)


def _recipe(found: Difference) -> Iterator[str]:
    yield f"recipe: {_times(len(found.recipe), 'key differs', 'keys differ')}"
    yield from _table([("  " + each.effect, each.key, _value(each.a), _value(each.b)) for each in found.recipe])


def _inputs(found: Difference) -> Iterator[str]:
    others = [each for each in found.inputs if not each.same]
    if not found.inputs:
        return
    yield f"inputs: {len(found.inputs) - len(others)} of {len(found.inputs)} equal"
    yield from _table([("  " + each.role, _names(each.a), _names(each.b)) for each in others])


def _metrics(found: Difference) -> Iterator[str]:
    if not found.metrics:
        return
    differ = [each for each in found.metrics if each.difference or each.first_step is not None]
    yield f"metrics: {len(differ)} of {len(found.metrics)} differ"
    rows = [("  metric", "step", "a", "b", "b - a", "mean b - a", "differs from step")] if differ else []
    for each in differ[:_MOST_METRICS]:
        mean = "" if each.mean_difference is None else f"{each.mean_difference:+.4g}"
        first = "" if each.first_step is None else f"{each.first_step}"
        step = "" if each.step is None else f"{each.step}"
        rows.append(("  " + each.metric, step, number(each.a), number(each.b), f"{each.difference:+.4g}", mean, first))
    yield from _table(rows, right=True)
    if len(differ) > _MOST_METRICS:
        yield f"  and {len(differ) - _MOST_METRICS} more with `--json`"


def _answers(each: AnswerDifference) -> Iterator[str]:
    name = f"{each.basis} {each.group}".strip()
    yield (
        f"{one_line(name)}: right {100 * each.accuracy_a:.1f} % and {100 * each.accuracy_b:.1f} % of "
        f"{each.num_questions:,}, "
        f"b - a {each.difference * 100:+.1f} points (95 % interval {each.low * 100:+.1f} to {each.high * 100:+.1f}); "
        f"{each.num_gained} became right, {each.num_lost} became wrong"
    )
    for way, title in (("lost", "right in a, wrong in b"), ("gained", "wrong in a, right in b")):
        flips = [flip for flip in each.flips if flip.way == way]
        if flips:
            yield f"  {title}:"
        yield from _table([_flip(flip) for flip in flips[:_MOST_FLIPS]])
        if len(flips) > _MOST_FLIPS:
            yield f"    and {len(flips) - _MOST_FLIPS} more with `--json`"


def _flip(flip: Flip) -> tuple[str, ...]:
    truth = f"truth {_short(flip.truth)}" if flip.truth else ""
    return (
        f"    {one_line(flip.sample_id)}",
        _short(flip.question),
        truth,
        f"a: {_short(flip.before.text)}",
        f"b: {_short(flip.after.text)}",
    )


def _speed(found: Difference) -> Iterator[str]:
    if not found.speed:
        return
    yield "seconds of a step"
    rows = [("  phase", "a", "b", "b / a")]
    for each in found.speed:
        ratio = f"{each.b_s / each.a_s:.2f}" if each.a_s > 0 else ""
        if max(each.a_s, each.b_s) >= found.speed[0].a_s / 1000:
            rows.append(("  " + each.phase, f"{each.a_s:.3g}", f"{each.b_s:.3g}", ratio))
    yield from _table(rows, right=True)


def _made_with(found: Difference) -> Iterator[str]:
    """Versions and hardware that differ, where both say something."""
    rows = [
        (f"  {name}", one_line(a.get(name, "absent")), one_line(b.get(name, "absent")))
        for a, b in ((found.a.versions, found.b.versions), (found.a.hardware, found.b.hardware))
        for name in (dict.fromkeys([*a, *b]) if a and b else ())
        if a.get(name) != b.get(name)
    ]
    if rows:
        yield "made with"
    yield from _table(rows)


def _table(rows: Sequence[tuple[str, ...]], *, right: bool = False) -> list[str]:
    """Columns below one another, but for empty ones; with `right`, the first row is a header, and numbers follow."""
    if not rows:
        return []
    filled = [at for at in range(len(rows[0])) if any(row[at] for row in rows[right:])]
    rows = [tuple(row[at] for at in filled) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(filled))]
    return [
        "  ".join(
            cell.rjust(width) if right and at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _names(names: Sequence[str]) -> str:
    return one_line(", ".join(names)) or "absent"


def _digits(digest: str | None) -> str:
    return (digest or "absent")[:_DIGITS]


def _value(value: JsonValue) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MOST_CHARS else f"{line[: _MOST_CHARS - 1]}…"


def _times(num: int, one: str, several: str) -> str:
    return f"{num} {one if num == 1 else several}"
