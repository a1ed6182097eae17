"""The reported runs: what each is, how far it came, what it took."""

import json
import struct
from pathlib import Path
from typing import Any, cast

from rilctl.artifacts.layout import open_regular
from rilctl.schemas.report import ReportedRun
from rilctl.views.report.nearby import nearby
from rilctl.views.runs.view import RunView

_HEADER_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 100_000_000
_COSTS = ("judge/cost", "judge/canary/cost")


def reported(run: RunView) -> ReportedRun:
    """What is known of a run as a whole."""
    return ReportedRun(
        name=run.name,
        path=nearby(str(run.path)),
        verb=run.verb,
        state=run.state,
        started_at=run.started_at,
        steps_done=last_step(run),
        steps_planned=table_of(run).get("num_steps"),
        seconds=_seconds(run),
        cost=_cost(run),
        num_parameters=num_parameters(run.artifacts["student"]) if "student" in run.artifacts else None,
        hardware=run.hardware,
        versions=run.versions,
    )


def table_of(run: RunView, name: str | None = None) -> dict[str, Any]:
    """A table of the run's recipe; None: its verb's own. Empty where it has none."""
    table = run.recipe.get(name or run.verb)
    return cast("dict[str, Any]", table) if isinstance(table, dict) else {}


def last_step(run: RunView) -> int | None:
    """The newest step that was measured; None for verbs without steps."""
    return max((points[-1][0] for points in run.metrics.values() if points), default=None)


def num_parameters(model: Path) -> int | None:
    """Values in a model's weights, by the headers of its files; None where they can't be read."""
    files = sorted(model.glob("*.safetensors"))
    try:
        return sum(map(_num_values, files)) or None
    except (OSError, ValueError, struct.error, KeyError, TypeError):
        return None


def _num_values(file: Path) -> int:
    with open_regular(file) as opened:
        (length,) = struct.unpack("<Q", opened.read(_HEADER_LENGTH_BYTES))
        if length > _MOST_HEADER_BYTES:
            raise ValueError("no header of safetensors")
        header = json.loads(opened.read(length))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for side in tensor["shape"]:
                size *= int(side)
            total += size
    return total


def _seconds(run: RunView) -> float | None:
    total = sum(value for name, points in run.timings.items() if name.endswith("_s") for _, value in points)
    return total or None


def _cost(run: RunView) -> float | None:
    found = [points[-1][1] for name in _COSTS if (points := run.metrics.get(name))]
    found += [manifest.metrics["cost"] for manifest in run.manifests.values() if "cost" in manifest.metrics]
    return sum(found) if found else None
