"""A run's resolved recipe, key by key, beside what it would be if nobody said anything."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from rilctl.config.load import with_table_defaults
from rilctl.config.recipe import VERBS, Recipe
from rilctl.config.registry import default_dtype
from rilctl.config.toml_writing import toml_value
from rilctl.schemas.report_made import RecipeKey, ReportRecipe
from rilctl.views.runs.view import RunView

_Path = tuple[str, ...]
_TABLES = {field.alias or name for name, field in Recipe.model_fields.items()}
_MUST_BE_SAID: Final = object()


def recipe_of(run: RunView) -> ReportRecipe:
    """The tables that matter for the run's verb: its own, and those that are no other verb's."""
    others = {verb for verb in VERBS if verb not in (run.verb, "judge")}
    config = {name: table for name, table in run.recipe.items() if name not in others}
    return ReportRecipe(run=run.name, keys=list(_keys(json.dumps(config))))


@lru_cache(maxsize=64)
def _keys(config: str) -> tuple[RecipeKey, ...]:
    values = json.loads(config)
    return tuple(_key(values, path, value) for path, value in _leaves(values, ()) if value is not None)


def _key(values: Mapping[str, Any], path: _Path, value: Any) -> RecipeKey:
    default = _default(values, path)
    has_default = default is not _MUST_BE_SAID
    said = toml_value(default) if has_default and default is not None else None
    return RecipeKey(
        key=".".join(path), value=toml_value(value), default=said, is_changed=has_default and default != value
    )


def _default(values: Mapping[str, Any], path: _Path) -> Any:
    """What the key becomes where it is left out, or else its whole table; a mark where the recipe can't do without.

    Tables that no recipe has, which a run adds for itself, have no defaults and take none from the others.
    """
    if path[0] not in _TABLES:
        return _MUST_BE_SAID
    values = {name: table for name, table in values.items() if name in _TABLES}
    for length in range(len(path), 1, -1):
        without: Any = deepcopy(values)
        table = without
        for part in path[: length - 1]:
            table = table[part]
        del table[path[length - 1]]
        try:
            filled = json.dumps(with_table_defaults(without))
            found: Any = Recipe.model_validate_json(filled).model_dump(mode="json", by_alias=True)
            for part in path[:-1]:
                found = found[part]
            value = found[path[-1]]
        except (ValidationError, KeyError, TypeError):
            continue
        # verbs write down the precision that a model without one is loaded in
        return default_dtype(found["model"]) if path[-1] == "dtype" and value is None and "model" in found else value
    return _MUST_BE_SAID


def _leaves(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif not isinstance(value, dict):
        yield path, value
