"""The `[teachers.NAME]` and `[cache-teacher]` tables."""

from typing import Annotated

from pydantic import model_validator

from rilctl.config.asked import AskedModelMixin
from rilctl.config.data import OWN_DATA, DataConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    NonNegativeInt,
    PositiveInt,
    SamplingConfig,
    Share,
    Words,
)
from rilctl.schemas.base import StrictModel


class TeacherConfig(AskedModelMixin):
    """One `[teachers.NAME]` table: a model that is loaded here, or one that answers at an endpoint."""

    system: Annotated[Words | None, IF_SET] = None
    """System turn of what it is asked, where a row has none of its own. Absent: what its chat template does."""
    sampling: SamplingConfig | None = None
    """Overrides `[cache-teacher.sampling]` for this teacher."""


class CacheTeacherConfig(StrictModel):
    """Ask every teacher every question."""

    data: Annotated[DataConfig | None, OWN_DATA] = None
    """Rows of its own, for this verb: without a `type`, the keys in which they differ from `[data]`; with one, a table
    that stands alone. Absent: those of `[data]`."""
    teachers: tuple[str, ...] = ()
    """Names of `[teachers.NAME]` tables, built-in names, directories or hub ids; empty: all `[teachers]` tables."""
    num_responses: PositiveInt = 16
    """Responses per question and teacher."""
    imports: tuple[str, ...] = ()
    """JSON Lines files with answers that exist already: `sample_id`, `teacher`, `text`; they count toward N."""
    write_batch: Annotated[str | None, EXECUTION] = None
    """Directory for batch files of what teachers at endpoints have not answered yet; nothing is asked."""
    read_batches: Annotated[tuple[str, ...], EXECUTION] = ()
    """Result files of such batches: with them and the call cache, no endpoint is asked."""
    check_sight: Annotated[bool, EXECUTION] = True
    """Ask each teacher first about a few pictures that differ; one whose answers don't ends the run, before more is
    paid for. False: it isn't asked that."""
    sampling: SamplingConfig = SamplingConfig()
    """How they are sampled."""
    seed: NonNegativeInt = 0
    """Seed of the sampling."""
    max_rejected_share: Annotated[Share, EXECUTION] = 0.05
    """A larger share of questions with a rejected row, and the next verb refuses the artifact."""
    engine: GenerationEngineConfig = HfEngineConfig()
    """What generates."""

    @model_validator(mode="after")
    def _one_way(self) -> "CacheTeacherConfig":
        if self.write_batch is not None and self.read_batches:
            raise ValueError("set write_batch or read_batches, not both")
        return self
