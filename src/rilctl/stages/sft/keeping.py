"""Which of the teachers' responses are learned, by what the judge said of them, and why the others are left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rilctl.config.sft import Keep
from rilctl.data.seeds import row_seed
from rilctl.stages.sft.rows import SftRow


@dataclass(frozen=True)
class Kept:
    """What is learned.

    Args:
        rows: in the order in which they came.
        left_out: how many others there were, by reason.
    """

    rows: list[SftRow]
    left_out: Mapping[str, int]

    @property
    def line(self) -> str:
        """For a person."""
        others = ", ".join(f"{num:,} {reason}" for reason, num in self.left_out.items())
        total = len(self.rows) + sum(self.left_out.values())
        return f"{len(self.rows):,} of {total:,} kept" + (f" (left out: {others})" if others else "")


def keep_rows(rows: Sequence[SftRow], *, keep: Keep, difficulty: tuple[float, float] | None, seed: int) -> Kept:
    """The rows that are learned; empty responses teach nothing.

    A question whose share of right responses, among those with a verdict, is outside `difficulty` is left out whole, as
    is then one without a verdict. Of a reward that is 0 or 1 the right responses are the best ones: `best` draws one of
    them.

    Args:
        rows: the teachers' responses, those to one question next to each other.
        keep: which of a question's.
        difficulty: lowest and highest share of right ones; None: any.
        seed: of the draw, which depends on the question's id besides.
    """
    kept, left_out = list[SftRow](), Counter[str]()
    for sample_id, group in groupby(rows, key=lambda row: row.sample_id):
        of_question = list(group)
        outside = None if difficulty is None else _outside(of_question, difficulty)
        reasons = [outside or _reason(row, keep) for row in of_question]
        good = [place for place, reason in enumerate(reasons) if reason is None]
        if keep == "best" and good:
            best = good[row_seed("best", seed, sample_id) % len(good)]
            reasons = [
                "not-best" if place in good and place != best else reasons[place] for place in range(len(reasons))
            ]
        kept += [row for row, reason in zip(of_question, reasons, strict=True) if reason is None]
        left_out.update(reason for reason in reasons if reason is not None)
    return Kept(kept, dict(sorted(left_out.items())))


def _outside(rows: Sequence[SftRow], difficulty: tuple[float, float]) -> str | None:
    """Why a question isn't learned; None: it is."""
    judged = [row.correct for row in rows if row.correct is not None]
    if not judged:
        return "no-verdict"
    low, high = difficulty
    share = sum(judged) / len(judged)
    return "too-hard" if share < low else "too-easy" if share > high else None


def _reason(row: SftRow, keep: Keep) -> str | None:
    """Why a response isn't learned, whatever the others are; None: it may be."""
    if not row.said:
        return "empty"
    if keep == "all" or row.correct:
        return None
    return "no-verdict" if row.correct is None else "wrong"
