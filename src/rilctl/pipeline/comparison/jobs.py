"""The commands of a comparison: what all arms share, then each arm's own verbs, then its evaluation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rilctl.config.arm import ArmVerb
from rilctl.config.arms import Arm
from rilctl.config.recipe import Recipe, Verb
from rilctl.config.train import TrainConfig
from rilctl.pipeline.comparison.setup import Comparison
from rilctl.pipeline.jobs import Job

_CACHE = "{cache-teacher:teacher-cache}"
_VERDICTS = "{judge:verdicts}"


@dataclass(frozen=True)
class Planned:
    """All commands of a comparison.

    Args:
        jobs: by name, in the order in which they start where nothing else decides.
        places: where each job's output goes.
        own: of each arm and seed, the jobs that make its student.
        evaluations: of each arm and seed, the job that measures it.
    """

    jobs: Mapping[str, Job]
    places: Mapping[str, Path]
    own: Mapping[tuple[str, int], tuple[str, ...]]
    evaluations: Mapping[tuple[str, int], str]


def plan_jobs(comparison: Comparison) -> Planned:
    """Every command of the comparison."""
    return _Planner(comparison).plan()


def has_warm_start(recipe: Recipe) -> bool:
    """Whether the arms begin from what `[sft]` makes: the recipe has that table, and `train` names no other student."""
    return recipe.sft is not None and (recipe.train is None or recipe.train.student is None)


def _disc_identity(arm: Arm) -> tuple[object, ...]:
    """What decides an arm's discriminator besides its seed and its student."""
    table, data = arm.recipe.pretrain_disc, arm.recipe.seen_by("pretrain-disc").data
    return (table and table.model_dump_json(), data and data.model_dump_json())


def needs_teachers(arm: Arm) -> bool:
    """Whether an arm learns from cached answers."""
    return any(_reads_cache(arm.recipe, verb) for verb in arm.table.verbs)


def _reads_cache(recipe: Recipe, verb: ArmVerb) -> bool:
    if verb == "sft":
        return recipe.sft is not None and recipe.sft.responses == "teacher-cache"
    return verb == "pretrain-disc" or (recipe.train or TrainConfig()).algorithm.uses_teachers


