"""Suites: which benchmarks, in which order. Built-in ones are TOML files in this package, a user's own lie anywhere."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from rilctl.config.fields import PositiveFloat, PositiveInt
from rilctl.config.keys import table_names
from rilctl.config.suggest import did_you_mean
from rilctl.config.toml_reading import parse_toml, read_bounded
from rilctl.errors import ConfigError, UsageError
from rilctl.schemas.base import StrictModel, first_problem

_BUILT_IN = Path(str(resources.files("rilctl.config"))) / "suites"


@dataclass(frozen=True)
class DataNeed:
    """One split of a data set.

    Args:
        repository: on the hub; a mirror has a folder of this name.
        config: its configuration, where it has several.
        split: what is read.
        revision: commit, tag or branch.
    """

    repository: str
    config: str | None
    split: str
    revision: str


class Benchmark(StrictModel):
    """One `[[benchmarks]]` table."""

    name: str
    """The benchmark's name in papers and tables."""
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    """The tasks, by lmms-eval's names, that it consists of."""
    dataset: str
    """Where its questions come from: a repository on the hub, or a description."""
    configs: tuple[str, ...] = ()
    """The repository's configuration: one for all tasks, or one for each; absent: its only one."""
    split: str
    """Which split is asked."""
    revision: str = "main"
    """The repository's commit, tag or branch."""
    only: dict[str, str | int | bool] = {}
    """Ask only rows with these values, by column; a number and its text are one value."""
    whole: tuple[str, ...] = ()
    """Columns of whole numbers that the repository stores with a decimal point, which the task's code can't take."""
    rotations: bool = False
    """Rows whose `index` differs by a multiple of a million are one question, right if all of them are."""
    by: str | None = None
    """Column that says of which kind a question is: each kind gets a score of its own beside the benchmark's."""
    metric: str
    """The metric that is reported."""
    scale: PositiveFloat = 1.0
    """The metric's highest value."""
    judge: Literal["none", "extraction", "fallback", "always"] = "none"
    """What an LLM judge is needed for: nothing, reading the answer, unreadable answers, or scoring every answer."""
    num_questions: PositiveInt | None = None
    """How many questions it has, where that is fixed."""
    max_new_tokens: PositiveInt | None = None
    """Token budget of a response; absent: the task's own."""

    @property
    def is_on_hub(self) -> bool:
        """Whether `dataset` is a repository, whose name has no space, and no description."""
        return " " not in self.dataset

    @model_validator(mode="after")
    def _one_config_each(self) -> "Benchmark":
        if len(self.configs) not in (0, 1, len(self.tasks)):
            raise ValueError("configs has one entry for all tasks, or one for each of them")
        return self

    @property
    def asks_the_same_rows(self) -> bool:
        """Whether its tasks are several prompts for the same questions."""
        return len(self.tasks) > 1 and len(self.configs) <= 1

    def data(self) -> tuple["DataNeed", ...]:
        """What has to be there, each once."""
        configs = self.configs or (None,)
        return tuple(DataNeed(self.dataset, config, self.split, self.revision) for config in configs)

    def most_questions(self, limit: int | None) -> int | None:
        """How many are asked at most where each task's first so many are; None: nobody knows."""
        limited = None if limit is None else limit * len(self.tasks)
        return min((num for num in (self.num_questions, limited) if num is not None), default=None)

    def describe(self) -> str:
        """One line for a plan."""
        tasks = self.tasks if len(self.tasks) <= 4 else (*self.tasks[:2], f"and {len(self.tasks) - 2} more")
        configs = f" {self.configs[0]}" if len(self.configs) == 1 else ""
        parts = [f"{', '.join(tasks)}: {self.dataset}{configs} ({self.split})", self.metric]
        if self.num_questions is not None:
            parts.append(f"{self.num_questions:,} questions")
        if self.max_new_tokens is not None:
            parts.append(f"at most {self.max_new_tokens:,} tokens")
        if self.judge != "none":
            parts.append(f"LLM judge: {self.judge}")
        return ", ".join(parts)


