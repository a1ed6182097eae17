"""A resolved recipe as TOML that reads back as the same recipe, with the origin of each value beside it."""

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from rilctl.config.layers import KeyPath, Layers
from rilctl.config.recipe import Recipe
from rilctl.config.toml_writing import toml_key, toml_value
from rilctl.foreign import one_line


def values(recipe: Recipe) -> dict[str, JsonValue]:
    """Every value of the recipe, defaults included; absent ones are left out, since TOML has no null."""
    dumped: dict[str, JsonValue] = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def to_toml(recipe: Recipe, layers: Layers) -> str:
    """The recipe as TOML; a comment on each line says who set the value."""
    return "\n".join(_table((), values(recipe), layers)).strip() + "\n"


def _table(path: KeyPath, table: dict[str, Any], layers: Layers) -> Iterator[str]:
    scalars = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if path and (scalars or path in layers.origins):
        yield f"\n[{'.'.join(toml_key(str(part)) for part in path)}]"
    for key, value in scalars.items():
        yield f"{toml_key(key)} = {toml_value(value)}  # {one_line(layers.origins.get((*path, key), 'default'))}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _table((*path, key), value, layers)
