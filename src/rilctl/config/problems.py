"""From pydantic's complaints about a recipe to lines that name the key as the file has it and what was expected."""

import re
from collections.abc import Container, Iterator, Sequence
from typing import Any

from pydantic import JsonValue, ValidationError

from rilctl.config.layers import KeyPath, Layers, Problem, dotted
from rilctl.config.recipe import Recipe
from rilctl.config.suggest import did_you_mean

MOST_PROBLEMS = 100
"""That a person is shown at once."""
_OF_THE_KEY = "[key]"
"""How pydantic's location ends where a table's name is at fault, not what it holds."""
_QUOTED = re.compile(r"'([^']*)'")
_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": 'text ("in quotes")',
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "<="),
}


def explain(error: ValidationError, layers: Layers) -> list[Problem]:
    """One problem for each complaint, in pydantic's order; of very many some more than a person is shown."""
    schema = Recipe.model_json_schema()
    follows = "default_factory_not_called"  # from another complaint
    complaints = [details for details in error.errors(include_url=False) if details["type"] != follows]
    return [_problem(dict(details), layers, schema) for details in complaints[: MOST_PROBLEMS + 1]]


def _problem(details: dict[str, Any], layers: Layers, schema: dict[str, Any]) -> Problem:
    kind, context, location = details["type"], details.get("ctx", {}), details["loc"]
    if kind == "value_error" and location[-1] == _OF_THE_KEY:
        location = location[:-1]
    path, value = _toml_path(location, layers.tree, _all_tags(schema))
    if kind == "extra_forbidden":
        text = _unknown_key(path, layers, schema)
    elif kind == "missing":
        text = f"missing{_description(path, layers.tree, schema)}"
        return Problem(path, layers.origins.get((*path[:-1], "type")) or layers.origin(path), text)
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "type")
        text = _one_of(context.get("expected_tags") or _tags(path, layers.tree, schema), context.get("tag"))
    elif kind == "literal_error":
        text = _one_of(context["expected"], value)
    elif kind == "value_error":
        text = str(context["error"])
    elif kind == "string_pattern_mismatch" and not str(value).strip():
        text = "expected text, found nothing"
    elif kind in _EXPECTED:
        text = f"expected {_EXPECTED[kind]}, found {_found(value)}"
    elif kind in _BOUNDS:
        name, sign = _BOUNDS[kind]
        text = f"expected a number {sign} {context[name]:g}, found {_found(value)}"
    else:
        text = details["msg"][0].lower() + details["msg"][1:]
    return Problem(path, _origin(path, value, text, layers), text)


def _origin(path: KeyPath, value: Any, text: str, layers: Layers) -> str | None:
    """Who set the value; of a table as a whole, who set those of its keys that the text names."""
    if isinstance(value, dict):
        named = [key for key in value if re.search(rf"\b{re.escape(key)}\b", text)]
        found = [_origin((*path, key), value[key], text, layers) for key in named]
        if known := dict.fromkeys(each for each in found if each is not None):
            return ", ".join(known)
    return layers.origin(path)


def _toml_path(location: Sequence[str | int], tree: JsonValue, tags: Container[str | int]) -> tuple[KeyPath, Any]:
    """Pydantic's location without the tags of discriminated unions (no keys of the file), and the value there."""
    path: list[str | int] = []
    node: Any = tree
    tag_may_follow = False
    for part in location:
        is_tag = part in tags and (not isinstance(node, dict) or node.get("type", part) == part)
        if tag_may_follow and is_tag:
            tag_may_follow = False
            continue
        path.append(part)
        if isinstance(node, dict):
            node = node.get(str(part))
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = None
        tag_may_follow = True
    return tuple(path), node


