"""What judges said before: by response, in few bytes each, and by question."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from rilctl.artifacts.read import open_rows, read_manifest
from rilctl.artifacts.row_files import RowFiles
from rilctl.config.judge import RuleJudgeConfig
from rilctl.schemas.records import NO_TRUTH, VerdictRecord
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.shares import refuse_share

_DIGEST_BYTES = 64
"""Of a sha256, in letters."""


class KnownVerdicts(Mapping[str, bool]):
    """Verdicts by response digest; of several on one response the last counts.

    Args:
        digest_N: of the responses, in letters.
        correct_N: what was said of them.
    """

    def __init__(self, digest_N: NDArray[np.bytes_], correct_N: NDArray[np.bool_]) -> None:
        order = np.argsort(digest_N, kind="stable")
        self._digest_N, self._correct_N = digest_N[order], correct_N[order]
        self._num = len(np.unique(digest_N))

    def __getitem__(self, digest: str) -> bool:
        wanted = np.bytes_(digest.encode())
        place = int(np.searchsorted(self._digest_N, wanted, side="right")) - 1
        if place < 0 or self._digest_N[place] != wanted:
            raise KeyError(digest)
        return bool(self._correct_N[place])

    def __iter__(self) -> Iterator[str]:
        return (digest.decode() for digest in np.unique(self._digest_N).tolist())

    def __len__(self) -> int:
        return self._num


def known_verdicts(context: StageContext, path: Path) -> KnownVerdicts:
    """What a `verdicts` artifact says; absent where it says nothing. Raises `ArtifactError` as `open_verdicts` does."""
    digests, correct = [np.zeros(0, f"S{_DIGEST_BYTES}")], [np.zeros(0, np.bool_)]
    for table in open_verdicts(context, path).scan(("response_digest", "correct")):
        said = table.filter(pc.is_valid(table.column("correct")))
        digests.append(
            np.array([digest.encode() for digest in said.column("response_digest").to_pylist()], f"S{_DIGEST_BYTES}")
        )
        correct.append(np.array(said.column("correct").to_pylist(), np.bool_))
    return KnownVerdicts(np.concatenate(digests), np.concatenate(correct))


def pass_rates(context: StageContext, path: Path) -> dict[str, float]:
    """Share of right responses for each question; those without a verdict don't count. Raises as `open_verdicts`."""
    num_said, num_right = Counter[str](), Counter[str]()
    for table in open_verdicts(context, path).scan(("sample_id", "correct")):
        said = table.filter(pc.is_valid(table.column("correct")))
        num_said.update(said.column("sample_id").to_pylist())
        num_right.update(said.filter(said.column("correct")).column("sample_id").to_pylist())
    return {name: num_right[name] / num for name, num in num_said.items()}


def open_verdicts(context: StageContext, path: Path) -> RowFiles:
    """The rows of a `verdicts` artifact.

    Raises:
        ArtifactError: it is damaged, or more of its rows have no verdict than `judge.max_rejected_share` allows; those
            without a ground truth don't count.
    """
    rows = open_rows(path, VerdictRecord)
    num_rejected = num_missing = read_manifest(path).num_rejected
    for table in rows.scan(("correct", "reason")):
        is_missing = pc.and_(pc.is_null(table.column("correct")), pc.not_equal(table.column("reason"), NO_TRUTH))
        num_missing += pc.sum(is_missing).as_py() or 0
    limit = (context.recipe.judge or RuleJudgeConfig()).max_rejected_share
    refuse_share(path, "responses have no verdict", num_missing, num_rejected + rows.num_rows, limit, "judge")
    return rows
