"""`judge --compare A B`: where two judges agree, and what they disagree about."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rilctl.algorithms.agreement import Agreement
from rilctl.artifacts.read import read_manifest, read_rows, resolve
from rilctl.errors import ArtifactError
from rilctl.schemas.records import VerdictRecord, response_digest
from rilctl.stages.judge.inputs import JudgeRow, read_source, row_kind


@dataclass(frozen=True)
class Disagreement:
    """A response that one judge calls right and the other wrong; its texts where what was judged is still there."""

    a: VerdictRecord
    b: VerdictRecord
    row: JudgeRow | None


@dataclass(frozen=True)
class Comparison:
    """Two `verdicts` artifacts, joined by response; equal responses count once.

    Args:
        counts: over the responses on which both have a verdict.
        num_no_verdict_a: responses in both on which a has none.
        num_no_verdict_b: the same of b.
        num_not_in_both: responses that one of them didn't judge.
        disagreements: in a's order.
    """

    counts: Agreement
    num_no_verdict_a: int
    num_no_verdict_b: int
    num_not_in_both: int
    disagreements: tuple[Disagreement, ...]


def compare(path_a: Path, path_b: Path) -> Comparison:
    """Join two `verdicts` artifacts.

    Raises:
        ArtifactError: one is missing, of another kind or damaged, or they share no response with two verdicts.
    """
    path_a, path_b = resolve(path_a, "verdicts"), resolve(path_b, "verdicts")
    rows_a, rows_b = _by_response(path_a), _by_response(path_b)
    shared = [digest for digest in rows_a if digest in rows_b]
    pairs = [(rows_a[digest], rows_b[digest]) for digest in shared]
    judged = [(a, b) for a, b in pairs if a.correct is not None and b.correct is not None]
    if not judged:
        raise ArtifactError(
            f"`{path_a}` and `{path_b}` have no response with a verdict of both",
            hint="judge the same responses twice, with `--out` of their own",
        )
    table = Counter((a.correct, b.correct) for a, b in judged)
    texts = _texts(path_a)
    return Comparison(
        counts=Agreement(table[True, True], table[True, False], table[False, True], table[False, False]),
        num_no_verdict_a=sum(a.correct is None for a, _ in pairs),
        num_no_verdict_b=sum(b.correct is None for _, b in pairs),
        num_not_in_both=len(rows_a.keys() ^ rows_b.keys()),
        disagreements=tuple(
            Disagreement(a, b, texts.get(a.response_digest)) for a, b in judged if a.correct != b.correct
        ),
    )


def _by_response(path: Path) -> dict[str, VerdictRecord]:
    return {row.response_digest: row for row in read_rows(path, VerdictRecord)}


def _texts(path: Path) -> dict[str, JudgeRow]:
    """What an artifact's verdicts are about, by response; nothing where that came from stdin, moved or changed."""
    found: dict[str, JudgeRow] = {}
    for entry in read_manifest(path).inputs:
        source, kind = Path(entry.name), row_kind(entry.role)
        if entry.kind != "artifact" or kind is None or not source.is_dir():
            continue
        if read_manifest(source).content_digest != entry.digest:
            continue
        for row in read_source(source, kind).rows:
            if isinstance(row, JudgeRow):
                found[response_digest(row.question, row.answer, row.text, row.context)] = row
    return found
