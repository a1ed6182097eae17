"""Optimizer steps that aren't taken, because a loss or a gradient isn't finite: what is logged, and when a run ends."""

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import StepReport
from rilctl.errors import RilctlError


def step_metrics(who: str, loss: float, report: StepReport, optim: OptimConfig) -> dict[str, float]:
    """What is logged of an optimizer step.

    Args:
        who: learns, for a person.
        loss: of the whole batch, of all ranks.
        report: of the step, the same on all ranks.
        optim: how many bad steps in a row there may be.

    Returns:
        `lr` and `num_bad_steps`, of the run so far; of a step that was taken, `loss` and `grad_norm`.

    Raises:
        RilctlError: as many bad steps in a row as may be.
    """
    if report.num_bad_in_a_row >= optim.max_bad_steps:
        norm = "is not finite" if report.grad_norm is None else f"is {report.grad_norm:g}"
        raise RilctlError(
            f"{who}, optimizer step {report.number}: the loss is {loss:g}, the norm of its gradient {norm}; "
            f"`optim.max_bad_steps` = {optim.max_bad_steps} in a row were so, and weren't taken",
            hint="the last checkpoint is intact; look at the data of these steps, or lower `optim.lr` or take dtype = "
            "`float32` in a new directory",
        )
    metrics = {"loss": loss, "grad_norm": report.grad_norm} if report.grad_norm is not None else {}
    return metrics | {"lr": report.lr, "num_bad_steps": float(report.num_bad)}
