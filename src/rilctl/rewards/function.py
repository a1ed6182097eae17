"""`function = "my_module:score"`: code of the user's own."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rilctl.rewards.base import RewardTable, Score
from rilctl.rewards.source import Code, find_code, load_function

_NAME = r"[^\W\d]\w*"


class FunctionReward(RewardTable):
    """Whatever a function of yours says of the rows; it is called once for each step, with all rows of a rank."""

    type: Literal["function"] = "function"
    function: Annotated[str, Field(pattern=rf"^{_NAME}(\.{_NAME})*:{_NAME}$")]
    """`module:name`. The module is looked for in the folder that the recipe's paths start from, then among all that
    Python can import. It takes a sequence of `rilctl.rewards.RewardRow` and returns a number or None for each."""

    def open(self, base_dir: Path) -> Score:
        """See `RewardTable`."""
        return load_function(self._code, base_dir)

    def source(self, base_dir: Path) -> Path | None:
        """See `RewardTable`."""
        return find_code(self._code, base_dir)

    @property
    def _code(self) -> Code:
        return Code(*self.function.split(":"))
