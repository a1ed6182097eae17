"""What is compared: the recipe, its arms, seeds and lengths, and where everything goes."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rilctl.config.arms import Arm, find_overlay, read_arms
from rilctl.config.layers import recipe_name
from rilctl.config.load import load_recipe
from rilctl.config.recipe import OWN_DATA_VERBS, Recipe
from rilctl.config.train import TrainConfig
from rilctl.errors import ConfigError, UsageError
from rilctl.pipeline.run import check_suite

DEFAULT_ARMS = ("base", "sft-teachers", "sft-right", "dr-grpo", "answer-teachers", "ril")
"""What is compared where nobody says."""
PILOT_PASSES = 4
"""How often a pilot's training sees each of its questions, at most."""
_BUDGET = re.compile(r"(?P<unit>tokens|steps)=(?P<number>[1-9][\d_]*)")


@dataclass(frozen=True)
class Budget:
    """How long every arm trains: steps of `train`, or response tokens."""

    unit: Literal["tokens", "steps"]
    number: int


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Args:
        recipes: the recipe's files.
        said: `a.b=VALUE`, as a person said.
        overrides: those of every command: the same, and a pilot's.
        recipe: with them, without an overlay.
        full: the same without a pilot's.
        arms: at least two.
        num_seeds: students of each arm that has something random.
        budget: of every arm; None: the recipe's own steps.
        pilot: questions that are used; None: all.
        root: the workspace root, as the commands name it.
        cwd: where they run; what is below it is named from there.
    """

    recipes: tuple[Path, ...]
    said: tuple[str, ...]
    overrides: tuple[str, ...]
    recipe: Recipe
    full: Recipe
    arms: tuple[Arm, ...]
    num_seeds: int
    budget: Budget | None
    pilot: int | None
    root: Path
    cwd: Path

    def shown(self, path: Path) -> str:
        """A file as the commands name it."""
        return str(path.relative_to(self.cwd) if path.is_relative_to(self.cwd) else path)

    @property
    def name(self) -> str:
        """The recipe's."""
        return recipe_name(self.recipes)

    @property
    def folder(self) -> Path:
        """Where the arms go, and all of a pilot."""
        return self.root / self.name / ("compare" if self.pilot is None else f"pilot-{self.pilot}")

    @property
    def pace(self) -> Arm | None:
        """The arm whose response tokens the others have as well: the first with a discriminator, else with `train`."""
        trained = [arm for arm in self.arms if arm.table.verbs[-1:] == ("train",)]
        similar = [arm for arm in trained if (arm.recipe.train or TrainConfig()).algorithm.uses_discriminator]
        return next(iter((*similar, *trained)), None)

    def seeds_of(self, arm: Arm) -> range:
        """What is added to the recipe's seeds; an arm that does nothing has one student."""
        return range(self.num_seeds if arm.table.verbs else 1)


def parse_budget(text: str) -> Budget:
    """`tokens=200000` or `steps=100`. Raises `UsageError` for anything else."""
    found = _BUDGET.fullmatch(text)
    if found is None:
        raise UsageError(
            f"`--budget {text}` is no budget", hint="write `--budget tokens=200000` or `--budget steps=100`"
        )
    unit: Literal["tokens", "steps"] = "tokens" if found["unit"] == "tokens" else "steps"
    return Budget(unit, int(found["number"]))


def make_comparison(
    recipes: Sequence[Path],
    overrides: Sequence[str] = (),
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    num_seeds: int = 1,
    budget: Budget | None = None,
    pilot: int | None = None,
    root: Path | None = None,
    cwd: Path | None = None,
) -> Comparison:
    """Read everything that is compared.

    Args:
        recipes: the recipe's files.
        overrides: `a.b=VALUE`.
        arms: names of shipped overlays, or paths.
        num_seeds: students of each arm.
        budget: see `Comparison`; a pilot has one of its own.
        pilot: use at most so many of the questions.
        root: the workspace root; None: the recipe's.
        cwd: where the commands run; None: the current directory.

    Raises:
        ConfigError: the recipe, or an overlay over it, isn't one; or nothing is held out to compare on.
        UsageError: an arm or a suite that there isn't, or fewer than two arms.
    """
    for arm in arms:
        find_overlay(arm)
    if len(arms) < 2:
        raise UsageError("a comparison needs two arms at least", hint="name them: `--arms base,sft-right,ril`")
    full = load_recipe(recipes, overrides)
    _refuse_unmeasurable(full)
    cwd = cwd or Path.cwd()
    check_suite(full, cwd)
    more: list[str] = []
    if root is not None and root != Path(full.workspace.root):
        more.append(f"workspace.root={root}")
    if pilot is not None:
        more += _pilot_overrides(full, pilot)
        budget = budget or Budget("steps", _pilot_steps(full, pilot))
    every = (*overrides, *more)
    recipe = load_recipe(recipes, every)
    return Comparison(
        recipes=tuple(recipes),
        said=tuple(overrides),
        overrides=every,
        recipe=recipe,
        full=full,
        arms=read_arms(recipes, arms, every),
        num_seeds=num_seeds,
        budget=budget,
        pilot=pilot,
        root=Path(recipe.workspace.root),
        cwd=cwd,
    )


def _refuse_unmeasurable(recipe: Recipe) -> None:
    if recipe.data is None:
        raise ConfigError(
            "the recipe has no [data] table", hint="say where questions come from, e.g. `--set data.type=digits`"
        )
    if recipe.student is None:
        raise ConfigError("the recipe has no [student] table", hint="e.g. `--set student.model=qwen3b`")
    if recipe.eval is None and not recipe.data.validation.is_set:
        raise ConfigError(
            "nothing to compare students on: the recipe has no [eval] table, and holds no questions out",
            hint="`--set data.validation.share=0.1` holds a tenth out",
        )


def _pilot_steps(recipe: Recipe, pilot: int) -> int:
    train = recipe.train
    if train is None:
        raise ConfigError("a pilot without a [train] table needs `--budget`", hint="e.g. `--budget tokens=100000`")
    return min(train.num_steps, math.ceil(PILOT_PASSES * pilot / train.questions_per_step))


def _pilot_overrides(recipe: Recipe, pilot: int) -> list[str]:
    """Fewer questions; and of steps that the recipe counts, no more than `PILOT_PASSES` passes over them."""
    own = {verb for verb in OWN_DATA_VERBS if recipe.seen_by(verb).data != recipe.data}
    found = [f"{place}.select.num_samples={pilot}" for place in ("data", *(f"{verb}.data" for verb in sorted(own)))]
    if recipe.sft is not None and recipe.sft.num_steps is not None:
        most = math.ceil(PILOT_PASSES * pilot / recipe.sft.rows_per_step)
        found.append(f"sft.num_steps={min(recipe.sft.num_steps, most)}")
    disc = recipe.pretrain_disc
    if disc is not None and disc.num_steps is not None:
        most = math.ceil(pilot * disc.num_responses / disc.pairs_per_step)
        found.append(f"pretrain-disc.num_steps={min(disc.num_steps, most)}")
    return found
