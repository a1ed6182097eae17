"""The pocket world: questions about real handwritten digits, drawn as they are needed."""

from collections.abc import Iterator
from functools import partial

from rilctl.config.data import ColumnsConfig, DigitsData
from rilctl.config.suggest import nearest
from rilctl.data.sources.base import RawRow, Table
from rilctl.errors import ConfigError
from rilctl.quickstart.world import KINDS, QUESTIONS, STYLES, Kind, Mix, Style, draw, make_rows

_PAIRS: dict[str, tuple[Kind, Style]] = {f"{kind}/{style}": (kind, style) for kind in KINDS for style in STYLES}


def open_digits(config: DigitsData) -> Table:
    """The first `num_questions` rows of the split and seed. Raises `ConfigError` for an unknown pair in the mix."""
    rows = _read_digits(config, _mix(config))
    return Table(f"digits:{config.split}/{config.seed}", rows, ColumnsConfig(response="response"))


def _read_digits(config: DigitsData, mix: Mix) -> Iterator[RawRow]:
    for row in make_rows(config.split, config.seed, config.num_questions, mix):
        fields = {"id": row.id, "question": row.question, "answer": row.answer, "response": row.response}
        yield RawRow(row.id, {**fields, "images": partial(draw, row.scans)})


def _mix(config: DigitsData) -> Mix:
    unknown = sorted(config.mix.keys() - _PAIRS.keys())
    if unknown:
        close = nearest(unknown[0], _PAIRS)
        hint = f"did you mean `{close}`?" if close else f"a kind ({', '.join(KINDS)}) / a style ({', '.join(STYLES)})"
        raise ConfigError(f"data.mix: unknown `{unknown[0]}`", hint=hint)
    return {_PAIRS[pair]: weight for pair, weight in config.mix.items()} or QUESTIONS
