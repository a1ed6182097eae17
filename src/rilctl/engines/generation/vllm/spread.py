"""How far an engine that has the trainer's weights is from it by rounding alone, and what is farther.

Both sides round every logit to the model's precision, after hidden states that are rounded as often. So the error of a
log-probability grows with the logits and vanishes where a token is certain, and both change while a model learns.
Measured in units in the last place of the largest logit (`Compared.units_R`) it stays: see `benchmarks/proof.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rilctl.engines.generation.vllm.compared import Compared

STRICT_NATS = 1e-4
"""Always allowed, and all that is allowed in float32: a hundred times what two implementations differ by there."""
MIN_UNITS = 0.4
"""Allowed in half precision even where the two sides agreed bit for bit at first: twice what rounding gives."""
MAX_UNITS = 3.0
"""Never more, whatever the first proof finds: another model would pass. Healthy engines need up to 2.5."""
_GROWTH = 1.5
"""An adapter is rounded where it is merged, and is nothing yet when the engine is calibrated."""
_NUM_DEVIATIONS = 5.0


@dataclass(frozen=True)
class Bound:
    """Largest mean |difference| of the tokens of a look.

    Args:
        nats: allowed whatever the logits.
        units: allowed in units; see `Compared`.
    """

    nats: float = STRICT_NATS
    units: float = 0.0

    def of(self, answers: Sequence[Compared]) -> float:
        """What is allowed for these answers, in nats."""
        return max(self.nats, self.units * float(torch.cat([each.units_R for each in answers]).mean()))


def error_of(answers: Sequence[Compared]) -> float:
    """Mean |difference| of all tokens, in nats."""
    return float(torch.cat([each.differences_R for each in answers]).abs().mean())


def calibrated(answers: Sequence[Compared], num_at_once: int) -> Bound:
    """What may be expected of later looks: half as much again, and five standard deviations of a look.

    The deviation is that of a ratio of sums (Cochran, Sampling Techniques, 6.3), with answers as the unit.

    Args:
        answers: of an engine that has the trainer's weights.
        num_at_once: answers of a later look.
    """
    errors = torch.stack([each.differences_R.abs().sum() for each in answers]).double()
    units = torch.stack([each.units_R.sum() for each in answers]).double()
    if not units.sum() > 0:
        return Bound(units=MIN_UNITS)
    level = errors.sum() / units.sum()
    deviation = (errors - level * units).std() / units.mean() / num_at_once**0.5
    found = float(_GROWTH * level + _NUM_DEVIATIONS * deviation)
    return Bound(units=min(found, MAX_UNITS) if found > MIN_UNITS else MIN_UNITS)
