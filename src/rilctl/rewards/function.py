"""`function = "my_module:score"`: code of the user's own."""

import re
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from rilctl.rewards.base import RewardTable, Score
from rilctl.rewards.source import Code, find_code, load_function

_NAME = r"[^\W\d]\w*"
_CODE = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}")


class FunctionReward(RewardTable):
    """Whatever a function of yours says of the rows; it is called once for each step, with all rows of a rank."""

    type: Literal["function"] = "function"
    function: str
    """`module:name`. The module is looked for in the folder that the recipe's paths start from, then among all that
    Python can import. It takes a sequence of `rilctl.rewards.RewardRow` and returns a number or None for each."""

    @field_validator("function")
    @classmethod
    def _is_module_and_name(cls, function: str) -> str:
        if not _CODE.fullmatch(function):
            raise ValueError("expected `module:name`, as in `my_module:score`")
        return function

    def open(self, base_dir: Path) -> Score:
        """See `RewardTable`."""
        return load_function(self._code, base_dir)

    def source(self, base_dir: Path) -> Path | None:
        """See `RewardTable`."""
        return find_code(self._code, base_dir)

    @property
    def _code(self) -> Code:
        return Code(*self.function.split(":"))


REWARD = FunctionReward
