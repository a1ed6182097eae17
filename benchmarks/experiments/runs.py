"""One run: an arm's verbs through rilctl's Python API, then the test questions. What it leaves is one `Run`."""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments import metrics
from experiments.order import Task
from experiments.results import Run, pack
from experiments.worlds import Place
from rilctl import api
from rilctl.config.arms import Arm, arms_dir, read_arm
from rilctl.config.layers import read_layers
from rilctl.config.recipe import Verb

SEEDED = ("cache-teacher.seed", "sft.seed", "pretrain-disc.seed", "train.seed")
"""Everything random in an arm but the questions; the test questions stay the same."""
LEARNED = ("sft/num_tokens", *(f"policy/num_{side}_tokens" for side in ("student", "teacher", "sft")))
"""Metrics of a step that add up to the response tokens it learned from."""
_SHARED = ("data", "student", "teachers", "cache-teacher", "judge")
"""Tables that every arm's students depend on."""
Sets = Mapping[str, str]
"""`--set key=value`."""


@dataclass(frozen=True)
class Surroundings:
    """Where runs are made, and what is written down of it.

    Args:
        work: folder of artifacts; may be deleted whenever nothing runs.
        stop: asks for a clean end.
        reporter: told of progress.
        commit: of the repository.
        versions: of what computes.
    """

    work: Path
    stop: api.StopFlag
    reporter: api.Reporter
    commit: str
    versions: Mapping[str, str]


def overlay_of(name: str) -> Path:
    """The shipped file of that name; it may not be there yet."""
    return arms_dir() / f"{name}.toml"


def arm_of(place: Place, name: str) -> Arm:
    """The overlay of that name, over the world and its regime."""
    overrides = _overrides(place.world.of_arm.get(name, {}))
    return read_arm([place.world.recipe, place.regime.overlay], overlay_of(name), overrides)


def recipe_digest(place: Place, arm: Arm, task: Task, models: str = "") -> str:
    """Of all that is written in the tables that this run depends on, and of `models`; defaults are the commit's."""
    overrides = _overrides(_sets(place, arm, task))
    tree = read_layers(_files(place, task.arm), overrides, {}).tree
    said = {table: tree.get(table) for table in (*_SHARED, *arm.table.verbs)}
    return hashlib.sha256(f"{json.dumps(said, sort_keys=True)}{models}".encode()).hexdigest()[:12]


def make_run(place: Place, arm: Arm, task: Task, around: Surroundings, models: str) -> tuple[Run, str]:
    """Make the student from what all arms share, and ask it the test questions unless it is a trial.

    Half a run is no use to anybody, whose processor time would be wrong: it is begun anew.

    Args:
        place: the world in its regime.
        arm: its overlay.
        task: which student.
        around: where it is made.
        models: digest of those that were made for the world; empty where they ship.

    Returns:
        What was measured, and the digest of the test questions (empty for a trial).

    Raises:
        RilctlError: a verb failed, or was asked to stop.
    """
    folder = Path("runs", f"{place.results}-{task.seed}")
    own = folder / task.arm
    shutil.rmtree(around.work / own, ignore_errors=True)
    sets = _sets(place, arm, task)
    shared = _load(place, task.arm, sets, folder.name, around)
    for verb in ("cache-teacher", "judge"):
        _stage(shared, verb, folder / verb, around)
    began, num_tokens, validation, student = time.process_time(), 0, None, None
    seen: dict[str, float] = {}
    sets |= {"train.verdicts": str(folder / "judge")}
    for verb in arm.table.verbs:
        recipe = _load(place, task.arm, sets, folder.name, around)
        outputs = _stage(recipe, verb, own / verb, around).outputs
        if verb == "pretrain-disc":
            disc = outputs["discriminator"].path
            sets |= {"train.discriminator_artifact": disc}
            seen |= metrics.of_pretraining(api.open_artifact(disc).manifest.metrics)
        else:
            rows = api.read_metrics(around.work / own / verb)
            num_tokens += round(sum(learned_tokens(row) for row in rows))
            validation = metrics.last(rows, "validation/accuracy")
            student = outputs["student"].path
            sets |= {"pretrain-disc.student": student, "train.student": student}
            seen |= metrics.of_training(rows)
    cpu_s = round(time.process_time() - began, 1)
    right, digest = ([], "") if task.is_trial else _tested(place, student, own, around)
    shutil.rmtree(around.work / own, ignore_errors=True)
    run = Run(
        arm=task.arm,
        seed=task.seed,
        rate=task.rate,
        validation=None if validation is None else round(validation, 4),
        right=None if task.is_trial else pack(right),
        num_questions=len(right),
        num_tokens=num_tokens,
        cpu_s=cpu_s,
        metrics=seen,
        recipe=recipe_digest(place, arm, task, models),
        commit=around.commit,
        versions=dict(around.versions),
    )
    return run, digest


def learned_tokens(row: Mapping[str, float]) -> float:
    """Response tokens that the student learned from in one step, by the step's metrics."""
    return sum(row.get(name, 0.0) for name in LEARNED)


def _tested(place: Place, student: str | None, own: Path, around: Surroundings) -> tuple[list[bool], str]:
    """Which test questions it answers right by the rules, whatever the regime's judge is; and their ids' digest."""
    sets = {**place.world.test, **({} if student is None else {"eval.student": student})}
    recipe = api.load_recipe(place.world.recipe, overrides=_overrides(sets), base_dir=around.work)
    if student is None and recipe.tables.student is not None:
        sets["eval.student"] = recipe.tables.student.model
        recipe = api.load_recipe(place.world.recipe, overrides=_overrides(sets), base_dir=around.work)
    outputs = _stage(recipe, "eval", own / "eval", around).outputs
    rows = api.open_artifact(outputs["evaluation"].path).rows(api.EvaluationRecord)
    scores = sorted((row.sample_id, row.score == 1) for row in rows)
    digest = hashlib.sha256("\n".join(name for name, _ in scores).encode()).hexdigest()[:12]
    return [right for _, right in scores], digest


def _load(place: Place, arm: str, sets: Sets, name: str, around: Surroundings) -> api.LoadedRecipe:
    recipe = api.load_recipe(*_files(place, arm), overrides=_overrides(sets), base_dir=around.work)
    return replace(recipe, name=name)


def _stage(recipe: api.LoadedRecipe, verb: Verb, out: Path, around: Surroundings) -> api.StageResult:
    return api.run_stage(recipe, verb, out=out, reporter=around.reporter, stop=around.stop)


def _files(place: Place, arm: str) -> list[Path]:
    return [place.world.recipe, place.regime.overlay, overlay_of(arm)]


def _sets(place: Place, arm: Arm, task: Task) -> dict[str, str]:
    """What the task's recipe says beyond its files."""
    seeds = {**dict.fromkeys(SEEDED, str(task.seed)), **place.world.seeded(task.seed)}
    return {**place.world.of_arm.get(task.arm, {}), **seeds, **_rate(arm, task.rate)}


def _rate(arm: Arm, rate: float | None) -> dict[str, str]:
    """The last verb's rate; its end falls or rises with it."""
    if rate is None:
        return {}
    verb = arm.table.verbs[-1]
    table = arm.recipe.sft if verb == "sft" else arm.recipe.train
    assert table is not None
    optim = table.optim
    end = {} if optim.lr_end is None else {f"{verb}.optim.lr_end": f"{optim.lr_end * rate / optim.lr:.6g}"}
    return {f"{verb}.optim.lr": f"{rate:g}", **end}


def _overrides(sets: Sets) -> Sequence[str]:
    return [f"{key}={value}" for key, value in sets.items()]
