"""Where a recipe's values come from: files left to right, `--set`, flags; merged, with the origin of each value."""

import datetime
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rilctl.config.recipe import OWN_DATA_VERBS
from rilctl.config.suggest import nearest_file
from rilctl.config.toml_reading import MOST_LEVELS, parse_toml, read_bounded
from rilctl.config.toml_writing import toml_key
from rilctl.errors import ConfigError

KeyPath = tuple[str | int, ...]

DEFAULT_RECIPE = Path("recipe.toml")
"""What is read where the command line names no recipe."""

_TOML_POSITION = re.compile(
    r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|(?P<end>end of document))\)"
)
_ROWS = {".jsonl": "jsonl", ".parquet": "parquet"}
"""How files of rows end, and their `data.type`."""
_MOST_KEY = 1000
"""Characters of a key after `--set`."""
_MOST_SHOWN = 200
"""Characters of a `--set` in a message."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe.

    Args:
        path: where, from the recipe's root.
        origin: the file, `--set` or `command line` that the value came from; None where no value is there.
        text: what was expected and what was found.
    """

    path: KeyPath
    origin: str | None
    text: str

    def __str__(self) -> str:
        """File, key, and what is wrong."""
        where = f"{self.origin}: " if self.origin else ""
        return f"{where}`{dotted(self.path)}`: {self.text}" if self.path else f"{where}{self.text}"


@dataclass(frozen=True)
class Layers:
    """A recipe before it is validated.

    Args:
        tree: the merged tables; JSON values only.
        origins: where each value came from, by key path.
        problems: values that no recipe can hold, such as NaN or a date; they are not in `tree`.
    """

    tree: dict[str, JsonValue]
    origins: dict[KeyPath, str]
    problems: tuple[Problem, ...]

    def origin(self, path: KeyPath) -> str | None:
        """Who set the value at `path`, or the first value under it, or the table around it."""
        for length in range(len(path), 0, -1):
            head = path[:length]
            if head in self.origins:
                return self.origins[head]
            for known, origin in self.origins.items():
                if known[:length] == head:
                    return origin
        return None


def dotted(path: KeyPath) -> str:
    """A key path as TOML writes it: `teachers."my model".dtype`, `cache-teacher.teachers[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + toml_key(part)
    return text


def default_recipes(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The recipes to read: those named, else `./recipe.toml` if it exists, else none."""
    if paths:
        return tuple(paths)
    return (DEFAULT_RECIPE,) if DEFAULT_RECIPE.is_file() else ()


def recipe_name(paths: Sequence[Path]) -> str:
    """The name of the recipe's folder under the workspace root: the first file's stem, `default` without a file."""
    return paths[0].resolve().stem if paths else "default"


def read_layers(paths: Sequence[Path], overrides: Sequence[str], flags: Mapping[str, JsonValue]) -> Layers:
    """Merge files left to right, then `--set` overrides, then flags.

    Args:
        paths: TOML files.
        overrides: `a.b=VALUE`; VALUE is a TOML value, or else a bare string.
        flags: dotted key -> value; None means that the flag was not given.

    Raises:
        ConfigError: a file is missing or is no TOML, or an override is not of the form `key=value`.
    """
    tree: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    said = [_parse_override(override) for override in overrides]  # first: what a space cut off stands among the files
    for path in paths:
        _merge(tree, _read_toml(path), (), str(path), origins)
    for key_path, value in said:
        _merge(tree, _nested(key_path, value), (), "--set", origins)
    for key, value in flags.items():
        if value is not None:
            _merge(tree, _nested(key.split("."), value), (), "command line", origins)
    _complete_own_data(tree, origins)
    problems: list[Problem] = []
    cleaned = _json_values(tree, (), problems)
    assert isinstance(cleaned, dict)
    layers = Layers(cleaned, origins, ())
    return Layers(cleaned, origins, tuple(Problem(p.path, layers.origin(p.path), p.text) for p in problems))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_bounded(path, "recipe").decode("utf-8-sig"))
    except FileNotFoundError:
        if path.suffix != ".toml" and "=" in str(path) and _parse_key(str(path).partition("=")[0]):
            raise ConfigError(f"`{path}` is no recipe", hint=f"is it a key? `--set {shlex.quote(str(path))}`") from None
        close = nearest_file(path, path.parent.glob("*.toml")) if path.parent.is_dir() else None
        guess = f"; did you mean `{close}`?" if close else ""
        raise ConfigError(f"no recipe `{path}`{guess}", hint="recipes are files that end in .toml") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"can't read recipe `{path}`: {reason}", hint="name a TOML file that you may read") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})", hint="a recipe is a TOML file") from error
    except ValueError as error:
        rules = "TOML's rules: https://toml.io"
        hint = rules if path.suffix == ".toml" else f"is it a recipe? Those are TOML files; {rules}"
        if kind := _ROWS.get(path.suffix):
            hint = f"a recipe names rows: `--set data.type={kind} --set data.path={path}`"
        raise ConfigError(_syntax_message(path, str(error)), hint=hint) from error


