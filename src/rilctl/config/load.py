"""A recipe from what the command line names."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError

from rilctl.config.layers import Layers, Problem, read_layers
from rilctl.config.problems import MOST_PROBLEMS, explain
from rilctl.config.recipe import Recipe
from rilctl.errors import ConfigError

_NO_FLAGS: Mapping[str, JsonValue] = MappingProxyType({})


def load_recipe(
    paths: Sequence[Path], overrides: Sequence[str] = (), flags: Mapping[str, JsonValue] = _NO_FLAGS
) -> Recipe:
    """Read and validate a recipe: defaults < files left to right < `--set` < flags.

    Args:
        paths: TOML files; none gives the empty recipe.
        overrides: `a.b=VALUE`.
        flags: dotted key -> value; None means that the flag was not given.

    Raises:
        ConfigError: all problems at once, each with file, dotted key and what was expected.
    """
    return recipe_from(read_layers(paths, overrides, flags))


def recipe_from(layers: Layers) -> Recipe:
    """Validate merged layers.

    Raises:
        ConfigError: as `load_recipe`.
    """
    recipe, problems = validate(layers)
    if recipe is None:
        lines = [str(problem) for problem in problems[:MOST_PROBLEMS]]
        count = len(lines) if len(lines) == len(problems) else f"more than {MOST_PROBLEMS}"
        message = lines[0] if len(lines) == 1 else "\n  ".join([f"{count} problems in the recipe", *lines])
        hint = "`rilctl help KEY` says what a key means"
        if any(problem.path == ("benchmarks",) for problem in problems):
            hint = "a suite is named with `rilctl eval --suite`"
        raise ConfigError(message, hint=hint)
    return recipe


def validate(layers: Layers) -> tuple[Recipe | None, tuple[Problem, ...]]:
    """The recipe, or everything that keeps it from being one."""
    recipe: Recipe | None = None
    problems = list(layers.problems)
    unusable = {problem.path for problem in problems}
    try:
        # Through JSON: strict mode takes a list for a tuple only there.
        recipe = Recipe.model_validate_json(json.dumps(with_table_defaults(layers.tree)))
    except ValidationError as error:
        problems += [problem for problem in explain(error, layers) if problem.path not in unusable]
    return (None if problems else recipe), tuple(problems)


def with_table_defaults(tree: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Fill tables that a recipe gives in part: `[eval.engine]` with one key keeps `eval`'s own defaults for the others.

    Pydantic alone would take the defaults of the engine's class there. Only what such a default says itself is filled
    in, since the class's own may depend on other keys. A table of another `type` than the default's is left alone.
    """
    return _filled(Recipe, tree)


def _filled(model: type[BaseModel], table: dict[str, JsonValue]) -> dict[str, JsonValue]:
    filled = dict(table)
    for name, info in model.model_fields.items():
        key = info.alias or name
        value = table.get(key)
        if not isinstance(value, dict):
            continue
        if isinstance(info.default, BaseModel):
            said = info.default.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
            kind = getattr(info.default, "type", None)
            if value.get("type", kind) == kind:
                value = _overlay(said | ({"type": kind} if kind else {}), value)
        members = _models_in(info.annotation)
        filled[key] = _filled(members[0], value) if len(members) == 1 else value
    return filled


def _overlay(below: dict[str, JsonValue], above: dict[str, JsonValue]) -> dict[str, JsonValue]:
    merged = {**below, **above}
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = _overlay(under, value)
    return merged


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold directly: of `X | None`, X; none of `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, tuple, list):
        return []
    return [model for member in get_args(annotation) for model in _models_in(member)]
