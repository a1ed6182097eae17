"""What differs between the run that a directory holds and the one that was asked for, for a person."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from rilctl.errors import UsageError
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.run import RunFile

_NUM_DIFFERENCES_NAMED = 3
_MAX_VALUE_CHARS = 80


def other_run(out: Path, existing: RunFile, wanted: RunFile) -> UsageError:
    """The refusal of a directory that holds another run, with the three ways out."""
    differences = [*differences_of(existing, wanted).values()]
    named = "; ".join(differences[:_NUM_DIFFERENCES_NAMED])
    more = len(differences) - _NUM_DIFFERENCES_NAMED
    return UsageError(
        f"`{out}` holds a run that differs: {named}" + (f"; and {more} more" if more > 0 else ""),
        hint=f"choose another directory with `--out`, restore what changed, or delete `{out}`",
    )


def differences_of(old: RunFile, new: RunFile) -> dict[str, str]:
    """What differs, as `key: old -> new` by key, config first; an input's key is `input ROLE`."""
    if old.verb != new.verb:
        return {"verb": f"verb: {old.verb} -> {new.verb}"}
    old_keys, new_keys = flat(old.semantic), flat(new.semantic)
    lines = {
        key: f"`{key}`: {_short(old_keys.get(key, 'absent'))} -> {_short(new_keys.get(key, 'absent'))}"
        for key in sorted(old_keys.keys() | new_keys.keys())
        if old_keys.get(key) != new_keys.get(key)
    }
    for role in sorted({entry.role for entry in [*old.inputs, *new.inputs]}):
        before, after = ([e for e in run.inputs if e.role == role] for run in (old, new))
        if sorted((e.kind, e.digest) for e in before) != sorted((e.kind, e.digest) for e in after):
            lines[f"input {role}"] = f"input `{role}`: {_named(before)} -> {_named(after)}"
    return lines


def _named(entries: Sequence[InputEntry]) -> str:
    return ", ".join(f"{entry.name} ({entry.digest[:12]})" for entry in entries) or "absent"


def flat(value: JsonValue, key: str = "") -> dict[str, str]:
    """Dotted key -> value as JSON text, as a person would compare two recipes."""
    if isinstance(value, dict) and value:
        return {k: v for name, child in value.items() for k, v in flat(child, f"{key}.{name}".lstrip(".")).items()}
    return {key: json.dumps(value, ensure_ascii=False)}


def _short(value: str) -> str:
    return value if len(value) <= _MAX_VALUE_CHARS else f"{value[:_MAX_VALUE_CHARS]}…"
