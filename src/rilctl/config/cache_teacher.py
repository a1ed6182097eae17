"""The `[teachers.NAME]` and `[cache-teacher]` tables."""

from typing import Annotated

from pydantic import model_validator

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    Dtype,
    ModelConfig,
    NonNegativeInt,
    PictureSizeMixin,
    PositiveInt,
    SamplingConfig,
    Share,
    Words,
)
from rilctl.schemas.base import StrictModel


class TeacherConfig(PictureSizeMixin):
    """One `[teachers.NAME]` table: a model that is loaded here, or one that answers at an endpoint."""

    model: Annotated[str, EXECUTION]
    """Hub id, directory, or a built-in name; with `endpoint`, the model's name there."""
    revision: Annotated[str | None, EXECUTION] = None
    """Hub commit or tag."""
    dtype: Dtype | None = None
    """Precision of the weights in memory. Absent: a built-in name's own, else float32."""
    endpoint: EndpointConfig | None = None
    """Where it answers, if it isn't loaded here."""
    system: Annotated[Words | None, IF_SET] = None
    """System turn of what it is asked, where a row has none of its own. Absent: what its chat template does."""
    sampling: SamplingConfig | None = None
    """Overrides `[cache-teacher.sampling]` for this teacher."""

    @model_validator(mode="after")
    def _here_or_there(self) -> "TeacherConfig":
        if self.endpoint is not None and (self.revision or self.dtype):
            raise ValueError("revision and dtype belong to a model that is loaded here, not to one at an endpoint")
        if self.endpoint is not None and self.picture_bounds is not None:
            raise ValueError("an endpoint sizes pictures by its own rule; max_image_tokens is for a model loaded here")
        return self

    @property
    def loaded_here(self) -> ModelConfig:
        """The model of a teacher without an endpoint."""
        return ModelConfig(
            model=self.model,
            revision=self.revision,
            dtype=self.dtype,
            max_image_tokens=self.max_image_tokens,
            min_image_tokens=self.min_image_tokens,
        )


class CacheTeacherConfig(StrictModel):
    """Ask every teacher every question."""

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
