"""The `[plan]` table: what `--dry-run` can't know by itself."""

from typing import Annotated

from rilctl.config.fields import EXECUTION, PositiveFloat, PositiveInt
from rilctl.schemas.base import StrictModel


class PlanConfig(StrictModel):
    """Figures for the estimates of `--dry-run`; nothing else reads them. What is absent isn't guessed."""

    num_gpus: Annotated[PositiveInt, EXECUTION] = 1
    """GPUs that share the training under DeepSpeed, over all hosts."""
    device_memory_gb: Annotated[PositiveFloat | None, EXECUTION] = None
    """Memory of one GPU in GB (1e9 bytes), to say whether a run fits; absent: that of the GPU that is here."""
    host_memory_gb: Annotated[PositiveFloat | None, EXECUTION] = None
    """Memory of all hosts that train, together, in GB (1e9 bytes), to say whether what waits there fits; absent: this
    host's where the GPUs are here."""
    generated_tokens_per_s: Annotated[PositiveFloat | None, EXECUTION] = None
    """Tokens that are sampled in a second, over all devices that generate."""
    trained_tokens_per_s: Annotated[PositiveFloat | None, EXECUTION] = None
    """Tokens that go through an update in a second, prompts included, over all devices that train."""
    timings: Annotated[str | None, EXECUTION] = None
    """Directory of an earlier run of the same verb, whose seconds per step are taken; absent: the output's own."""
