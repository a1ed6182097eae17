"""The `[sft.preference]` table and its losses: one record each, in one table.

A new loss is an entry of `PREFERENCE_LOSSES` and, where its reward is new, one pure function in a table of
`rilctl.algorithms.preference`, which its entry names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import EXECUTION, NonNegativeFloat, PositiveFloat, PositiveInt, SamplingConfig
from rilctl.schemas.base import StrictModel


@dataclass(frozen=True, kw_only=True)
class PreferenceLoss:
    """What a preference loss is made of.

    Args:
        about: one line for a person.
        reward: of `rilctl.algorithms.preference.IMPLICIT_REWARDS`.
        uses_reference: whether that reward is relative to the frozen student.
        beta: scale of the reward. A recipe may say another; so may it of the margin.
        margin: by how much the preferred response's reward is to be the larger one.
    """

    about: str
    reward: str
    uses_reference: bool
    beta: float
    margin: float = 0.0


PREFERENCE_LOSSES: Mapping[str, PreferenceLoss] = {
    "dpo": PreferenceLoss(
        about="DPO (2305.18290): how much likelier than to the student before it learned",
        reward="log_ratio",
        uses_reference=True,
        beta=0.1,
    ),
    "simpo": PreferenceLoss(
        about="SimPO (2405.14734): how likely a token on average, by a margin; no reference",
        reward="mean_logprob",
        uses_reference=False,
        beta=2.0,
        margin=1.0,
    ),
}
"""By name."""

if TYPE_CHECKING:
    PreferenceLossName = str
else:
    PreferenceLossName = Literal[tuple(PREFERENCE_LOSSES)]


def _own(key: str) -> Any:
    """A field whose default is that of the loss's record."""
    return Field(
        default_factory=lambda found: getattr(PREFERENCE_LOSSES[found["loss"]], key),
        json_schema_extra={"default_of": "loss"},
    )


class PreferenceConfig(StrictModel):
    """Learn to prefer what `[sft]` would learn by heart to the student's own response."""

    loss: PreferenceLossName = "dpo"
    """What is minimised: see the table of preference losses."""
    beta: PositiveFloat = _own("beta")
    """Scale of the implicit reward; the larger, the less a response has to change to count."""
    margin: NonNegativeFloat = _own("margin")
    """By how much the preferred response's reward is to be the larger one."""
    responses: Annotated[str | None, EXECUTION] = None
    """The student's own: a `responses` or `rollouts` artifact; absent: sampled before the first step."""
    num_responses: PositiveInt = 4
    """Own responses sampled for each question."""
    sampling: SamplingConfig | None = None
    """How they are sampled; absent: as `[pretrain-disc]` says, where the recipe has that table."""
    generation: GenerationEngineConfig = HfEngineConfig()
    """What samples them."""

    @property
    def record(self) -> PreferenceLoss:
        """What the loss of this name is made of; where a key says otherwise, the key holds."""
        return PREFERENCE_LOSSES[self.loss]
