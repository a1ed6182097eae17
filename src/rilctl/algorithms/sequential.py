"""Is an error rate too high? Wald's sequential probability ratio test (1945), in plain floats.

Cases come one by one or some at a time, until what was seen is clear. Its likelihood under the rate that is to be
caught, divided by that under the rate that is tolerated, is a nonnegative martingale of mean 1 or less wherever the
true rate is no higher than tolerated; so (Ville's inequality) it ever reaches 1 / alpha with a probability of alpha at
most, however often and whenever one looks. The same holds of its inverse for rates no lower than what is to be caught.
"""

import math
from dataclasses import dataclass

_LEAST_CAUGHT = 0.02
"""A lower rate takes hundreds of cases to tell from none."""


@dataclass(frozen=True)
class SequentialTest:
    """One test.

    Args:
        tolerated: a rate no higher is called too high with a probability of `alpha` at most; in [0, caught).
        caught: a rate no lower is called low with a probability of `beta` at most; in (0, 1).
        alpha: in (0, 1).
        beta: in (0, 1).
    """

    tolerated: float
    caught: float
    alpha: float
    beta: float

    def evidence(self, num_errors: int, num: int) -> float:
        """The logarithm of the likelihood ratio, in nats; high where the rate seems to be.

        Args:
            num_errors: of the cases.
            num: all cases.
        """
        if num_errors and not self.tolerated:
            return math.inf
        of_errors = num_errors * math.log(self.caught / self.tolerated) if num_errors else 0.0
        return of_errors - (num - num_errors) * self._per_case

    def is_too_high(self, num_errors: int, num: int) -> bool | None:
        """What the cases say of the rate; None: more are needed."""
        evidence = self.evidence(num_errors, num)
        if evidence >= -math.log(self.alpha):
            return True
        return False if evidence <= math.log(self.beta) else None

    def num_more(self, num_errors: int, num: int) -> int:
        """How many cases without an error settle it; 0: it is settled."""
        if self.is_too_high(num_errors, num) is not None:
            return 0
        return math.ceil((self.evidence(num_errors, num) - math.log(self.beta)) / self._per_case)

    @property
    def _per_case(self) -> float:
        """What a case without an error says against a high rate, in nats."""
        return math.log1p(-self.tolerated) - math.log1p(-self.caught)


def rate_test(limit: float, alpha: float, beta: float) -> SequentialTest | None:
    """A test that tolerates half of a limit and catches twice of it; None: a limit of 1, which nothing exceeds.

    What lies in between is called one or the other. Twice a limit of more than 1/3 would be all of it or next to: there
    the rate in the middle between the limit and 1 is caught, and with it all that are higher.

    Args:
        limit: in [0, 1].
        alpha: see `SequentialTest`.
        beta: see `SequentialTest`.
    """
    if limit >= 1:
        return None
    return SequentialTest(limit / 2, max(_LEAST_CAUGHT, min(2 * limit, (1 + limit) / 2)), alpha, beta)
