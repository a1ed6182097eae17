"""Private API of lmms-eval: what its tasks and evaluator are made of. Nothing here imports it before it is needed."""

import importlib
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rilctl.private.uses import Use

_GUESSERS: Final = {
    "lmms_eval.tasks._task_utils.mmmu_mcq_utils": "random",
    "lmms_eval.tasks.mmbench.mmbench_evals": "rd",
}
"""Modules that draw an option where they can't read a response, and their name for Python's `random`."""
_BARS: Final = ("lmms_eval.evaluator", "lmms_eval.api.task")
"""Modules that draw progress bars, with `tqdm`."""
_MMBENCH: Final = "lmms_eval.tasks.mmbench.mmbench_evals"
_TASK_WHY = "to score question by question, one metric at a time: the evaluator gives a task's score as a whole"


def task_folder() -> Path:
    """Where lmms-eval keeps the files that define its tasks."""
    return Path(str(importlib.import_module("lmms_eval.tasks").__file__)).parent


def fill_templates_with(environment: object) -> None:
    """From now on texts of tasks are filled in by an object whose `from_string` gives what has a `render`."""
    importlib.import_module("lmms_eval.utils").env = environment  # type: ignore[attr-defined]


@contextmanager
def guessing_with(stand_in: object) -> Iterator[None]:
    """Inside, lmms-eval's parsers draw options from a stand-in for `random`."""
    with _replaced({(importlib.import_module(name), attribute): stand_in for name, attribute in _GUESSERS.items()}):
        yield


@contextmanager
def without_bars(stand_in: object) -> Iterator[None]:
    """Inside, lmms-eval's progress bars are of another class, and from now on it logs nothing."""
    importlib.import_module("lmms_eval.evaluator").eval_logger.remove()
    with _replaced({(importlib.import_module(name), "tqdm"): stand_in for name in _BARS}):
        yield


@contextmanager
def mmbench_asking(reply: Callable[..., str]) -> Iterator[None]:
    """Inside, MMBench's own client answers with a function that is called as its method `get_chat_response` is."""
    with _replaced({(importlib.import_module(_MMBENCH).MMBench_Evaluator, "get_chat_response"): reply}):
        yield


@contextmanager
def scored_by(task: Any, metric: str, process_results: Callable[..., dict[str, Any]]) -> Iterator[None]:
    """Inside, a task's documents are scored by a function, and of its metrics one is aggregated.

    Args:
        task: lmms-eval's object.
        metric: the others write files, or aren't reported.
        process_results: called as the task's own is.
    """
    aggregations = task._aggregation_list
    task.process_results = process_results
    task._aggregation_list = {metric: aggregations[metric]}
    try:
        yield
    finally:
        del task.process_results
        task._aggregation_list = aggregations


def own_process_results(task: Any) -> Callable[..., dict[str, Any]]:
    """How a task scores a document, without five tries at two seconds where that fails."""
    function: Callable[..., dict[str, Any]] = inspect.unwrap(type(task).process_results).__get__(task)
    return function


def documents(task: Any) -> Any:
    """A task's documents as they are scored: without pictures, unless its scoring looks at them."""
    return task.eval_docs_no_media


@contextmanager
def _replaced(values: dict[tuple[Any, str], object]) -> Iterator[None]:
    before = {(owner, name): getattr(owner, name) for owner, name in values}
    for (owner, name), value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name), value in before.items():
            setattr(owner, name, value)


def _check_guessers() -> None:
    for name, attribute in _GUESSERS.items():
        if getattr(importlib.import_module(name), attribute) is not random:
            raise TypeError(f"{name}.{attribute} is not Python's `random`")


def _check_bars() -> None:
    for name in _BARS:
        if not callable(importlib.import_module(name).tqdm):
            raise TypeError(f"{name}.tqdm")
    if not callable(importlib.import_module("lmms_eval.evaluator").eval_logger.remove):
        raise TypeError("eval_logger.remove")


def _check_mmbench() -> None:
    method = importlib.import_module(_MMBENCH).MMBench_Evaluator.get_chat_response
    inspect.signature(method).bind(None, "prompt", temperature=0, max_tokens=1)


def _check_task() -> None:
    task = importlib.import_module("lmms_eval.api.task").ConfigurableTask
    named = {used for each in vars(task).values() if inspect.isfunction(each) for used in each.__code__.co_names}
    missing = [name for name in ("_aggregation_list", "eval_docs_no_media") if name not in named | set(dir(task))]
    if missing:
        raise AttributeError(f"ConfigurableTask.{missing[0]}")
    inspect.signature(inspect.unwrap(task.process_results)).bind(None, {}, [])


def _check_templates() -> None:
    utils = importlib.import_module("lmms_eval.utils")
    if "env" not in utils.apply_template.__code__.co_names:
        raise AttributeError("utils.env")


def _check_folder() -> None:
    if not any(task_folder().rglob("mmbench*.yaml")):
        raise FileNotFoundError(f"{task_folder()} holds no `mmbench*.yaml`")


USES = (
    Use("tasks/**/*.yaml", "to index the folders of a few tasks: an index of all takes six seconds", _check_folder),
    Use(
        "mmmu_mcq_utils.random and mmbench_evals.rd",
        "to see which answers are guesses: no result does",
        _check_guessers,
    ),
    Use("utils.env", "to fill in a task's templates in a sandbox: it has none", _check_templates),
    Use("evaluator.tqdm and eval_logger", "to show a person one voice: no argument silences these", _check_bars),
    Use(
        "MMBench_Evaluator.get_chat_response",
        "to let the recipe's judge read answers, and see calls that fail: its address comes from the environment",
        _check_mmbench,
    ),
    Use("ConfigurableTask._aggregation_list", _TASK_WHY, _check_task),
)
