"""AdamW, its groups and its schedule: the same whatever engine steps."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import StepReport
from rilctl.engines.training.state import COUNTS
from rilctl.private.deepspeed import whole_shape


def make_adamw(parameters: Mapping[str, nn.Parameter], optim: OptimConfig) -> torch.optim.AdamW:
    """AdamW, each weight in one pass without copies; norms, biases and embeddings don't decay."""
    decays = {name: len(whole_shape(p)) >= 2 and "embed" not in name for name, p in parameters.items()}
    decayed, exempt = ([p for name, p in parameters.items() if decays[name] == side] for side in (True, False))
    groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": exempt, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=optim.lr, betas=optim.betas, fused=True)


class Schedule:
    """Gives the optimizer its learning rate, step after step, and counts the bad ones.

    Args:
        optimizer: whose groups get it.
        optim: peak, end and warm-up.
        num_steps: optimizer steps of the whole run.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, optim: OptimConfig, num_steps: int) -> None:
        self._optimizer = optimizer
        self._optim = optim
        self._num_steps = num_steps
        self._num_bad: int | None = None
        self.steps_done = 0
        self.num_bad_in_a_row = 0

    def prepare(self) -> float:
        """Set and return the learning rate of the step that comes."""
        if self._num_bad is None:  # a checkpoint may have been read: AdamW doesn't count the steps that weren't taken
            moments = next(filter(None, self._optimizer.state.values()), {"step": 0})
            self._num_bad = self.steps_done - int(moments["step"])
        lr = learning_rate(self._optim, self.steps_done, self._num_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        return lr

    def report(self, grad_norm: float, lr: float) -> StepReport:
        """What was done; a norm that isn't finite says that nothing was."""
        self.steps_done += 1
        is_bad = not math.isfinite(grad_norm)
        self._num_bad = (self._num_bad or 0) + is_bad
        self.num_bad_in_a_row = self.num_bad_in_a_row + 1 if is_bad else 0
        return StepReport(None if is_bad else grad_norm, lr, self.steps_done, self._num_bad, self.num_bad_in_a_row)

    @property
    def counts(self) -> dict[str, int]:
        """What a checkpoint remembers, by the names of `COUNTS`."""
        return {name: getattr(self, name) for name in COUNTS}

    def go_on(self, counts: Mapping[str, int]) -> None:
        """From a checkpoint's `counts`."""
        self.steps_done, self.num_bad_in_a_row = (counts[name] for name in COUNTS)


def told(loss: Tensor) -> Tensor:
    """The same loss; where it isn't finite, its gradient is NaN also where a mask would hide that.

    So every rank's loss is in the norm that all ranks know, and nobody has to ask.
    """
    factor: Tensor = 1 + (loss.detach() - loss.detach())  # exactly 1, or NaN
    return loss * factor


def learning_rate(optim: OptimConfig, steps_done: int, num_steps: int) -> float:
    """Linear from 0 over `warmup_steps`; then as the schedule says, which is at its end in the last step.

    Warmup-stable-decay (`wsd`): Hu et al. 2024, arXiv:2404.06395.
    """
    if steps_done < optim.warmup_steps:
        return optim.lr * (steps_done + 1) / optim.warmup_steps
    if optim.shape == "constant":
        return optim.lr
    last, first = num_steps - 1, optim.warmup_steps
    if optim.shape == "wsd":
        first = max(first, num_steps - 1 - round(optim.decay_share * num_steps))
    gone = min(1.0, max(0.0, (steps_done - first) / max(1, last - first)))
    if optim.shape == "cosine":
        gone = (1 - math.cos(math.pi * gone)) / 2
    return optim.lr + ((optim.lr_end or 0.0) - optim.lr) * gone
