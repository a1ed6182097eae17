"""What the student said of a question when it was asked before, so that the discriminator doesn't forget it."""

from collections.abc import Iterable, Sequence

from rilctl.engines.training.ranks import Ranks
from rilctl.schemas.records import RolloutRecord


class Replay:
    """The newest rollouts of each question. Rank 0 alone remembers them.

    Args:
        num_rows: so many of a question are shown again, at most; 0: none.
        ranks: this process among the others.
    """

    def __init__(self, num_rows: int, ranks: Ranks) -> None:
        self._num_rows, self._ranks = num_rows, ranks
        self._said: dict[str, tuple[int, list[str]]] = {}

    def remember(self, records: Iterable[RolloutRecord]) -> None:
        """Rows of steps that were taken, in order; of rank 0."""
        if not self._num_rows:
            return
        for row in records:
            if row.side == "student":
                step, said = self._said.get(row.sample_id, (0, []))
                self._said[row.sample_id] = (row.step, [*(said if step == row.step else []), row.text])

    def earlier(self, sample_ids: Sequence[str]) -> dict[str, list[str]]:
        """What was said of some questions, the same on all ranks. Collective."""
        if not self._num_rows:
            return {}
        known = {at: self._said[at][1][: self._num_rows] for at in sample_ids if at in self._said}
        return self._ranks.gather(known)[0]
