"""Which rows of a task's data a benchmark asks: the suite's `split`, `revision`, `configs`, `only`, `whole`, `by`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rilctl.config.suggest import did_you_mean
from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.asked import column_text
from rilctl.engines.evaluation.data_files import refuse_deep
from rilctl.engines.evaluation.own_tasks import Doc, Task
from rilctl.errors import ConfigError, DataError, RowError

_MAX_PARTS: Final = 50
"""A column with more values than this names no kinds of question."""
_DEFAULT_REVISION: Final = Benchmark.model_fields["revision"].default
_INDEX: Final = "index"
"""The column of MMBench that tells rotations of one question from others."""


@dataclass(frozen=True)
class DocRow:
    """A document that is asked.

    Args:
        index: its number in the split, from 0, others that aren't asked included.
        stored: its columns, pictures as they are stored.
        part: its kind, where the benchmark has a `by`.
        error: why it can't be used.
        features: of the split, as `datasets` describes it; None where nothing needs decoding.
    """

    index: int
    stored: Doc
    part: str | None = None
    error: RowError | None = None
    features: Any = None

    def doc(self) -> Doc:
        """The columns as the task's functions read them, pictures decoded anew: none is held for a whole split."""
        return self.stored if self.features is None else self.features.decode_example(dict(self.stored))


def read_docs(task: Task, benchmark: Benchmark) -> Iterator[DocRow]:
    """The documents that a benchmark asks of a task, in their order; none is read before it is wanted.

    Raises:
        ConfigError: the suite names a column that isn't there, or what is no kind of question.
        DataError: the data can't be read, or has no such row.
    """
    docs = _open(task, benchmark)
    described = getattr(docs, "features", None)
    features: Mapping[str, Any] = described or {}
    docs = docs.decode(False) if described else docs
    wanted = {name: column_text(value) for name, value in benchmark.only.items()}
    other_values: dict[str, set[str]] = {name: set() for name in wanted}
    parts: set[str] = set()
    num_asked = 0
    for index, doc in enumerate(_iterate(task, docs)):
        if index == 0:
            _check_columns(task, benchmark, doc)
        texts = {name: column_text(doc.get(name), features.get(name)) for name in wanted}
        if texts != wanted:
            for name, text in texts.items():
                if text != wanted[name] and len(other_values[name]) < _MAX_PARTS:
                    other_values[name].add(text)
            continue
        num_asked += 1
        part = None if benchmark.by is None else column_text(doc.get(benchmark.by), features.get(benchmark.by))
        if part is not None:
            parts.add(part)
            _refuse_many(task, benchmark, parts)
        row = _row(index, doc, part, benchmark)
        yield replace(row, features=described or None)
    if not num_asked:
        raise _nothing_asked(task, benchmark, wanted, other_values)


def rotation_of(doc: Doc) -> int:
    """What all rotations of a question have in common: MMBench numbers those of question i as i + k * 1,000,000."""
    return int(doc[_INDEX]) % 1_000_000


def _open(task: Task, benchmark: Benchmark) -> Any:
    """The split as `datasets` gives it, row by row."""
    from datasets import load_dataset

    options: dict[str, Any] = dict(task.config.get("dataset_kwargs") or {})
    is_local = "data_files" in options
    if is_local:
        options["data_files"] = _beside(task.folder, options["data_files"])
        if task.config["dataset_path"] == "json":
            refuse_deep(task.folder, options["data_files"])
    if benchmark.revision != _DEFAULT_REVISION:
        if is_local:
            raise ConfigError(
                f"benchmark `{benchmark.name}` has `revision = {benchmark.revision!r}`; task `{task.name}` reads files",
                hint="leave `revision` out: it is for data sets of the hub",
            )
        options["revision"] = benchmark.revision
    name = _config_of(task.name, benchmark) or task.config.get("dataset_name")
    try:
        return load_dataset(task.config["dataset_path"], name, split=benchmark.split, streaming=True, **options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise _unreadable(task, error) from error


def _config_of(task: str, benchmark: Benchmark) -> str | None:
    """The suite's configuration of a task, if it has any."""
    if not benchmark.configs:
        return None
    return benchmark.configs[0] if len(benchmark.configs) == 1 else benchmark.configs[benchmark.tasks.index(task)]


def _beside(folder: Path, files: Any) -> Any:
    """Relative data files start at the task's folder, whatever the working directory is."""
    if isinstance(files, dict):
        return {split: _beside(folder, some) for split, some in files.items()}
    if isinstance(files, list):
        return [_beside(folder, file) for file in files]
    return files if "://" in files else str(folder / files)


def _iterate(task: Task, docs: Any) -> Iterator[Doc]:
    try:
        yield from docs
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise _unreadable(task, error) from error


def _unreadable(task: Task, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        f"task `{task.name}`: its data can't be read: {reason}", hint=f"check dataset_path in `{task.folder}`"
    )


def _check_columns(task: Task, benchmark: Benchmark, first: Doc) -> None:
    """The columns that the suite names are those of the data."""
    named = [("only", name) for name in benchmark.only] + [("whole", name) for name in benchmark.whole]
    if benchmark.by is not None:
        named.append(("by", benchmark.by))
    if benchmark.rotations:
        named.append(("rotations", _INDEX))
    for key, name in named:
        if name not in first:
            guess = did_you_mean(name, list(first))
            raise ConfigError(
                f"benchmark `{benchmark.name}`: `{key}` needs column `{name}`, which task `{task.name}` lacks{guess}",
                hint=f"it has {', '.join(map(str, first))}",
            )


def _refuse_many(task: Task, benchmark: Benchmark, parts: set[str]) -> None:
    if len(parts) > _MAX_PARTS:
        raise ConfigError(
            f"benchmark `{benchmark.name}`: `by = {benchmark.by!r}` has more than {_MAX_PARTS} values in task "
            f"`{task.name}`",
            hint="name a column of few values, such as the kind of question",
        )


def _row(index: int, doc: Doc, part: str | None, benchmark: Benchmark) -> DocRow:
    """The document with its whole numbers as such."""
    changed: dict[str, int] = {}
    for name in (*benchmark.whole, *([_INDEX] if benchmark.rotations else ())):
        value = doc[name]
        if isinstance(value, float) and value.is_integer():
            changed[name] = int(value)
        elif isinstance(value, bool) or not isinstance(value, int):
            return DocRow(index, doc, part, RowError("field-type", f"`{name}` is {value!r}, which is no whole number"))
    return DocRow(index, {**doc, **changed} if changed else doc, part)


def _nothing_asked(
    task: Task, benchmark: Benchmark, wanted: Mapping[str, str], other_values: Mapping[str, set[str]]
) -> DataError:
    if not wanted:
        return DataError(f"task `{task.name}`: split `{benchmark.split}` has no rows", hint="was it copied whole?")
    asked = ", ".join(f"{name} = {text!r}" for name, text in wanted.items())
    found = "; ".join(
        f"{name} is {', '.join(repr(text) for text in sorted(texts)[:5])}" + (" and others" if len(texts) > 5 else "")
        for name, texts in other_values.items()
        if texts
    )
    return DataError(f"benchmark `{benchmark.name}`: no row of task `{task.name}` has {asked}", hint=found or None)
