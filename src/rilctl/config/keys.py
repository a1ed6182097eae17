"""A recipe's keys by their dotted names, for `rilctl help KEY` and `rilctl config schema TABLE`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from rilctl.config.recipe import OWN_DATA_VERBS, VERBS, Recipe, Verb
from rilctl.config.suggest import nearest
from rilctl.config.toml_writing import toml_key
from rilctl.config.values import Schema, default, kind, tables_in
from rilctl.errors import UsageError

ANY_NAME: Final = "NAME"
"""Stands in a key for a name that a person chooses."""

READERS: Final[dict[str, tuple[Verb, ...]]] = {
    "workspace": VERBS,
    "plan": VERBS,
    "tracking": ("sft", "pretrain-disc", "train"),
    "data": ("cache-teacher", "judge", "sft", "pretrain-disc", "train"),
    "student": ("sft", "pretrain-disc", "train", "eval"),
    "teachers": ("cache-teacher", "train"),
    "cache-teacher": ("cache-teacher",),
    "sft": ("sft",),
    "pretrain-disc": ("pretrain-disc",),
    "train": ("train",),
    "judge": ("judge", "train", "eval"),
    "eval": ("eval",),
    "arm": (),
}
"""Which verbs do what each table of a recipe says."""

_READ_BY_OTHERS: Final[dict[str, tuple[Verb, ...]]] = {
    "cache-teacher.max_rejected_share": ("sft", "pretrain-disc", "train"),
    "train.sampling.max_new_tokens": ("sft", "train"),
    "judge.max_rejected_share": ("cache-teacher", "sft", "pretrain-disc", "train"),
}
"""Keys that others than their table's readers look at: limits, and a budget that `sft` validates with."""


@dataclass(frozen=True)
class Key:
    """What may be written at a key.

    Args:
        path: dotted; `NAME` where a person chooses a name.
        types: the `type` of the tables that have it, where only some have it; empty otherwise.
        value: what it may be.
        default: what holds where it isn't written.
        meaning: in words.
        is_execution: whether it only says how something is computed.
        verbs: that read it.
        keys: those of the table, where it is one.
    """

    path: str
    types: tuple[str, ...]
    value: str
    default: str
    meaning: str
    is_execution: bool
    verbs: tuple[Verb, ...]
    keys: tuple[str, ...]


def find_keys(text: str) -> list[Key]:
    """The keys that a person means: the whole dotted name, or the end of one.

    Raises:
        UsageError: there is no such key; names the nearest.
    """
    wanted = _shared(_parts(text))
    found = _all_keys()
    exact = [key for key in found if _parts(key.path) == wanted]
    exact = exact or [key for key in found if _matches(wanted, _parts(key.path))]
    ending = [key for key in found if not key.path.endswith(ANY_NAME) and _matches(wanted, _end(key.path, wanted))]
    if exact or ending:
        return exact or ending
    if _is_chosen(wanted, found):
        return find_keys(".".join(wanted[:-1]))
    raise _unknown(text, [key.path for key in found])


def _is_chosen(wanted: Sequence[str], found: Sequence[Key]) -> bool:
    """Whether the last part is a name that a recipe chooses, as in `teachers.qwen`; the table is told of then."""
    return any(_matches(wanted, _parts(key.path)[: len(wanted)]) for key in found)


def table_schema(text: str) -> dict[str, Any]:
    """The JSON Schema of one table of a recipe.

    Raises:
        UsageError: there is no such table; names the nearest.
    """
    schema = Recipe.model_json_schema()
    tables = {path: node for path, _, node, _ in _walk("", schema["properties"], schema["$defs"]) if tables_in(node)}
    wanted = _shared(_parts(text))
    for path, node in tables.items():
        if _matches(wanted, _parts(path)):
            return {"title": path, **node, "$defs": _needed(node, schema["$defs"])}
    raise _unknown(text, list(tables), what="table")


def table_names() -> tuple[str, ...]:
    """A recipe's tables, in its order."""
    return tuple(Recipe.model_json_schema()["properties"])


def key_names() -> tuple[str, ...]:
    """Every key's dotted name."""
    return tuple(dict.fromkeys(key.path for key in _all_keys()))


@cache
def _all_keys() -> tuple[Key, ...]:
    return tuple(_made_keys())


