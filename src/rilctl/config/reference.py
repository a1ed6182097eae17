"""The recipe reference as Markdown: every table and key, from the JSON Schema that the models' docstrings become."""

from typing import Any

from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.recipe import Recipe
from rilctl.config.toml_writing import toml_key, toml_value

_HEAD = """\
# Recipe reference

Every table and key of a recipe. [Recipes](recipes.md) says how tables, files and flags come together.

An *execution* key says how something is computed and may change between two runs of one output directory.
Every other key is *semantic*: it is part of what an artifact means.
"""
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}

Schema = dict[str, Any]


def render() -> str:
    """One section for each table; a table that occurs in several places has one section that names them all."""
    schema = Recipe.model_json_schema()
    places: dict[str, list[str]] = {}
    _collect("", schema["properties"], schema["$defs"], places)
    return "\n".join([_HEAD, *(_section(name, places, schema["$defs"]) for name in places), _algorithms()])


def _collect(path: str, properties: Schema, tables: Schema, places: dict[str, list[str]]) -> None:
    """The key paths of every table, in the order of the recipe; nested tables come after their parent."""
    for key, node in properties.items():
        here = f"{path}.{toml_key(key)}".lstrip(".")
        for name in _tables_in(node):
            place = f"{here}.NAME" if "additionalProperties" in node else here
            if place not in places.setdefault(name, []):
                places[name].append(place)
        for name in _tables_in(node):
            _collect(places[name][-1], _keys(tables[name]), tables, places)


def _keys(table: Schema) -> Schema:
    """What stands in a table; `NAME` where a person chooses names."""
    keys, more = table["properties"], table.get("additionalProperties")
    return {**keys, "NAME": more} if isinstance(more, dict) else dict(keys)


def _section(name: str, places: dict[str, list[str]], tables: Schema) -> str:
    table = tables[name]
    text = " ".join(table.get("description", "").split())
    found = ", ".join(f"`[{place}]`" for place in places[name])
    where = f"\n\nStands in {found}." if len(places[name]) > 1 else ""
    required = set(table.get("required", ()))
    rows = [
        f"| `{key}` | {_kind(node, places, tables)} | {'required' if key in required else _default(node, tables)} "
        f"| {_meaning(node)} |"
        for key, node in _keys(table).items()
    ]
    lines = [f"## {_title(name, places, tables)}", "", f"{text}{where}", ""]
    return "\n".join([*lines, "| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows, ""])


def _algorithms() -> str:
    """Each algorithm's record."""
    lines = [
        "## Algorithms",
        "",
        "What each `train.algorithm.name` is made of. [Method](method.md) has the equations.",
        "",
        "| name | about | rewards | advantage | objective | weighting | denominator | own keys |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    keys = ("teacher_rows", "ratio_level", "clip_low", "clip_high", "kl_beta")
    for name, record in ALGORITHMS.items():
        own = ", ".join(f"`{key} = {_literal(getattr(record, key))}`" for key in keys)
        made_of = (record.advantage, record.objective, record.loss_weighting, record.denominator)
        cells = (f"`{name}`", record.about, " + ".join(record.rewards), *(f"`{part}`" for part in made_of), own)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _title(name: str, places: dict[str, list[str]], tables: Schema) -> str:
    """`[sft]`; `optim` tables where there are several; with its `type` where another may stand in its place."""
    first = places[name][0]
    shared = len(places[name]) > 1
    title = f"`{_last([first])}` tables" if shared else f"`[{first}]`"
    twins = [other for other in places if first in places[other] or (shared and _last(places[other]) == _last([first]))]
    return f"{title}, type `{tables[name]['properties']['type']['const']}`" if len(twins) > 1 else title


def _last(found: list[str]) -> str:
    return found[0].rpartition(".")[2]


def _tables_in(node: Schema) -> list[str]:
    """Names of the tables that may stand at a key."""
    if "$ref" in node:
        return [node["$ref"].rpartition("/")[2]]
    members = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    if isinstance(more := node.get("additionalProperties"), dict):
        members.append(more)
    return [name for member in members for name in _tables_in(member)]


def _kind(node: Schema, places: dict[str, list[str]], tables: Schema) -> str:
    if names := _tables_in(node):
        titles = [_title(name, places, tables) for name in names]
        return "table " + ", ".join(f"[{title.replace(' tables', '')}](#{_anchor(title)})" for title in titles)
    members = [member for member in node.get("anyOf", ()) if member.get("type") != "null"]
    if members:
        return ", or ".join(_kind(member, places, tables) for member in members)
    if "enum" in node or "const" in node:
        return ", ".join(f"`{_literal(value)}`" for value in node.get("enum", [node.get("const")]))
    if node["type"] == "array":
        items = node.get("items")
        return f"list of {_kind(items, places, tables)}" if items else f"list of {len(node['prefixItems'])} numbers"
    if node["type"] == "object":
        each = node["additionalProperties"]
        return f"table: each key a {_kind(each, places, tables)}" if isinstance(each, dict) else "table"
    bounds = [f"{sign} {node[key]:g}" for key, sign in _BOUNDS.items() if key in node]
    return " ".join([_TYPES[node["type"]], ", ".join(bounds)]).strip()


def _default(node: Schema, tables: Schema) -> str:
    value = node.get("default")
    if "default_of" in node:
        return f"that of `{node['default_of']}`"
    if value is None:
        return "absent"
    if isinstance(value, dict):  # only what differs from the table's own defaults
        own = tables[_tables_in(node)[0]]["properties"] if _tables_in(node) else {}
        value = {k: v for k, v in value.items() if v is not None and not _is_own(own.get(k, {}), v)}
    return f"`{_literal(value)}`" if value or not isinstance(value, dict) else "its defaults"


def _is_own(node: Schema, value: Any) -> bool:
    """Whether a key has this value without being named."""
    return "default_of" in node or node.get("default") == value


def _meaning(node: Schema) -> str:
    text = " ".join(node.get("description", "").split()).replace("|", "\\|")
    return f"{text} *Execution.*".strip() if node.get("execution") else text


def _literal(value: Any) -> str:
    """As a person would write it: `16_384`, `1e-6`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:_}"
    return toml_value(value).replace("e-0", "e-")


def _anchor(title: str) -> str:
    """The heading as a link target, the way GitHub makes it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
