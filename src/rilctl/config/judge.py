"""The `[judge]` table: rules, or a language model with a rubric."""

import re
from typing import Annotated, Literal

from pydantic import Tag, field_validator, model_validator

from rilctl.config.asked import AskedModelMixin
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import (
    EXECUTION,
    IF_SET,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Share,
    default_type,
)
from rilctl.schemas.base import StrictModel

RUBRIC_FIELDS = ("question", "answer", "response", "verdict")
"""What a rubric has a place for."""
_FIELD = re.compile(r"\{(\w+)\}")


class FlipConfig(StrictModel):
    """`[judge.flip]`: a judge that errs by a known rate, for experiments on how much that hurts."""

    right: Share = 0.0
    """Share of right responses that are called wrong."""
    wrong: Share = 0.0
    """Share of wrong responses that are called right."""
    seed: NonNegativeInt = 0
    """Which ones; the same question, ground truth and response are always judged alike."""


class RuleJudgeConfig(StrictModel):
    """The one final answer, compared with the ground truth by its type."""

    type: Literal["rule"] = "rule"
    source: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache`, `responses` or `rollouts` artifact, or `-` (JSON Lines on stdin); absent: the cache."""
    numeric_tolerance: NonNegativeFloat = 0.0
    """Relative difference within which two numbers are equal."""
    flip: Annotated[FlipConfig | None, IF_SET] = None
    """Errors on purpose, for experiments. Absent: none."""
    max_rejected_share: Annotated[Share, EXECUTION] = 0.05
    """A larger share of responses without a verdict, and the next verb refuses the artifact."""


class LlmJudgeConfig(AskedModelMixin):
    """A language model that compares a response with the ground truth; it is watched by canaries."""

    type: Literal["llm"]
    source: Annotated[str | None, EXECUTION] = None
    """A `teacher-cache`, `responses` or `rollouts` artifact, or `-` (JSON Lines on stdin); absent: the cache."""
    engine: GenerationEngineConfig = HfEngineConfig()
    """What runs it, if it is loaded here."""
    rubric: str | None = None
    """What it is told, with `{question}`, `{answer}`, `{response}` and `{verdict}` once each: three fields in tags, and
    the form that the verdict must have. Absent: the built-in rubric."""
    verdict_form: Literal["tag", "json"] = "tag"
    """`json` binds the reply to a JSON schema, at endpoints that can (`response_format`); else exactly one tag."""
    sees_images: bool = False
    """Show it the question's pictures."""
    rules_first: bool = False
    """A response that is the ground truth, character by character, is right without asking."""
    max_new_tokens: PositiveInt = 512
    """Token budget of a reply."""
    num_retries: NonNegativeInt = 2
    """Further replies, sampled, where one holds no verdict in its form; then the response has none."""
    max_false_positives: Share = 0.05
    """Share of wrong canaries that may be called right: with half of it a run goes on, with twice of it none does."""
    max_false_negatives: Share = 0.25
    """Share of right canaries that may be called wrong, likewise."""
    max_no_verdicts: Share = 0.25
    """Share of canaries, of wrong ones and of right ones, that may get no verdict, likewise."""
    canaries_every: Annotated[PositiveInt, EXECUTION] = 2000
    """Responses between two checks with canaries, at most; there is one at the start, and one before every commit and
    checkpoint."""
    max_rejected_share: Annotated[Share, EXECUTION] = 0.05
    """A larger share of responses without a verdict, and the next verb refuses the artifact."""

    @field_validator("rubric")
    @classmethod
    def _fields_once(cls, rubric: str | None) -> str | None:
        if rubric is not None and sorted(_FIELD.findall(rubric)) != sorted(RUBRIC_FIELDS):
            raise ValueError("the rubric needs {question}, {answer}, {response} and {verdict}, once each and no others")
        return rubric

    @model_validator(mode="after")
    def _fits(self) -> "LlmJudgeConfig":
        if self.picture_bounds is not None and not self.sees_images:
            raise ValueError("max_image_tokens is for a judge that sees_images")
        if self.endpoint is None and self.verdict_form == "json":
            raise ValueError("verdict_form = `json` needs an endpoint; a model that is loaded here gives a tag")
        return self


JudgeConfig = Annotated[
    Annotated[RuleJudgeConfig, Tag("rule")] | Annotated[LlmJudgeConfig, Tag("llm")], default_type("rule")
]
"""Who says what is right; a table without `type` means rules."""
