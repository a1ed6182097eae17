"""The `[train.rewards]` table: which rewards there are, and what each weighs."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from rilctl.config.suggest import did_you_mean
from rilctl.rewards.base import Weight
from rilctl.rewards.kinds import Reward
from rilctl.schemas.base import StrictModel

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"advantage"})
"""What `reward/NAME_student` is a metric of already."""


class RewardsConfig(StrictModel):
    """Weights of the algorithm's rewards, and a table for each reward of your own, under a name of your own.

    A table without `type` is a `function` if it has that key; else its name says what it is (`[train.rewards.length]`).
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Reward] = Field(init=False)

    similarity: Weight = 1.0
    """Weight of looking like a teacher's response (0 to 1), where the algorithm has a discriminator. 0: it learns and
    is measured, and the policy learns nothing from it."""
    answer: Weight = 1.0
    """Weight of being right (0 or 1), where the algorithm asks the judge. 0: it is asked and measured all the same."""
    missing_truth: Annotated[Literal["skip", "others"], Field(exclude_if=lambda value: value == "skip")] = "skip"
    """Questions without a ground truth, where `answer` counts: they are left out, or their rows have the sum of the
    other rewards, `similarity` and your own. Nobody judges them."""

    @property
    def own(self) -> Mapping[str, Reward]:
        """The recipe's own rewards by name, in its order."""
        return self.__pydantic_extra__

    @model_validator(mode="before")
    @classmethod
    def _kinds_from_names(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        built_in = cls.model_fields.keys()
        filled = dict(table)
        for name, value in table.items():
            if name in built_in:
                continue
            if not _NAME.fullmatch(name) or name in _TAKEN:
                raise ValueError(
                    f"`{name}` can't be a reward's name: small letters, digits and `_`, and not `advantage`"
                )
            if isinstance(value, dict):
                filled[name] = {"type": "function" if "function" in value else name, **value}
            elif guess := did_you_mean(name, built_in):
                raise ValueError(f"`{name}` is no built-in reward{guess}")
        return filled
