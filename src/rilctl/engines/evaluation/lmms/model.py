"""Our side of lmms-eval's model interface."""

from collections.abc import Callable, Sequence
from typing import Any

from lmms_eval.api.model import lmms

from rilctl.errors import ConfigError


class EngineModel(lmms):  # type: ignore[misc]
    """A model for lmms-eval whose responses come from a function.

    Args:
        answer: the responses to a task's requests (`lmms_eval.api.instance.Instance`), in order.
    """

    is_simple = True

    def __init__(self, answer: Callable[[Sequence[Any]], list[str]]) -> None:
        super().__init__()
        self._answer = answer

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """See `lmms`."""
        return self._answer(requests)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """See `lmms`. Raises `ConfigError`: our engines answer in words."""
        raise _not_offered("loglikelihood")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """See `lmms`. Raises `ConfigError`: our engines answer one turn."""
        raise _not_offered("generate_until_multi_round")


def _not_offered(output_type: str) -> ConfigError:
    return ConfigError(
        f"tasks with output_type `{output_type}` are not supported here", hint="name tasks with `generate_until`"
    )
