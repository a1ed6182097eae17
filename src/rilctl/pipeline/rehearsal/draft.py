"""A recipe that is being changed into its rehearsal; each change is remembered beside the value."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from rilctl.config.layers import KeyPath, Layers
from rilctl.config.load import recipe_from
from rilctl.config.recipe import Recipe
from rilctl.config.show import to_toml, values


@dataclass
class Draft:
    """The recipe's values, defaults included, and what a person should know about the changes.

    Args:
        tree: as TOML has them.
        origins: a remark for each value that was changed.
        replaced: what stands in for what, in sentences.
        not_proven: what the rehearsal can't show, in sentences.
    """

    tree: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, recipe: Recipe) -> "Draft":
        """A draft that says the same as the recipe."""
        return cls(values(recipe))

    def get(self, key: str) -> Any:
        """The value at a dotted key, None where there is none."""
        found: Any = self.tree
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def put(self, key: str, value: JsonValue) -> None:
        """Set a value in a table that is there; a key of a table that isn't is left alone."""
        *tables, name = key.split(".")
        table = self.get(".".join(tables))
        if not isinstance(table, dict) or table.get(name) == value:
            return
        was = f"; was {table[name]}" if name in table and not isinstance(table[name], dict) else ""
        table[name] = value
        self.origins[tuple(key.split("."))] = f"rehearsal{was}"

    def drop(self, key: str) -> None:
        """Leave a key out."""
        *tables, name = key.split(".")
        table = self.get(".".join(tables))
        if isinstance(table, dict):
            table.pop(name, None)

    def at_most(self, key: str, number: int) -> None:
        """Make a number no larger than this."""
        value = self.get(key)
        if value is not None:
            self.put(key, min(value, number))

    def says_replaced(self, sentence: str) -> None:
        """Remember a sentence once."""
        if sentence not in self.replaced:
            self.replaced.append(sentence)

    def says_not_proven(self, sentence: str) -> None:
        """Remember a sentence once."""
        if sentence not in self.not_proven:
            self.not_proven.append(sentence)

    def recipe(self) -> Recipe:
        """What it says now, validated. Raises `ConfigError`."""
        return recipe_from(Layers(self.tree, self.origins, ()))

    def toml(self) -> str:
        """The same as a file, with a remark on each value."""
        kept = dict.fromkeys(_leaves((), self.tree), "kept")
        return to_toml(self.recipe(), Layers(self.tree, kept | self.origins, ()))


def _leaves(path: KeyPath, table: dict[str, Any]) -> Iterator[KeyPath]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves((*path, key), value)
        else:
            yield (*path, key)
