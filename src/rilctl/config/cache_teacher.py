"""The `[cache-teacher]` table."""

from typing import Annotated

from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import EXECUTION, NonNegativeInt, PositiveInt, SamplingConfig, Share
from rilctl.schemas.base import StrictModel


class CacheTeacherConfig(StrictModel):
    """Ask every teacher every question."""

    teachers: tuple[str, ...] = ()
    """Names of `[teachers.NAME]` tables, built-in names, directories or hub ids; empty: all `[teachers]` tables."""
    num_responses: PositiveInt = 16
    """Responses per question and teacher."""
    imports: tuple[str, ...] = ()
    """JSON Lines files with answers that exist already: `sample_id`, `teacher`, `text`; they count toward N."""
    sampling: SamplingConfig = SamplingConfig()
    """How they are sampled."""
    seed: NonNegativeInt = 0
    """Seed of the sampling."""
    max_rejected_share: Annotated[Share, EXECUTION] = 0.05
    """A larger share of questions with a rejected row, and the next verb refuses the artifact."""
    engine: GenerationEngineConfig = HfEngineConfig()
    """What generates."""
