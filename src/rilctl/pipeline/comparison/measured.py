"""What the commands of a comparison left: scores, tokens, seconds, costs; all from artifacts and logs of runs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import METRICS, TIMINGS
from rilctl.artifacts.read import check_log, read_manifest, read_rows
from rilctl.pipeline.comparison.jobs import Planned
from rilctl.reporting.metrics import MetricsRow, read_metrics
from rilctl.schemas.comparison import SharedCost
from rilctl.schemas.records import EvaluationRecord

Question = tuple[str, str, int]
"""Benchmark, id, and which of those with that id."""
_LEARNED = ("sft/num_tokens", *(f"policy/num_{side}_tokens" for side in ("student", "teacher", "sft")))
"""Response tokens of a step, by what trains."""
_SHARED = ("cache-teacher", "judge", "sft")


@dataclass(frozen=True)
class Measured:
    """One student.

    Args:
        scores: by question, 0 to 1.
        response_tokens: that it learned from in its own verbs.
        seconds: of its own verbs; None: one has no record.
    """

    scores: Mapping[Question, float]
    response_tokens: int
    seconds: float | None


def measure(planned: Planned, results: Mapping[str, Mapping[str, Any]], cwd: Path) -> dict[tuple[str, int], Measured]:
    """Every arm and seed.

    Args:
        planned: the commands.
        results: what each wrote to stdout.
        cwd: where they ran.

    Raises:
        ArtifactError: something was damaged since.
    """
    found = {}
    for key, names in planned.own.items():
        evaluation = Path(results[planned.evaluations[key]]["outputs"]["evaluation"]["path"])
        tokens, seconds = 0, list[float | None]()
        for name in names:
            place = cwd / planned.places[name]
            tokens += learned_tokens(_log(place / METRICS))
            seconds.append(seconds_of(place))
        total = None if any(each is None for each in seconds) else sum(each or 0.0 for each in seconds)
        found[key] = Measured(scores_of(cwd / evaluation), tokens, total)
    return found


def scores_of(evaluation: Path) -> dict[Question, float]:
    """Every question's score beside its own picture; ids that occur again are told apart by their order."""
    met: Counter[tuple[str, str]] = Counter()
    found: dict[Question, float] = {}
    for row in read_rows(evaluation, EvaluationRecord):
        if row.picture is not None:
            continue
        name = row.benchmark, row.sample_id
        found[*name, met[name]] = row.score
        met[name] += 1
    return found


def learned_tokens(rows: Sequence[MetricsRow]) -> int:
    """Response tokens that a run's steps learned from; a discriminator's aren't among them."""
    return round(sum(row.get(name, 0.0) for row in rows for name in _LEARNED))


def seconds_of(place: Path) -> float | None:
    """What a run's steps took, all phases and validations; None: it has no record of that."""
    if not (place / TIMINGS).is_file():
        return None
    return sum(value for row in read_metrics(place / TIMINGS) for name, value in row.items() if name.endswith("_s"))


def shared_costs(planned: Planned, logs: Path, cwd: Path) -> list[SharedCost]:
    """What was done once for all arms."""
    return [
        SharedCost(name=name, seconds=said_seconds_of(name, logs), money=_money(cwd / planned.places[name]))
        for name in _SHARED
        if name in planned.jobs
    ]


def said_seconds_of(name: str, logs: Path) -> float | None:
    """Of all finished starts of a job that did something, as they said; those that were stopped said nothing."""
    seconds = []
    for file in (logs / f"{name}.json", *sorted(logs.glob(f"{name}-[0-9]*.json"))):
        try:
            said = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if said.get("status") == "done":
            seconds.append(float(said["seconds"]))
    return sum(seconds) if seconds else None


def _money(place: Path) -> float | None:
    """What endpoints charged for an artifact, as its manifest says."""
    metrics = read_manifest(place).metrics
    charged = [value for name, value in metrics.items() if name == "cost" or name.startswith("cost/")]
    return sum(charged) if charged else None


def _log(path: Path) -> list[MetricsRow]:
    check_log(path)
    return read_metrics(path)
