"""How far two judges agree, beyond what chance would give."""

from typing import NamedTuple

from rilctl.algorithms.statistics import Interval, wilson_interval


class Agreement(NamedTuple):
    """Two judges on the same responses.

    Args:
        num_both_right: called right by both.
        num_only_a: called right by a alone.
        num_only_b: called right by b alone.
        num_both_wrong: called wrong by both.
    """

    num_both_right: int
    num_only_a: int
    num_only_b: int
    num_both_wrong: int

    @property
    def num(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def agreement(self) -> Interval:
        """Share with the same verdict, with Wilson's interval. Raises `ValueError` where there is no response."""
        return wilson_interval(self.num_both_right + self.num_both_wrong, self.num)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960): 1 full agreement, 0 what chance gives; None where chance alone agrees fully."""
        right_a = (self.num_both_right + self.num_only_a) / self.num
        right_b = (self.num_both_right + self.num_only_b) / self.num
        by_chance = right_a * right_b + (1 - right_a) * (1 - right_b)
        return None if by_chance == 1 else (self.agreement.estimate - by_chance) / (1 - by_chance)
