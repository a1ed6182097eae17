"""The rewards that a recipe can add to its algorithm's: every file beside this one that has a `REWARD`."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from rilctl.rewards.base import RewardTable


def _all() -> Iterator[type[RewardTable]]:
    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        kind = getattr(importlib.import_module(f"{__package__}.{file.name}"), "REWARD", None)
        if kind is not None:
            yield kind


if TYPE_CHECKING:
    Reward = RewardTable
else:
    Reward = Annotated[Union[tuple(_all())], Field(discriminator="type")]  # noqa: UP007
"""A table of any kind; its `type` says which."""
