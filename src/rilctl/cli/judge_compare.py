"""Shows what `judge --compare` found."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rilctl.cli import output

if TYPE_CHECKING:
    from rilctl.schemas.records import VerdictRecord
    from rilctl.stages.judge.compare import Comparison, Disagreement

_NUM_SHOWN = 20
_MAX_CHARS = 300


def show_comparison(path_a: Path, path_b: Path, *, as_json: bool) -> None:
    """Write two judges' agreement, and the responses that they disagree about, to stdout."""
    from rilctl.stages.judge.compare import compare

    found = compare(path_a, path_b)
    if as_json:
        output.result_json(_object(found))
        return
    counts, share = found.counts, found.counts.agreement
    kappa = "-" if counts.kappa is None else f"{counts.kappa:.3f}"
    lines = [
        f"responses      {counts.num:,}",
        f"agreement      {share.estimate:.1%} (95 % interval {share.low:.1%} to {share.high:.1%})",
        f"Cohen's kappa  {kappa}",
        f"both right     {counts.num_both_right:,}",
        f"only A right   {counts.num_only_a:,}",
        f"only B right   {counts.num_only_b:,}",
        f"both wrong     {counts.num_both_wrong:,}",
        f"no verdict     {found.num_no_verdict_a:,} of A, {found.num_no_verdict_b:,} of B",
        f"not in both    {found.num_not_in_both:,}",
    ]
    for disagreement in found.disagreements[:_NUM_SHOWN]:
        lines += ["", *_lines(disagreement)]
    if (num_more := len(found.disagreements) - _NUM_SHOWN) > 0:
        lines += ["", f"and {num_more:,} more; `--json` has all"]
    output.result(*lines)


def _lines(disagreement: "Disagreement") -> list[str]:
    a, b, row = disagreement.a, disagreement.b, disagreement.row
    lines = [f"{a.sample_id}, {a.source}, response {a.response_index}"]
    if row is not None:
        texts = (("question", row.question), ("truth", row.answer), ("response", row.text))
        lines += [f"  {name:<9} {_short(text)}" for name, text in texts]
    return [*lines, *(f"  {name:<9} {_word(v)}: {_short(v.reason)}" for name, v in (("A", a), ("B", b)))]


def _word(verdict: "VerdictRecord") -> str:
    return "right" if verdict.correct else "wrong"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}…"


def _object(found: "Comparison") -> dict[str, Any]:
    counts, share = found.counts, found.counts.agreement
    return {
        **counts._asdict(),
        "agreement": share.estimate,
        "agreement_low": share.low,
        "agreement_high": share.high,
        "kappa": counts.kappa,
        "num_no_verdict_a": found.num_no_verdict_a,
        "num_no_verdict_b": found.num_no_verdict_b,
        "num_not_in_both": found.num_not_in_both,
        "disagreements": [
            {
                "sample_id": d.a.sample_id,
                "source": d.a.source,
                "response_index": d.a.response_index,
                "question": d.row.question if d.row else None,
                "answer": d.row.answer if d.row else None,
                "text": d.row.text if d.row else None,
                "a": {"correct": d.a.correct, "reason": d.a.reason},
                "b": {"correct": d.b.correct, "reason": d.b.reason},
            }
            for d in found.disagreements
        ],
    }