class Suite(StrictModel):
    """A suite's file."""

    name: str
    """What it is called."""
    about: str = ""
    """One line for a person."""
    tasks: str | None = None
    """Folder of the tasks' YAML files, relative to this file; absent: this file's folder."""
    extra: Literal["eval"] | None = None
    """`eval`: lmms-eval runs it, which `rilctl[eval]` brings; absent: our own runner."""
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    """In the order of reports."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Suite":
        names = [benchmark.name for benchmark in self.benchmarks]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two benchmarks are called `{twice[0]}`; a score is found by its benchmark's name")
        judged = [benchmark for benchmark in self.benchmarks if benchmark.judge != "none"]
        if self.extra is None and judged:
            raise ValueError(
                f'benchmark `{judged[0].name}`: `judge` is for tasks of lmms-eval (extra = "eval"); our own runner '
                "scores by the task's `process_results` alone"
            )
        return self

    @property
    def columns(self) -> dict[str, str | None]:
        """The benchmarks' names, each with the column that breaks its score down."""
        return {benchmark.name: benchmark.by for benchmark in self.benchmarks}

    @property
    def shared_tasks(self) -> frozenset[str]:
        """Tasks that several benchmarks ask, each its own rows of them."""
        tasks = [task for benchmark in self.benchmarks for task in benchmark.tasks]
        return frozenset(task for task in tasks if tasks.count(task) > 1)


@dataclass(frozen=True)
class FoundSuite:
    """A suite, and where it was found.

    Args:
        suite: its content.
        path: its file.
        digest: sha256 of the file.
        is_built_in: whether it ships with rilctl.
    """

    suite: Suite
    path: Path
    digest: str
    is_built_in: bool

    @property
    def tasks_folder(self) -> Path:
        """Where a user's own suite keeps its tasks."""
        return self.path.parent / (self.suite.tasks or ".")


def suite_names() -> tuple[str, ...]:
    """The built-in suites."""
    return tuple(sorted(path.stem for path in _BUILT_IN.glob("*.toml")))


def find_suite(name: str, base_dir: Path) -> FoundSuite:
    """Find a suite.

    Args:
        name: a built-in suite's name, or the path of a TOML file.
        base_dir: folder that a relative path starts from.

    Raises:
        UsageError: neither a built-in suite nor a file.
        ConfigError: the file is no suite.
    """
    if name in suite_names():
        return _read(_BUILT_IN / f"{name}.toml", is_built_in=True)
    path = base_dir / name
    if path.is_file():
        return _read(path, is_built_in=False)
    if name.endswith(".toml"):
        beside = [file.name for file in path.parent.glob("*.toml")]
        raise UsageError(
            f"no suite file `{path}`{did_you_mean(path.name, beside)}",
            hint=f"built-in suites: {', '.join(suite_names())}",
        )
    raise UsageError(
        f"no suite `{name}`{did_you_mean(name, suite_names())}",
        hint=f"use one of {', '.join(suite_names())}, or the path of a suite's TOML file",
    )


def select(suite: Suite, names: Sequence[str]) -> Suite:
    """The part of a suite that has these benchmarks or tasks, in the suite's order.

    Args:
        suite: the whole.
        names: benchmarks or tasks, in any case; a benchmark of several tasks is kept whole.

    Raises:
        UsageError: the suite has no such benchmark or task.
    """
    wanted = {name.casefold() for name in names}
    known = {name.casefold() for b in suite.benchmarks for name in (b.name, *b.tasks)}
    benchmarks = [b.name for b in suite.benchmarks]
    for name in names:
        if name.casefold() not in known:
            raise UsageError(
                f"suite `{suite.name}` has no benchmark `{name}`{did_you_mean(name, benchmarks)}",
                hint=f"it has {', '.join(benchmarks)}",
            )
    kept = tuple(b for b in suite.benchmarks if wanted & {name.casefold() for name in (b.name, *b.tasks)})
    return suite.model_copy(update={"benchmarks": kept})


def _read(path: Path, *, is_built_in: bool) -> FoundSuite:
    try:
        raw = read_bounded(path, "suite")
        said = parse_toml(raw.decode("utf-8-sig"))
        if said.keys() & {*table_names()} and not said.keys() & Suite.model_fields.keys():
            raise ConfigError(
                f"`{path}` is a recipe, not a suite",
                hint=f"`rilctl eval --suite` takes one of {', '.join(suite_names())}, or a suite's file",
            )
        suite = Suite.model_validate_json(json.dumps(said))
    except ValidationError as error:
        raise ConfigError(f"suite `{path}`: {first_problem(error)}", hint="see the built-in suites") from None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"suite `{path}` can't be read: {error}", hint="a suite is a TOML file in UTF-8") from None
    return FoundSuite(suite, path, hashlib.sha256(raw).hexdigest(), is_built_in)