def _found(value: Any) -> str:
    """A value's kind; text is not repeated, it could be a secret in the wrong place."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "nothing"


def _one_of(expected: str, value: Any) -> str:
    names = _QUOTED.findall(expected) or re.findall(r"\d+", expected)
    guess = did_you_mean(value, names) if isinstance(value, str) else f", found {_found(value)}"
    return f"expected {'one of ' if len(names) > 1 else ''}{', '.join(f'`{name}`' for name in names)}{guess}"


def _unknown_key(path: KeyPath, layers: Layers, schema: dict[str, Any]) -> str:
    table, key, tree = path[:-1], str(path[-1]), layers.tree
    known = _properties(_schema_at(table, tree, schema), schema)
    if others := _types_with(key, table, tree, schema):
        said_by = layers.origins.get((*table, "type"))
        elsewhere = f" ({said_by})" if said_by not in (None, layers.origin(path)) else ""
        return f"no key of type `{known['type']['const']}`{elsewhere}, but of {', '.join(f'`{n}`' for n in others)}"
    same_name_deeper = [nested for nested in _nested_keys(known, schema) if nested[-1] == key]
    if same_name_deeper:
        depth = min(map(len, same_name_deeper))
        names = dict.fromkeys(dotted((*table, *nested)) for nested in same_name_deeper if len(nested) == depth)
        return f"unknown key; did you mean {', '.join(f'`{name}`' for name in names)}?"
    return f"unknown key{did_you_mean(key, known)}"


def _types_with(key: str, table: KeyPath, tree: JsonValue, schema: dict[str, Any]) -> list[str]:
    """Of the types that a table could have instead, those with this key."""
    if not table or "const" not in _properties(_schema_at(table, tree, schema), schema).get("type", {}):
        return []
    variants = [_properties(v, schema) for v in _variants(_schema_at(table, tree, schema, resolve_union=False), schema)]
    return [str(each["type"]["const"]) for each in variants if key in each and "const" in each.get("type", {})]


def _description(path: KeyPath, tree: JsonValue, schema: dict[str, Any]) -> str:
    node = _properties(_schema_at(path[:-1], tree, schema), schema).get(str(path[-1]), {})
    text = str(node.get("description", "")).rstrip(".")
    return f": {text[0].lower()}{text[1:]}" if text else ""


def _tags(path: KeyPath, tree: JsonValue, schema: dict[str, Any]) -> str:
    variants = _variants(_schema_at(path[:-1], tree, schema, resolve_union=False), schema)
    return " ".join(f"'{_properties(v, schema)['type']['const']}'" for v in variants)


def _all_tags(schema: dict[str, Any]) -> set[str]:
    """Every `type` that some table can have."""
    types = (table.get("properties", {}).get("type", {}) for table in schema["$defs"].values())
    return {kind["const"] for kind in types if "const" in kind}


def _schema_at(path: KeyPath, tree: JsonValue, schema: dict[str, Any], *, resolve_union: bool = True) -> dict[str, Any]:
    """The JSON Schema of the table at `path`; a union's member is picked by the `type` that the tree holds."""
    node: dict[str, Any] = schema
    value: Any = tree
    for index, part in enumerate(path):
        properties = _properties(node, schema)
        extra = node.get("additionalProperties")
        node = properties.get(str(part)) or (extra if isinstance(extra, dict) else {})
        value = value.get(str(part)) if isinstance(value, dict) else None
        variants = _variants(node, schema)
        if len(variants) == 1:
            node = variants[0]
        elif variants and (resolve_union or index < len(path) - 1):
            tag = value.get("type") if isinstance(value, dict) else None
            kinds = {_properties(each, schema).get("type", {}).get("const"): each for each in variants}
            by_name = kinds.get(part, variants[0])  # a reward's own name, else see `default_type`
            node = by_name if tag is None else kinds.get(tag, {})
    return node


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[1]] if isinstance(reference, str) else node


def _variants(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, null apart: the members of a union, or the one type."""
    node = _resolve(node, schema)
    members = node.get("oneOf") or node.get("anyOf")
    if members is None:
        return [] if node.get("type") == "null" else [node]
    return [variant for member in members for variant in _variants(member, schema)]


def _properties(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    properties = _resolve(node, schema).get("properties", {})
    assert isinstance(properties, dict)
    return properties


def _nested_keys(properties: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, node in properties.items():
        yield (name,)
        for variant in _variants(node, schema):
            for deeper in _nested_keys(_properties(variant, schema), schema):
                yield (name, *deeper)
