"""Texts of a task are Jinja templates, which lmms-eval fills in without a sandbox; here they get one, and bounds."""

from typing import Any

from jinja2 import BaseLoader, StrictUndefined, TemplateError

from rilctl.data.template_bounds import BoundedEnvironment, bounded
from rilctl.errors import ConfigError

_FAILURES = (TemplateError, ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


class TaskTemplates:
    """Stands where lmms-eval has its environment."""

    def __init__(self) -> None:
        self._environment = BoundedEnvironment(loader=BaseLoader(), undefined=StrictUndefined)

    def from_string(self, text: str) -> "TaskTemplate":
        """A template, which is compiled when it is filled in."""
        return TaskTemplate(self._environment, text)


class TaskTemplate:
    """One text of a task.

    Args:
        environment: fills it in.
        text: the template.
    """

    def __init__(self, environment: BoundedEnvironment, text: str) -> None:
        self._environment, self._text = environment, text

    def render(self, **doc: Any) -> str:
        """The text for a document.

        Raises:
            ConfigError: it can't be filled in, or reaches for what no template needs.
            DataError: it takes too much time or memory.
        """
        try:
            template = self._environment.from_string(self._text)
            with bounded("a task's template"):
                return template.render(**doc)
        except _FAILURES as error:
            raise ConfigError(
                f"a task's template can't be filled in: {error}: {self._text[:200]!r}",
                hint="look at `doc_to_text` and `doc_to_target` of the task",
            ) from error
