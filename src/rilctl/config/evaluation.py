"""The `[eval]` table."""

from typing import Annotated

from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import EXECUTION, NonNegativeInt, PositiveInt, Share
from rilctl.schemas.base import StrictModel


class EvalConfig(StrictModel):
    """Measure a student on a suite of benchmarks."""

    student: Annotated[str | None, EXECUTION] = None
    """A `student` artifact, directory or hub id; absent: the most trained student of this recipe."""
    suite: str = "digits"
    """A built-in suite, or the path of a suite's TOML file."""
    limit: PositiveInt | None = None
    """At most this many questions of each benchmark."""
    confidence: Share = 0.95
    """Level of the confidence intervals."""
    seed: NonNegativeInt = 0
    """Seed, for benchmarks that sample."""
    engine: GenerationEngineConfig = HfEngineConfig(rows_per_batch=64)
    """What generates."""
