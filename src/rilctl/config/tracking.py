"""The `[tracking]` table."""

from typing import Annotated

from rilctl.config.fields import EXECUTION
from rilctl.schemas.base import StrictModel
from rilctl.trackers.table import TrackerName


class TrackingConfig(StrictModel):
    """Where the metrics of `sft`, `pretrain-disc` and `train` go besides `metrics.jsonl`."""

    to: Annotated[tuple[TrackerName, ...], EXECUTION] = ()
    """Trackers that mirror a run; one that fails is said once, ends no run, and is caught up by `tracking sync`."""
