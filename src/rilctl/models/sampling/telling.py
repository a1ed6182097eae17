"""Someone is told again and again how far sampling is: to show it, or to end it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import nn


class Telling:
    """Tells how many tokens there are.

    Args:
        tell: told so; may raise, which ends the forward pass under way.
    """

    num_tokens = 0
    """So many each row has."""

    def __init__(self, tell: Callable[[int], object]) -> None:
        self._tell = tell

    def __call__(self, *_: object) -> None:
        """Tell it; as a hook too."""
        self._tell(self.num_tokens)

    @contextmanager
    def before(self, modules: Iterable[nn.Module]) -> Iterator[None]:
        """Forward passes in it tell before each of these modules."""
        hooks = [module.register_forward_pre_hook(self) for module in modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def innermost(model: nn.Module) -> list[nn.Module]:
    """The modules that hold no others: between two of them little time goes by, also with many prompts."""
    return [module for module in model.modules() if next(module.children(), None) is None]


def layers(model: nn.Module) -> list[nn.Module]:
    """The modules of its lists: few enough to tell before each at every token, also of a tiny model."""
    return [layer for each in model.modules() if isinstance(each, nn.ModuleList) for layer in each]
