"""The recipe reference as Markdown: every table and key, from the JSON Schema that the models' docstrings become."""

from collections.abc import Sequence

from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.preference import PREFERENCE_LOSSES
from rilctl.config.recipe import Recipe
from rilctl.config.toml_writing import toml_key
from rilctl.config.values import Schema, default, kind, literal, tables_in
from rilctl.markdown import table

_HEAD = """\
# Recipe reference

Every table and key of a recipe. [Recipes](recipes.md) says how tables, files and flags come together.

An *execution* key says how something is computed and may change between two runs of one output directory.
Every other key is *semantic*: it is part of what an artifact means.
"""


def render() -> str:
    """One section for each table; a table that occurs in several places has one section that names them all."""
    schema = Recipe.model_json_schema()
    places: dict[str, list[str]] = {}
    _collect("", schema["properties"], schema["$defs"], places)
    return "\n".join([_HEAD, *(_section(name, places, schema["$defs"]) for name in places), _algorithms(), _losses()])


def _collect(path: str, properties: Schema, tables: Schema, places: dict[str, list[str]]) -> None:
    """The key paths of every table, in the order of the recipe; nested tables come after their parent."""
    for key, node in properties.items():
        here = f"{path}.{toml_key(key)}".lstrip(".")
        if node.get("own_data"):  # as `[data]`
            continue
        for name in tables_in(node):
            place = f"{here}.NAME" if "additionalProperties" in node else here
            if place not in places.setdefault(name, []):
                places[name].append(place)
        for name in tables_in(node):
            _collect(places[name][-1], _keys(tables[name]), tables, places)


def _keys(table: Schema) -> Schema:
    """What stands in a table; `NAME` where a person chooses names."""
    keys, more = table["properties"], table.get("additionalProperties")
    return {**keys, "NAME": more} if isinstance(more, dict) else dict(keys)


def _section(name: str, places: dict[str, list[str]], tables: Schema) -> str:
    schema = tables[name]
    text = " ".join(schema.get("description", "").split())
    found = ", ".join(f"`[{place}]`" for place in places[name])
    where = f"\n\nStands in {found}." if len(places[name]) > 1 else ""
    required = set(schema.get("required", ()))
    rows = [
        (
            f"`{key}`",
            _kind(node, places, tables),
            "required" if key in required else default(node, tables),
            _meaning(node),
        )
        for key, node in _keys(schema).items()
    ]
    head = f"## {_title(name, places, tables)}\n\n{text}{where}\n\n"
    return head + table(("key", "value", "default", "meaning"), rows)


def _algorithms() -> str:
    """Each algorithm's record."""
    head = "## Algorithms\n\nWhat each `train.algorithm.name` is made of. [Method](method.md) has the equations.\n\n"
    columns = ("name", "about", "loss", "rewards", "advantage", "objective", "weighting", "denominator", "own keys")
    rows = []
    keys = ("teacher_rows", "ratio_level", "clip_low", "clip_high", "kl_beta")
    for name, record in ALGORITHMS.items():
        cells = [f"`{name}`", record.about, " + ".join(record.losses)]
        if "rewards" in record.losses:
            own = ", ".join(f"`{key} = {literal(getattr(record, key))}`" for key in keys)
            made_of = (record.advantage, record.objective, record.loss_weighting, record.denominator)
            cells += [" + ".join(record.rewards), *(f"`{part}`" for part in made_of), own]
        else:
            cells += ["none"] + [""] * 5
        rows.append(cells)
    return head + table(columns, rows)


def _losses() -> str:
    """Each preference loss's record."""
    head = (
        "## Preference losses\n\n"
        "What each `sft.preference.loss` is made of. [Method](method.md#preferences) has the equations.\n\n"
    )
    rows = []
    for name, record in PREFERENCE_LOSSES.items():
        reference = "the student before it learned" if record.uses_reference else "none"
        own = ", ".join(f"`{key} = {literal(getattr(record, key))}`" for key in ("beta", "margin"))
        rows.append((f"`{name}`", record.about, f"`{record.reward}`", reference, own))
    return head + table(("name", "about", "reward", "reference", "own keys"), rows)


def _title(name: str, places: dict[str, list[str]], tables: Schema) -> str:
    """`[sft]`; `optim` tables where there are several; with its `type` where another may stand in its place."""
    first = places[name][0]
    shared = len(places[name]) > 1
    title = f"`{_last([first])}` tables" if shared else f"`[{first}]`"
    twins = [other for other in places if first in places[other] or (shared and _last(places[other]) == _last([first]))]
    return f"{title}, type `{tables[name]['properties']['type']['const']}`" if len(twins) > 1 else title


def _last(found: list[str]) -> str:
    return found[0].rpartition(".")[2]


def _kind(node: Schema, places: dict[str, list[str]], tables: Schema) -> str:
    """What a value may be, with links to tables."""

    def links(names: Sequence[str]) -> str:
        titles = [_title(name, places, tables) for name in names]
        return ", ".join(f"[{title.replace(' tables', '')}](#{_anchor(title)})" for title in titles)

    return kind(node, links)


def _meaning(node: Schema) -> str:
    text = " ".join(node.get("description", "").split())
    return f"{text} *Execution.*".strip() if node.get("execution") else text


def _anchor(title: str) -> str:
    """The heading as a link target, the way GitHub makes it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
