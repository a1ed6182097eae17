"""From a benchmark of a suite to lmms-eval's task objects, with the data where the person has it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from lmms_eval.tasks import TaskManager

from rilctl.config.suite import Benchmark
from rilctl.config.toml_reading import read_bounded
from rilctl.data.folders import folder_cache
from rilctl.engines.evaluation.asked import column_text
from rilctl.engines.evaluation.lmms.judging import API_TYPE
from rilctl.engines.evaluation.lmms.quiet import quiet
from rilctl.engines.evaluation.lmms.task_files import check_task_files, task_files_digest
from rilctl.errors import ConfigError, DataError, RilctlError
from rilctl.private.lmms_eval import task_folder

MODEL_NAME: Final = "rilctl"
"""What tasks with settings for a certain model see; none has settings for ours, so the default ones apply."""
_DEFAULT_REVISION: Final = Benchmark.model_fields["revision"].default
_ENVIRONMENT: Final = {"API_TYPE": API_TYPE}
"""Tasks choose their judge's client when they are imported; this names ours, and no key is ever in there."""


class TaskLoader:
    """Loads tasks by name, from lmms-eval's own folder or the suite's.

    Args:
        folder: where a suite of one's own keeps its tasks; they come before lmms-eval's.
        data_dir: a mirror of the data sets, `<data_dir>/<owner>/<name>`; None: the hub, or its local cache.
    """

    def __init__(self, folder: Path | None, data_dir: Path | None) -> None:
        self._folder, self._data_dir = folder, data_dir

    def load(self, benchmark: Benchmark) -> list[Any]:
        """The benchmark's tasks without groups, in its order; their data is read.

        Raises:
            ConfigError: lmms-eval has no such task, or the task can't be set up, or a file of the suite isn't safe.
            DataError: its data can't be read.
        """
        if self._folder is not None:
            check_task_files(self._folder)
        with quiet(), _environment(_ENVIRONMENT):
            manager = self._manager(benchmark.tasks)
            unknown = [name for name in benchmark.tasks if name not in manager.task_index]
            if unknown:
                raise ConfigError(
                    f"lmms-eval has no task `{unknown[0]}`", hint="`python -m lmms_eval tasks` lists them"
                )
            return [leaf for name in benchmark.tasks for leaf in self._load(manager, name, benchmark)]

    def _manager(self, names: Sequence[str]) -> TaskManager:
        """Over the few folders that hold these tasks; an index of all of lmms-eval's takes six seconds."""
        folders = [str(self._folder)] if self._folder is not None else []
        found = sorted({str(path.parent) for path in defining(names, task_folder())})
        return TaskManager("ERROR", include_path=folders + found, include_defaults=False, model_name=MODEL_NAME)

    def _load(self, manager: TaskManager, name: str, benchmark: Benchmark) -> list[Any]:
        changes = self._changes(name, benchmark)
        try:
            found = list(_leaves(manager.load_task_or_group([name] if not changes else [{"task": name, **changes}])))
        except RilctlError:
            raise
        except Exception as error:  # tasks are programs, and tenacity wraps what `datasets` raises
            cause = _cause(error)
            raise DataError(
                f"task `{name}` can't be loaded: {type(cause).__name__}: {_first_line(cause)}",
                hint="`--print-datasets` lists what it reads; a mirror is named by `--data-dir`",
            ) from error
        for task in found:
            split = task.config.test_split or task.config.validation_split
            if split != benchmark.split:
                raise ConfigError(
                    f"benchmark `{benchmark.name}` has `split = {benchmark.split!r}`; task `{name}` asks `{split}`",
                    hint="write the task's own split into the suite, or name a task that asks another",
                )
        return found

    def own_files(self, name: str, key: str) -> dict[str, str]:
        """What a task of one's own is made of: its files' digest under a key; nothing of lmms-eval's tasks."""
        return {key: task_files_digest(self._folder)} if self._folder is not None and self._is_own(name) else {}

    def _is_own(self, name: str) -> bool:
        return self._folder is not None and any(defining([name], self._folder))

    def _changes(self, name: str, benchmark: Benchmark) -> dict[str, Any]:
        """What differs from the task's own file: where the data is, and which of it is asked."""
        changes: dict[str, Any] = {}
        if self._data_dir is not None:
            folder = self._data_dir / benchmark.dataset
            changes = {"dataset_path": str(folder), "dataset_kwargs": {"cache_dir": folder_cache(folder)}}
        elif self._is_own(name):
            if benchmark.revision != _DEFAULT_REVISION:
                raise ConfigError(
                    f"benchmark `{benchmark.name}` has `revision = {benchmark.revision!r}`; task `{name}` is your own",
                    hint="write `revision` into the task's `dataset_kwargs`",
                )
        else:
            # Without its `token: True`, which fails for whoever isn't logged in; a token is used where there is one.
            changes = {"dataset_kwargs": {"revision": benchmark.revision}}
        if benchmark.only or benchmark.whole:
            changes["process_docs"] = partial(_prepare, only=benchmark.only, whole=benchmark.whole)
        return changes


def defining(names: Sequence[str], folder: Path) -> Iterator[Path]:
    """The files in a folder that define a task or group of one of these names."""
    pattern = re.compile(rf"^(?:task|group):\s*[\"']?(?:{'|'.join(map(re.escape, names))})[\"']?\s*$", re.MULTILINE)
    for path in sorted(folder.rglob("*.yaml")):
        if path.is_file() and pattern.search(read_bounded(path, "task").decode("utf-8", "replace")):
            yield path


def _leaves(loaded: Mapping[Any, Any]) -> Iterator[Any]:
    """Tasks in a tree of groups."""
    for value in loaded.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield value


def _prepare(rows: Any, only: Mapping[str, str | int | bool], whole: Sequence[str]) -> Any:
    """The rows of a split that are asked; pictures are not decoded for it."""
    from datasets import Value

    for name in whole:
        rows = rows.cast_column(name, Value("int64"))
    if not only:
        return rows
    columns, features = list(only), rows.features
    wanted = [column_text(value) for value in only.values()]

    def is_wanted(*values: object) -> bool:
        return [column_text(value, features[name]) for name, value in zip(columns, values, strict=True)] == wanted

    return rows.filter(is_wanted, input_columns=columns)


def _cause(error: BaseException) -> BaseException:
    """What a retry gave up on."""
    attempt = getattr(error, "last_attempt", None)
    inner = attempt.exception() if attempt is not None else None
    return error if inner is None else inner


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
