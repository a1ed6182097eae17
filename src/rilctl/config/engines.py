"""The engine tables: what generates, what trains. A table without `type` means the embedded default."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rilctl.config.fields import EXECUTION, NonNegativeInt, PositiveInt, default_type
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


class _TrainingEngine(StrictModel):
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


class TorchEngineConfig(_TrainingEngine):
    """Torch training in one process."""

    type: Annotated[Literal["torch"], EXECUTION] = "torch"


class DeepspeedEngineConfig(_TrainingEngine):
    """DeepSpeed training, in one process or in several that share the weights' state (ZeRO)."""

    type: Annotated[Literal["deepspeed"], EXECUTION] = "deepspeed"
    zero_stage: Annotated[Literal[0, 1, 2, 3], EXECUTION] = 2
    """What is divided over the processes: 0 nothing, 1 optimizer state, 2 also gradients, 3 also weights. An adapter is
    on every process whole; under 3 the frozen weights below it are divided."""
    offload: Annotated[Literal["none", "optimizer", "all"], EXECUTION] = "none"
    """What waits in host memory: optimizer state (stages 1 to 3), or weights as well (stage 3)."""

    @model_validator(mode="after")
    def _stage_can_offload(self) -> "DeepspeedEngineConfig":
        if self.offload == "optimizer" and self.zero_stage == 0:
            raise ValueError("offload = `optimizer` needs zero_stage 1, 2 or 3")
        if self.offload == "all" and self.zero_stage != 3:
            raise ValueError("offload = `all` needs zero_stage = 3")
        return self


GenerationEngineConfig = HfEngineConfig
"""What generates."""
TrainingEngineConfig = Annotated[
    Annotated[TorchEngineConfig | DeepspeedEngineConfig, Field(discriminator="type")], default_type("torch")
]
"""What trains; a table without `type` means torch."""
