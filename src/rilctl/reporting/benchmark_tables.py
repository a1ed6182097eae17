"""Scores on the benchmarks of a suite as tables: for the terminal, beside a reference, and as a paper's row."""

from collections.abc import Sequence
from dataclasses import replace

from rilctl import markdown
from rilctl.reporting.benchmarks import BenchmarkScore, Difference, ReferenceScores, SuiteScores

_PICTURES = {"swapped": "another question's", "none": "none"}

_JUDGE = {"judge: false +": "false_positive_rate", "judge: false -": "false_negative_rate"}
"""Columns, and what they show of the canaries."""


def table(scores: SuiteScores, reference: ReferenceScores | None, confidence: float) -> str:
    """One line for each benchmark, each of its kinds and each other picture, and the mean.

    Where a judge was asked, its rates on canaries stand beside the score: wrong ones called right, right ones wrong.
    A reference's mean stands only beside a whole one. Differences are paired where both sides' questions are known, and
    then have an interval and the number of questions that both answered.
    """
    is_paired = reference is not None and bool(reference.differences)
    is_judged = any(each.canaries for each in scores.scores)
    header = ["benchmark", "score", f"{confidence:.0%} interval", "questions", "rejected", "guessed"]
    header += list(_JUDGE) if is_judged else []
    if reference is not None:
        header += [reference.name, "difference", *([f"{confidence:.0%} interval", "in both"] if is_paired else [])]
    num_columns = len(header)
    if any(each.pictures for each in scores.scores):
        header += ["gap", f"{confidence:.0%} interval", "in both"]
    lines = [header]
    for each in scores.scores:
        beside = _beside(each, reference.scores.get(each.name), reference, is_paired) if reference is not None else []
        lines.append(_cells(each) + (_rates(each) if is_judged else []) + beside)
        lines += [_cells(replace(part, name=f"  {part.name}")) for part in each.parts]
        for picture in each.pictures:
            cells = _cells(replace(picture, name=f"  picture {picture.name}"))
            lines.append([*cells, *[""] * (num_columns - len(cells)), *_gap(picture.gap)])
    total = _cells(BenchmarkScore(scores.mean_name, scores.mean))[:2] + [""] * (4 + (len(_JUDGE) if is_judged else 0))
    if reference is not None:
        of_reference = reference.mean if scores.is_whole else None
        total += [_shown(of_reference), _signed(scores.mean, of_reference)]
    lines.append(total)
    return _aligned([line + [""] * (len(header) - len(line)) for line in lines])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(each: BenchmarkScore) -> list[str]:
    return [
        each.name,
        _shown(each.score),
        _interval(each.low, each.high),
        f"{each.num_questions:,}",
        f"{each.num_rejected:,}" if each.num_rejected else "-",
        f"{each.guessed_share:.1%}" if each.guessed_share else "-",
    ]


def _rates(each: BenchmarkScore) -> list[str]:
    return [f"{each.canaries[name]:.1%}" if name in each.canaries else "-" for name in _JUDGE.values()]


def _beside(each: BenchmarkScore, other: float | None, reference: ReferenceScores, is_paired: bool) -> list[str]:
    paired = reference.differences.get(each.name)
    if paired is None:
        return [_shown(other), _signed(each.score, other), *(["-", "-"] if is_paired else [])]
    low_high = _interval(paired.low, paired.high, sign="+")
    return [_shown(other), f"{paired.estimate:+.1f}", low_high, f"{paired.num_questions:,}"]


def _gap(gap: Difference | None) -> list[str]:
    if gap is None:
        return ["-", "-", "-"]
    return [f"{gap.estimate:+.1f}", _interval(gap.low, gap.high, sign="+"), f"{gap.num_questions:,}"]


def _signed(score: float | None, other: float | None) -> str:
    return f"{score - other:+.1f}" if score is not None and other is not None else "-"


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "-" if low is None or high is None else f"{low:{sign}.1f} to {high:{sign}.1f}"


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f}"


def markdown_row(name: str, scores: SuiteScores, settings: Sequence[str]) -> str:
    """The benchmarks as columns, as papers print them, with what changes the scores under it."""
    mean = BenchmarkScore(scores.mean_name, scores.mean)
    columns = [*scores.scores, mean]
    lines = [
        [name, *(_shown(each.score) for each in columns)],
        [
            "interval",
            *(f"{e.low:.1f} to {e.high:.1f}" if e.low is not None and e.high is not None else "" for e in columns),
        ],
    ]
    if any(each.canaries for each in scores.scores):
        rates = zip(_JUDGE, zip(*(_rates(each) for each in columns), strict=True), strict=True)
        lines += [[name, *cells] for name, cells in rates]
    header = ["student", *(each.name for each in columns)]
    parts = [_part_table(each) for each in scores.scores if each.parts]
    parts += [_picture_table(each) for each in scores.scores if each.pictures]
    settings_list = "".join(f"- {line}\n" for line in settings)
    return "\n".join([markdown.table(header, lines, numbers_from=1), *parts, settings_list])


def _part_table(each: BenchmarkScore) -> str:
    """A benchmark's kinds of question as a table of their own."""
    header = [each.name, "score", "interval", "questions"]
    lines = [[p.name, _shown(p.score), _interval(p.low, p.high), str(p.num_questions)] for p in each.parts]
    return markdown.table(header, lines, numbers_from=1)


def _picture_table(each: BenchmarkScore) -> str:
    """A benchmark beside other pictures as a table of its own."""
    header = [f"{each.name}, shown", "score", "interval", "questions", "gap", "interval", "in both"]
    lines = [
        [name, _shown(one.score), _interval(one.low, one.high), str(one.num_questions), *gap]
        for name, one, gap in [
            ("its own picture", each, [""] * 3),
            *((_PICTURES[one.name], one, _gap(one.gap)) for one in each.pictures),
        ]
    ]
    return markdown.table(header, lines, numbers_from=1)
