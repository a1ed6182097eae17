"""All that differs between two runs or artifacts."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from rilctl.artifacts.differences import flat
from rilctl.artifacts.layout import MANIFEST
from rilctl.errors import UsageError
from rilctl.schemas.difference import (
    ComparedSide,
    ContentDifference,
    Difference,
    Effect,
    InputDifference,
    KeyDifference,
)
from rilctl.views.difference.answers import compare_answers
from rilctl.views.difference.measured import compare_metrics, compare_speed
from rilctl.views.runs.find import distinct_names, find_runs
from rilctl.views.runs.view import RunView

_EFFECTS = get_args(Effect)
_DIGITS = 12


def difference_between(a: Path, b: Path) -> Difference:
    """Compare two runs, or two artifacts of runs.

    Args:
        a: the directory of a run or an artifact.
        b: the same, of the second.

    Raises:
        ArtifactError: there is none at one of them.
        UsageError: several runs are at one of them.
    """
    views = [_one_run(path) for path in (a, b)]
    roles = [_role(path, view) for path, view in zip((a, b), views, strict=True)]
    contents = _contents(views[0], views[1], roles)
    names = distinct_names([a, b])
    sides = [
        ComparedSide(
            name=name,
            path=str(path),
            verb=view.verb,
            state=view.state,
            versions=view.versions,
            hardware=view.hardware,
        )
        for name, path, view in zip(names, (a, b), views, strict=True)
    ]
    first, second = views
    answers = compare_answers(first, second)
    metrics, speed = compare_metrics(first, second), compare_speed(first, second)
    return Difference(
        a=sides[0],
        b=sides[1],
        same=bool(contents) and all(each.same for each in contents),
        recipe=_recipe(first, second),
        inputs=_inputs(first, second),
        metrics=metrics,
        answers=answers,
        speed=speed,
        contents=contents,
        problems=[*dict.fromkeys([*first.problems, *second.problems])],
    )


def _one_run(path: Path) -> RunView:
    found = find_runs(path)
    if len(found) > 1:
        names = ", ".join(f"`{view.path}`" for view in found[:3])
        raise UsageError(f"`{path}` holds {len(found)} runs", hint=f"name one of them: {names}")
    return found[0]


def _role(path: Path, view: RunView) -> str | None:
    """The role of the artifact that a path names; None where it names a run of several."""
    if not (path / MANIFEST).exists():
        return None
    return next((role for role, place in view.artifacts.items() if place.resolve() == path.resolve()), None)


def _recipe(a: RunView, b: RunView) -> list[KeyDifference]:
    keys_a, keys_b = flat(a.recipe), flat(b.recipe)
    found = [
        KeyDifference(key=key, a=_value(keys_a, key), b=_value(keys_b, key), effect=_effect(key, (a, b)))
        for key in sorted(keys_a.keys() | keys_b.keys())
        if keys_a.get(key) != keys_b.get(key)
    ]
    return sorted(found, key=lambda each: _EFFECTS.index(each.effect))


def _value(keys: Mapping[str, str], key: str) -> JsonValue:
    value: JsonValue = json.loads(keys.get(key, "null"))
    return value


def _effect(key: str, views: Iterable[RunView]) -> Effect:
    """By what the runs themselves say decides what they make."""
    semantic = {name for view in views if view.run_file for name in flat(view.run_file.semantic)}
    if any(name == key or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in semantic):
        return "semantic"
    return "execution" if key.partition(".")[0] in {name.partition(".")[0] for name in semantic} else "elsewhere"


def _inputs(a: RunView, b: RunView) -> list[InputDifference]:
    found = []
    for role in dict.fromkeys(entry.role for entry in [*a.inputs, *b.inputs]):
        own, other = ([entry for entry in view.inputs if entry.role == role] for view in (a, b))
        found.append(
            InputDifference(
                role=role,
                a=[f"{entry.name} ({entry.digest[:_DIGITS]})" for entry in own],
                b=[f"{entry.name} ({entry.digest[:_DIGITS]})" for entry in other],
                same=sorted(entry.digest for entry in own) == sorted(entry.digest for entry in other),
            )
        )
    return found


def _contents(a: RunView, b: RunView, roles: list[str | None]) -> list[ContentDifference]:
    """Of the two artifacts that were named, or of all that the runs have."""
    if roles[0] is not None and roles[1] is not None:
        pairs = [(roles[0], roles[1])]
    else:
        pairs = [(role, role) for role in sorted(a.manifests.keys() | b.manifests.keys())]
    found = []
    for own, other in pairs:
        digest_a = a.manifests[own].content_digest if own in a.manifests else None
        digest_b = b.manifests[other].content_digest if other in b.manifests else None
        role = own if own == other else f"{own} / {other}"
        found.append(ContentDifference(role=role, a=digest_a, b=digest_b, same=digest_a == digest_b))
    return found
