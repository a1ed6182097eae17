"""Questions in the recipe's words: a template over the columns of a row."""

import re
from collections.abc import Collection, Mapping

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta

from rilctl.data.sources.base import closest
from rilctl.data.template_bounds import BoundedEnvironment, bounded
from rilctl.errors import ConfigError, DataError, RowError

_IN_ONE_BRACE = re.compile(r"(?<![\w}])\{ *([^\W\d]\w*) *\}")
"""Neither LaTeX nor part of a longer word."""
_MOST_CHARS = 1_000_000
_FAILURES = (ArithmeticError, LookupError, MemoryError, OverflowError, RecursionError, TypeError, ValueError)
"""What an expression over a row's values may raise."""
_ENVIRONMENT = BoundedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


class QuestionTemplate:
    """A Jinja template in a sandbox: it reads a row's columns, and nothing else.

    Args:
        text: the template; white space around what it gives is removed later, as around every question.

    Raises:
        ConfigError: it is no template.
    """

    def __init__(self, text: str) -> None:
        try:
            parsed = _ENVIRONMENT.parse(text)
            self._template = _ENVIRONMENT.from_string(text)
        except TemplateSyntaxError as error:
            message = f"data.template, line {error.lineno}: {error.message}"
            raise ConfigError(message, hint='a column is written as "{{name}}"') from error
        self.names = frozenset(meta.find_undeclared_variables(parsed))
        self._in_one_brace = [] if self.names else _IN_ONE_BRACE.findall(text)

    def check(self, found: Collection[str], where: str) -> None:
        """See that a table has the columns that the template names, and names one as Jinja does.

        Raises:
            ConfigError: a column is named as Python would, and none as Jinja does.
            DataError: a name is no column.
        """
        if meant := [name for name in self._in_one_brace if name in found]:
            raise ConfigError(
                f"{where}: data.template asks every row for the same: `{{{meant[0]}}}` stands there as it is",
                hint=f"a column is written as `{{{{{meant[0]}}}}}`",
            )
        for name in sorted(self.names - set(found)):
            shown = ", ".join(f"`{each}`" for each in sorted(found)[:20])
            guess = closest(name, found)
            hint = f"{guess} it can read {shown}" if guess else f"it can read {shown}"
            raise DataError(f"{where}: data.template names `{name}`, which is no column", hint=hint)

    def render(self, values: Mapping[str, object]) -> str:
        """The question of one row.

        Raises:
            RowError: `field-missing`, or `template-failed`.
            DataError: it takes too much time or memory.
        """
        if missing := sorted(self.names - values.keys()):
            raise RowError("field-missing", f"no `{missing[0]}`, which data.template names")
        pieces, num_chars = list[str](), 0
        try:
            with bounded():
                for piece in self._template.generate({name: values[name] for name in self.names}):
                    pieces.append(piece)
                    num_chars += len(piece)
                    if num_chars > _MOST_CHARS:
                        raise RowError("template-failed", f"data.template gives more than {_MOST_CHARS:,} characters")
        except (TemplateError, *_FAILURES) as error:
            raise RowError("template-failed", f"data.template: {error}") from error
        return "".join(pieces)


def names_in(template: str | None) -> frozenset[str]:
    """The columns that a template names. Raises `ConfigError` as `QuestionTemplate` does."""
    return frozenset() if template is None else QuestionTemplate(template).names
