"""The `[tracking]` table."""

from typing import Annotated, Literal

from rilctl.config.fields import EXECUTION
from rilctl.schemas.base import StrictModel

TrackerName = Literal["tensorboard"]


class TrackingConfig(StrictModel):
    """Where the metrics of `sft`, `pretrain-disc` and `train` go besides `metrics.jsonl`."""

    to: Annotated[tuple[TrackerName, ...], EXECUTION] = ()
    """Trackers that mirror a run; one that fails is said once, and ends no run."""