class _Planner:
    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.jobs: dict[str, Job] = {}
        self.places: dict[str, Path] = {}
        self.discriminators: dict[tuple[object, ...], str] = {}

    def plan(self) -> Planned:
        comparison = self.comparison
        self._shared()
        pace = comparison.pace
        # The others wait for the first one's tokens, and of them `train` takes longest.
        arms = sorted(comparison.arms, key=lambda arm: (arm is not pace, arm.table.verbs[-1:] != ("train",)))
        students = {(arm.name, seed): self._arm(arm, seed) for arm in arms for seed in comparison.seeds_of(arm)}
        own = {key: names for key, (_, names) in students.items()}
        evaluations = {}
        for arm in comparison.arms:
            for seed in comparison.seeds_of(arm):
                evaluations[arm.name, seed] = self._evaluation(arm, seed, students[arm.name, seed][0])
        return Planned(self.jobs, self.places, own, evaluations)

    @cached_property
    def start(self) -> str | None:
        """The student that all arms begin from; None: `[student]`, without being told."""
        recipe = self.comparison.recipe
        if has_warm_start(recipe):
            return "{sft:student}"
        return recipe.train.student if recipe.train is not None else None

    def _shared(self) -> None:
        if any(map(needs_teachers, self.comparison.arms)):
            self._add("cache-teacher", "cache-teacher", "ask the teachers", out=self._shared_place("cache-teacher"))
            sets, about = {"judge.source": _CACHE}, "see which of the teachers' answers are right"
            self._add("judge", "judge", about, sets, self._shared_place("judge"))
        if self.start == "{sft:student}":
            self._add("sft", "sft", "warm start of the student of all arms", out=self._shared_place("sft"))

    def _shared_place(self, verb: Verb) -> Path:
        """A pilot keeps all to itself; without, what the recipe's own commands made is used."""
        comparison = self.comparison
        return (comparison.root / comparison.name if comparison.pilot is None else comparison.folder) / verb

    def _arm(self, arm: Arm, seed: int) -> tuple[str | None, tuple[str, ...]]:
        """The student at the end of an arm's verbs, and their jobs."""
        student, names = self.start, list[str]()
        for verb in arm.table.verbs:
            name = _job_name(verb, arm.name, seed)
            if verb == "pretrain-disc":
                known = self.discriminators.setdefault((seed, student, *_disc_identity(arm)), name)
                if known != name:  # another arm has the same one
                    names.append(known)
                    continue
            sets = self._inputs(arm, verb, student, names) | self._seed(arm, verb, seed)
            if verb != "pretrain-disc":
                sets |= self._length(arm, verb, seed)
            self._add(name, verb, arm.table.about, sets, self._arm_place(arm, seed, verb), arm)
            names.append(name)
            if verb != "pretrain-disc":
                student = f"{{{name}:student}}"
        return student, tuple(names)

    def _inputs(self, arm: Arm, verb: ArmVerb, student: str | None, earlier: list[str]) -> dict[str, str]:
        """Where a verb's inputs are, but for those that the overlay names itself."""
        found: dict[str, str] = {}
        if student is not None:
            found["student"] = student
        if _reads_cache(arm.recipe, verb):
            found["teacher_cache"] = _CACHE
        algorithm, sft = (arm.recipe.train or TrainConfig()).algorithm, arm.recipe.sft
        is_judged = algorithm.uses_teachers and algorithm.uses_judge
        if (verb == "sft" and sft is not None and sft.uses_verdicts) or (verb == "train" and is_judged):
            found["verdicts"] = _VERDICTS
        disc = next((name for name in earlier if self.jobs[name].arguments[0] == "pretrain-disc"), None)
        if verb == "train" and disc is not None:
            found["discriminator_artifact"] = f"{{{disc}:discriminator}}"
        return {f"{verb}.{key}": value for key, value in found.items() if not arm.says(verb, key)}

    def _seed(self, arm: Arm, verb: ArmVerb, seed: int) -> dict[str, str]:
        table = getattr(arm.recipe, verb.replace("-", "_"))
        own = table.seed if table is not None else 0
        return {f"{verb}.seed": str(own + seed)} if seed else {}

    def _length(self, arm: Arm, verb: ArmVerb, seed: int) -> dict[str, str]:
        """What makes the arms' lengths equal."""
        budget, pace = self.comparison.budget, self.comparison.pace
        learning = [each for each in arm.table.verbs if each != "pretrain-disc"]
        if budget is not None and budget.unit == "tokens":  # those that make the student share them evenly
            return {f"{verb}.num_tokens": str(max(1, budget.number // len(learning)))}
        if verb != learning[-1]:
            return {}
        steps: dict[str, str] = {}
        if budget is not None and (verb == "train" or pace is None):
            steps[f"{verb}.num_steps"] = str(budget.number)
        if pace is None or arm is pace or (arm.table.own_length and budget is None):
            return steps
        return steps | {f"{verb}.match_tokens": f"{{{_job_name('train', pace.name, seed)}:rollouts}}"}

    def _evaluation(self, arm: Arm, seed: int, student: str | None) -> str:
        recipe = self.comparison.recipe
        assert recipe.student is not None
        sets = {"eval.student": student or recipe.student.model}
        if recipe.eval is None:
            sets["eval.suite"] = "validation"
        name = _job_name("eval", arm.name, seed)
        self._add(name, "eval", f"measure {arm.name}", sets, self._arm_place(arm, seed, "eval"), arm)
        return name

    def _arm_place(self, arm: Arm, seed: int, verb: Verb) -> Path:
        return self.comparison.folder / arm.name / f"seed-{seed}" / verb

    def _add(
        self,
        name: str,
        verb: Verb,
        about: str,
        sets: Mapping[str, str] | None = None,
        out: Path = Path(),
        arm: Arm | None = None,
    ) -> None:
        comparison = self.comparison
        files = [*comparison.recipes, *([arm.overlay] if arm is not None else [])]
        overrides = [f"--set={each}" for each in (*comparison.overrides, *_pairs(sets or {}))]
        self.jobs[name] = Job(about, (verb, *map(comparison.shown, files), *overrides, "--out", str(out)))
        self.places[name] = out


def _job_name(verb: Verb, arm: str, seed: int) -> str:
    return f"{verb}-{arm}" if seed == 0 else f"seed{seed}-{verb}-{arm}"


def _pairs(sets: Mapping[str, str]) -> Iterator[str]:
    return (f"{key}={value}" for key, value in sets.items())
