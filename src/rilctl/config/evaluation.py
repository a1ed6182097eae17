"""The `[eval]` table."""

import re
from typing import Annotated, get_args

from pydantic import AfterValidator, Field, model_validator

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import EXECUTION, NonNegativeInt, OtherPicture, Picture, PositiveInt, Share
from rilctl.schemas.base import StrictModel


def _in_order(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    return tuple(each for each in get_args(Picture) if each == "right" or each in pictures)


def _shard(text: str) -> str:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not int(found[1]) < int(found[2]):
        raise ValueError("expected `0/4` to `3/4` for four shards, say")
    return text


class EvalConfig(StrictModel):
    """Measure a student on a suite of benchmarks."""

    student: Annotated[str | None, EXECUTION] = None
    """A `student` artifact, directory or hub id; absent: the best student of this recipe's last training."""
    endpoint: EndpointConfig | None = None
    """Where the model answers, if it isn't loaded here; `student` is then its name there."""
    suite: str = "digits"
    """A built-in suite, or the path of a suite's TOML file."""
    tasks: tuple[str, ...] = ()
    """Only these benchmarks of the suite, by their names or their tasks' names; empty: all."""
    limit: PositiveInt | None = None
    """At most this many questions of each task."""
    data_dir: Annotated[str | None, EXECUTION] = None
    """A mirror of the benchmarks' data sets, with a folder `<owner>/<name>` for each; absent: the hub or its cache."""
    reference: Annotated[str | None, EXECUTION] = None
    """What the table compares with: an `evaluation` artifact, or a row of the paper such as `paper:qwen7b:ril`."""
    shard: Annotated[Annotated[str, AfterValidator(_shard)] | None, EXECUTION] = None
    """Answer only this share of the questions, `0/4` to `3/4`, and score none; what follows finds the answers."""
    picture: Annotated[
        tuple[Picture, ...], AfterValidator(_in_order), Field(exclude_if=lambda value: value == ("right",))
    ] = ("right",)
    """What questions are shown: their own picture, which they always are; another question's; none, the words alone.
    Each costs as many answers again. How far the score falls says whether the student looks."""
    confidence: Share = 0.95
    """Level of the confidence intervals."""
    seed: NonNegativeInt = 0
    """Seed, for benchmarks that sample, and for those that guess where an answer can't be read."""
    engine: GenerationEngineConfig = HfEngineConfig(rows_per_batch=64)
    """What generates."""

    @property
    def other_pictures(self) -> tuple[OtherPicture, ...]:
        """Those besides the right one."""
        return tuple(each for each in self.picture if each != "right")

    @property
    def asks_a_part(self) -> bool:
        """Whether questions of the suite are left out, so that its mean is another number than the suite's."""
        return self.limit is not None or bool(self.tasks)

    @model_validator(mode="after")
    def _named_there(self) -> "EvalConfig":
        if self.endpoint is not None and self.student is None:
            raise ValueError("a model at an endpoint needs `student`: its name there")
        return self