def _made_keys() -> Iterator[Key]:
    """Every key, once for each different meaning; tables of a union may have a key in common."""
    schema = Recipe.model_json_schema()
    tables = schema["$defs"]
    found: dict[tuple[str, str], tuple[Schema, bool, list[str]]] = {}
    stands: dict[tuple[str, str], Any] = {}
    usual: dict[str, list[str]] = {}  # which table one without `type` may be
    for path, table, node, stood in _walk("", schema["properties"], tables):
        owner = tables.get(table, schema)
        own_type = owner["properties"].get("type", {}).get("const")
        is_tag = "const" in node and path.endswith(".type")
        place, is_required = (path, "" if is_tag else repr(node)), path.rpartition(".")[2] in owner.get("required", ())
        found.setdefault(place, (node, is_required, []))[2].append(own_type)
        if is_tag:
            usual.setdefault(path, []).extend([] if is_required else [own_type])
        elif stood is not None:
            stands[place] = stood
    all_types = {path: types for (path, _), (_, _, types) in found.items() if path.endswith(".type")}
    for (path, same), (node, is_required, types) in found.items():
        if "const" in node and path.endswith(".type"):
            tag = {"enum": types, "description": "Which kind of table this is."}
            only = usual[path][0] if len(usual[path]) == 1 else None
            yield _key(path, (), tag, not usual[path], only, tables)
            continue
        has_all = set(types) == set(all_types.get(f"{path.rpartition('.')[0]}.type", types))
        yield _key(path, () if has_all else tuple(types), node, is_required, stands.get((path, same)), tables)


def _key(path: str, types: tuple[str, ...], node: Schema, is_required: bool, stood: Any, tables: Schema) -> Key:
    """A key; `stood` is what the default of its table has for it, which is filled in where a person writes others."""
    if stood is not None:
        node, is_required = {**node, "default": stood}, False
    below = [name for table in tables_in(node) for name in _properties(tables[table])]
    return Key(
        path,
        types,
        kind(node, lambda _: "").replace("`", ""),
        "required" if is_required else _shown(default(node, tables)),
        " ".join(node.get("description", "").split()),
        bool(node.get("execution")),
        _READ_BY_OTHERS.get(path, READERS[path.partition(".")[0]]),
        tuple(dict.fromkeys(below)),
    )


def _shown(value: str) -> str:
    """A literal without the quotes that a page puts around it."""
    return value[1:-1] if value.startswith("`") and value.endswith("`") else value


def _walk(
    path: str, properties: Schema, tables: Schema, table: str = "", whole: Any = None
) -> Iterator[tuple[str, str, Schema, Any]]:
    """Every key; each table's own keys first.

    Args:
        path: of the table.
        properties: its keys.
        tables: all tables.
        table: its name among them.
        whole: the default of the table; None: it has none but those of its keys.

    Yields:
        Dotted name, the table that has it, its schema, and what `whole` has there, or None.
    """
    for name, node in properties.items():
        here = f"{path}.{toml_key(name)}".lstrip(".")
        stood = whole.get(name) if isinstance(whole, dict) else None
        yield here, table, node, stood
        if node.get("own_data"):  # as `[data]`; see `_shared`
            continue
        place = f"{here}.{ANY_NAME}" if isinstance(node.get("additionalProperties"), dict) else here
        below = node.get("default") if stood is None else stood
        for each in tables_in(node):
            is_meant = isinstance(below, dict) and _type_of(tables[each]) in (None, below.get("type"))
            yield from _walk(place, _properties(tables[each]), tables, each, below if is_meant else None)


def _type_of(table: Schema) -> str | None:
    """Which of several tables it is; None where there is only one."""
    found: str | None = table["properties"].get("type", {}).get("const")
    return found


def _properties(table: Schema) -> Schema:
    more = table.get("additionalProperties")
    return {**table["properties"], **({ANY_NAME: more} if isinstance(more, dict) else {})}


def _needed(node: Schema, tables: Schema) -> Schema:
    """The definitions that a schema refers to, directly or not."""
    found: Schema = {}
    waiting = list(tables_in(node))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = tables[name]
            waiting += [each for below in _properties(tables[name]).values() for each in tables_in(below)]
    return dict(sorted(found.items()))


def _parts(text: str) -> list[str]:
    return text.strip("[] ").split(".")


def _shared(parts: list[str]) -> list[str]:
    """A key of a verb's own `data` table is that of `[data]`."""
    return parts[1:] if parts[:1] and parts[0] in OWN_DATA_VERBS and parts[1:2] == ["data"] and parts[2:] else parts


def _end(path: str, wanted: Sequence[str]) -> list[str]:
    return _parts(path)[-len(wanted) :]


def _matches(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    return len(wanted) == len(parts) and all(b in (a, ANY_NAME) for a, b in zip(wanted, parts, strict=True))


def _unknown(text: str, paths: Sequence[str], what: str = "key") -> UsageError:
    ends = {path.rpartition(".")[2]: path for path in reversed(paths)}
    guess = nearest(text, paths)
    if guess is None and (end := nearest(_parts(text)[-1], ends)) is not None:
        guess = ends[end]
    asked = f"; did you mean `{guess}`?" if guess else ""
    return UsageError(
        f"a recipe has no {what} `{text}`{asked}", hint=f"its tables are {', '.join(table_names())}; see `rilctl help`"
    )