def _syntax_message(path: Path, message: str) -> str:
    match = _TOML_POSITION.match(message)
    if match is None:
        return f"{path}: {message}"
    what = match["what"][0].lower() + match["what"][1:]
    return f"{path}, end of file: {what}" if match["end"] else f"{path}:{match['line']}:{match['column']}: {what}"


def _parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    shown = override if len(override) <= _MOST_SHOWN else f"{override[:_MOST_SHOWN]}…"
    if "=" not in override:
        raise ConfigError(f"`--set {shown}` has no `=`", hint="write `--set train.num_steps=100`")
    # A quoted key may hold a `=` itself, so the first part that is a key ends where the value starts.
    ends = [match.start() for match in re.finditer("=", override[:_MOST_KEY])]
    splits = ((override[:end], override[end + 1 :]) for end in ends)
    key_path, text = next(((path, text) for key, text in splits if (path := _parse_key(key))), (None, ""))
    if key_path is None:
        hint = f"write keys as TOML does, in at most {MOST_LEVELS} parts: `train.optim.lr=1e-5`"
        raise ConfigError(f"`--set {shown}` names no key", hint=hint)
    try:
        parsed = parse_toml(f"v = {text}")
    except ValueError:
        parsed = {}
    # A newline in the value could smuggle in further keys, and no field is a date: both are bare strings.
    is_value = set(parsed) == {"v"} and not isinstance(parsed["v"], datetime.date | datetime.time)
    return key_path, parsed["v"] if is_value else text


def _parse_key(key: str) -> tuple[str, ...] | None:
    """The parts of a dotted TOML key, or None if it isn't one."""
    try:
        node: Any = parse_toml(f"{key.strip()} = 0")
    except ValueError:
        node = None
    parts: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        (part, node), *_ = node.items()
        parts.append(part)
    return tuple(parts) if node == 0 and parts else None


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _merge(into: dict[str, Any], new: dict[str, Any], at: KeyPath, origin: str, origins: dict[KeyPath, str]) -> None:
    """Tables are merged key by key; anything else is replaced."""
    for key, value in new.items():
        path, is_table = (*at, key), isinstance(value, dict)
        if not is_table or not isinstance(into.get(key), dict):
            if key in into:
                _forget(path, origins)
            into[key] = {} if is_table else value
            origins[path] = origin
        if is_table:
            _merge(into[key], value, path, origin, origins)


def _complete_own_data(tree: dict[str, Any], origins: dict[KeyPath, str]) -> None:
    """A verb's `data` table without a `type` differs from `[data]` in what it says, and only there."""
    shared = tree.get("data")
    for verb in OWN_DATA_VERBS:
        table = tree.get(verb)
        own = table.get("data") if isinstance(table, dict) else None
        if isinstance(own, dict) and isinstance(shared, dict) and "type" not in own:
            _lay_under(own, shared, (verb, "data"), ("data",), origins)


def _lay_under(
    above: dict[str, Any], below: dict[str, Any], at: KeyPath, below_at: KeyPath, origins: dict[KeyPath, str]
) -> None:
    """Add what only `below` has, with where it came from."""
    for key, value in below.items():
        if key not in above:
            above[key] = deepcopy(value)
            known = [path for path in origins if path[: len(below_at) + 1] == (*below_at, key)]
            origins.update({(*at, *path[len(below_at) :]): origins[path] for path in known})
        elif isinstance(value, dict) and isinstance(above[key], dict):
            _lay_under(above[key], value, (*at, key), (*below_at, key), origins)


def _forget(path: KeyPath, origins: dict[KeyPath, str]) -> None:
    for known in [k for k in origins if k[: len(path)] == path]:
        del origins[known]


def _json_values(value: Any, path: KeyPath, problems: list[Problem]) -> JsonValue:
    """`value` without what JSON can't hold; each of those becomes a problem."""
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            cleaned = _json_values(item, (*path, key), problems)
            if not problems or problems[-1].path != (*path, key):
                kept[key] = cleaned
        return kept
    if isinstance(value, list | tuple):
        return [_json_values(item, (*path, index), problems) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(Problem(path, None, f"expected a finite number, found {value}"))
        return None
    if isinstance(value, datetime.date | datetime.time):
        problems.append(Problem(path, None, "a date is no value of a recipe; put it in quotes"))
        return None
    assert value is None or isinstance(value, str | int | float)
    return value
