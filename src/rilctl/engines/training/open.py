"""From a recipe's engine table to the training engine that it describes."""

from collections.abc import Iterable

from torch import nn

from rilctl.config.engines import TrainingEngineConfig
from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.errors import UsageError


def open_training(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    optim: OptimConfig,
    engine: TrainingEngineConfig,
    *,
    num_steps: int,
) -> TrainingEngine:
    """What trains these parameters.

    Args:
        named_parameters: all parameters of the module; frozen ones are left alone.
        optim: optimizer and schedule.
        engine: which engine.
        num_steps: optimizer steps of the whole run, for the schedule.
    """
    if engine.type != "torch":
        raise UsageError(f"nothing trains with engine.type = `{engine.type}` yet", hint="set it to `torch`")
    return TorchTraining(named_parameters, optim, num_steps=num_steps)
