"""What may stand at a recipe's key, and what does by itself, in words: from the JSON Schema of the recipe's models."""

from collections.abc import Callable, Sequence
from typing import Any

from rilctl.config.toml_writing import toml_value

Schema = dict[str, Any]

_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


def tables_in(node: Schema) -> list[str]:
    """Names of the tables that may stand at a key."""
    if "$ref" in node:
        return [node["$ref"].rpartition("/")[2]]
    members = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    if isinstance(more := node.get("additionalProperties"), dict):
        members.append(more)
    return [name for member in members for name in tables_in(member)]


def kind(node: Schema, name_tables: Callable[[Sequence[str]], str]) -> str:
    """What a value may be.

    Args:
        node: the key's schema.
        name_tables: says which tables are meant, by their names in the schema.
    """
    if names := tables_in(node):
        return f"table {name_tables(names)}".rstrip()
    members = [member for member in node.get("anyOf", ()) if member.get("type") != "null"]
    if members:
        return ", or ".join(kind(member, name_tables) for member in members)
    if "enum" in node or "const" in node:
        return ", ".join(f"`{literal(value)}`" for value in node.get("enum", [node.get("const")]))
    if node["type"] == "array":
        items = node.get("items")
        return f"list of {kind(items, name_tables)}" if items else f"list of {len(node['prefixItems'])} numbers"
    if node["type"] == "object":
        each = node["additionalProperties"]
        return f"table: each key a {kind(each, name_tables)}" if isinstance(each, dict) else "table"
    bounds = [f"{sign} {node[key]:g}" for key, sign in _BOUNDS.items() if key in node]
    return " ".join([_TYPES[node["type"]], ", ".join(bounds)]).strip()


def default(node: Schema, tables: Schema) -> str:
    """What holds where nobody names the key."""
    value = node.get("default")
    if "default_of" in node:
        return f"that of `{node['default_of']}`"
    if value is None:
        return "absent"
    if isinstance(value, dict):  # only what differs from the table's own defaults
        own = tables[tables_in(node)[0]]["properties"] if tables_in(node) else {}
        value = {k: v for k, v in value.items() if v is not None and not _is_own(own.get(k, {}), v)}
    return f"`{literal(value)}`" if value or not isinstance(value, dict) else "its defaults"


def _is_own(node: Schema, value: Any) -> bool:
    """Whether a key has this value without being named."""
    return "default_of" in node or node.get("default") == value


def literal(value: Any) -> str:
    """As a person would write it: `16_384`, `1e-6`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:_}"
    return toml_value(value).replace("e-0", "e-")
