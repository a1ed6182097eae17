"""The rewards that a recipe can add to its algorithm's. A new kind is a file beside this one, and a name here."""

from typing import Annotated, get_args

from pydantic import Field

from rilctl.rewards.format import FormatReward
from rilctl.rewards.function import FunctionReward
from rilctl.rewards.length import LengthReward

Kind = LengthReward | FormatReward | FunctionReward
Reward = Annotated[Kind, Field(discriminator="type")]

KINDS: tuple[str, ...] = tuple(kind.model_fields["type"].default for kind in get_args(Kind))
"""What `type` can be."""
