"""The engine tables: what generates, what trains. A table without `type` means the embedded default."""

from typing import Annotated, Literal

from rilctl.config.fields import EXECUTION, NonNegativeInt, PositiveInt
from rilctl.schemas.base import StrictModel


class HfEngineConfig(StrictModel):
    """Hugging Face generation in this process."""

    type: Literal["hf"] = "hf"
    rows_per_batch: Annotated[PositiveInt, EXECUTION] = 32
    """Responses decoded at once; whole questions are kept together."""
    device: Annotated[Literal["auto", "cpu", "cuda"], EXECUTION] = "auto"
    """`auto` takes a GPU where there is one."""
    num_workers: Annotated[NonNegativeInt | None, EXECUTION] = None
    """Processes that decode and process pictures ahead of the step; 0: none, this process does it when it must.
    Absent: 4 where a GPU generates, none on a CPU, which the model needs itself. In `train` it is the engine's."""


class TorchEngineConfig(StrictModel):
    """Torch training in one process."""

    type: Literal["torch"] = "torch"
    tokens_per_micro_batch: Annotated[PositiveInt, EXECUTION] = 4096
    """Tokens of one forward and backward, padding included; gradients accumulate to the whole batch, exactly."""
    gradient_checkpointing: Annotated[bool, EXECUTION] = False
    """Compute activations again in backward: less memory, more time."""
    device: Annotated[Literal["auto", "cpu", "cuda"], EXECUTION] = "auto"
    """`auto` takes a GPU where there is one."""
    num_threads: Annotated[PositiveInt | None, EXECUTION] = None
    """Torch's CPU threads; absent: torch decides."""
    num_workers: Annotated[NonNegativeInt | None, EXECUTION] = None
    """Processes that decode and process pictures ahead of the step; 0: none, this process does it when it must.
    Absent: 4 where a GPU trains, none on a CPU, which the model needs itself."""


GenerationEngineConfig = HfEngineConfig
"""What generates."""
TrainingEngineConfig = TorchEngineConfig
"""What trains."""
