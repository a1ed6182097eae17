"""Tasks as lmms-eval defines them: a YAML file, and Python functions beside it.

Our runner reads a subset: `task`, `dataset_path`, `dataset_name`, `dataset_kwargs`, `test_split`, `doc_to_visual`,
`doc_to_text`, `doc_to_target`, `output_type: generate_until`, `generation_kwargs`, `process_results`, a mean in
`metric_list`, `lmms_eval_specific_kwargs.default`. Anything else is refused, so that equal files give equal scores.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]
from pydantic import ValidationError

from rilctl.config.fields import SamplingConfig
from rilctl.config.suggest import did_you_mean
from rilctl.config.toml_reading import read_bounded
from rilctl.engines.evaluation.asked import cut_at
from rilctl.errors import ConfigError
from rilctl.schemas.base import first_problem

Doc = Mapping[str, Any]

_REQUIRED: Final = frozenset({
    "task", "dataset_path", "test_split", "output_type", "doc_to_visual", "doc_to_text", "doc_to_target",
    "process_results", "metric_list",
})  # fmt: skip
_OPTIONAL: Final = frozenset(
    {
        "dataset_name",
        "dataset_kwargs",
        "generation_kwargs",
        "lmms_eval_specific_kwargs",
        "metadata",
        "tag",
        "task_alias",
    }
)
_GENERATION: Final = frozenset({"max_new_tokens", "temperature", "top_p", "top_k", "do_sample", "num_beams", "until"})
_HINT = "our runner reads a subset of lmms-eval's task files; run this task with lmms-eval itself"


@dataclass(frozen=True)
class Task:
    """One task, ready to ask.

    Args:
        name: the task's name.
        folder: its YAML file's folder; relative data files start here.
        config: the YAML file, functions resolved.
        sampling: how responses are sampled.
        until: a response ends before the first of these.
        metric: of what `process_results` gives, the value that counts.
        digest: sha256 over the YAML file and the Python files beside it.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    sampling: SamplingConfig
    until: tuple[str, ...]
    metric: str
    digest: str

    def text(self, doc: Doc) -> str:
        """What is asked."""
        to_text = self.config["doc_to_text"]
        if not callable(to_text):
            return str(doc[to_text])
        own = self.config.get("lmms_eval_specific_kwargs")
        return str(to_text(doc) if own is None else to_text(doc, own.get("default", {})))

    def visuals(self, doc: Doc) -> list[Any]:
        """The pictures (PIL)."""
        return list(self.config["doc_to_visual"](doc))

    def target(self, doc: Doc) -> str:
        """The ground truth."""
        to_target = self.config["doc_to_target"]
        return str(to_target(doc) if callable(to_target) else doc[to_target])

    def score(self, doc: Doc, text: str) -> float:
        """What the metric says of a response; lmms-eval strips responses before it scores them, so we do."""
        return float(self.config["process_results"](doc, [text.strip()])[self.metric])

    def cut(self, text: str) -> str:
        """The response up to the first stop text."""
        return cut_at(text, self.until)


def load_task(name: str, folder: Path, metric: str, max_new_tokens: int | None = None) -> Task:
    """Read `<name>.yaml` in `folder` or in its subfolder of that name, and the functions it refers to.

    Args:
        name: the task.
        folder: where to look.
        metric: one of its `metric_list`.
        max_new_tokens: instead of the task's own.

    Raises:
        ConfigError: it is missing, can't be read, or uses what our runner doesn't know.
    """
    path = next((p for p in (folder / f"{name}.yaml", folder / name / f"{name}.yaml") if p.is_file()), None)
    if path is None:
        raise ConfigError(f"no task file `{name}.yaml` in `{folder}`", hint="the suite's `tasks` names the folder")
    config = _read_yaml(path)
    if missing := _REQUIRED - config.keys():
        raise ConfigError(f"`{path}` lacks `{min(missing)}`", hint="see the built-in task `digits`")
    if unknown := config.keys() - _REQUIRED - _OPTIONAL:
        raise ConfigError(f"`{path}`: `{min(unknown)}` is not supported here", hint=_HINT)
    if config["output_type"] != "generate_until":
        raise ConfigError(f"`{path}`: output_type `{config['output_type']}` is not supported here", hint=_HINT)
    _check_metric(path, config["metric_list"], metric)
    sampling, until = read_sampling(str(path), config.get("generation_kwargs") or {}, max_new_tokens=max_new_tokens)
    return Task(name, path.parent, config, sampling, until, metric, _digest(path))


def _check_metric(path: Path, listed: object, metric: str) -> None:
    """Raise `ConfigError` unless the task has this metric, and takes its mean."""
    metrics = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    names = [str(each.get("metric")) for each in metrics]
    if metric not in names:
        guess = did_you_mean(metric, names)
        raise ConfigError(
            f"`{path}` has no metric `{metric}`{guess}", hint=f"its metric_list has {', '.join(names) or 'none'}"
        )
    if metrics[names.index(metric)].get("aggregation") != "mean":
        raise ConfigError(f"`{path}`: metric_list: `{metric}` must have `aggregation: mean`", hint=_HINT)


def read_sampling(
    task: str, given: Mapping[str, Any], *, max_new_tokens: int | None, ignored: frozenset[str] = frozenset()
) -> tuple[SamplingConfig, tuple[str, ...]]:
    """A task's `generation_kwargs` as ours: how responses are sampled, and the texts that end them.

    Args:
        task: its name or file, for messages.
        given: `generation_kwargs`; `do_sample = false` is greedy, whatever the temperature.
        max_new_tokens: instead of the task's own.
        ignored: keys that mean nothing here.

    Raises:
        ConfigError: it asks for something that our engines don't offer.
    """
    try:
        if unknown := given.keys() - _GENERATION - ignored:
            raise ConfigError(f"`{task}`: generation_kwargs.{min(unknown)} is not supported here", hint=_HINT)
        if given.get("num_beams", 1) != 1:
            raise ConfigError(f"`{task}`: beam search is not supported here", hint=_HINT)
        sampled = given.get("do_sample", float(given.get("temperature", 0)) > 0)
        until = given.get("until") or []
        return SamplingConfig(
            max_new_tokens=max_new_tokens or given.get("max_new_tokens", 1024),
            temperature=float(given.get("temperature", 1)) if sampled else 0.0,
            top_p=float(given.get("top_p", 1)) if sampled else 1.0,
            top_k=int(given.get("top_k", 0)) if sampled else 0,
        ), tuple([until] if isinstance(until, str) else until)
    except (ValueError, TypeError, AttributeError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"`{task}`: generation_kwargs: {reason}", hint="see the built-in task `digits`") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loader = _TaskLoader(read_bounded(path, "task").decode("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"`{path}` can't be read: {error}", hint="a task is a YAML file in UTF-8") from error
    loader.folder = path.parent
    try:
        config = loader.get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"`{path}` is no YAML: {error}", hint="repair the file") from None
    finally:
        loader.dispose()
    if not isinstance(config, dict):
        raise ConfigError(f"`{path}` is no task: a mapping is expected", hint="see the built-in task `digits`")
    return config


class _TaskLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML, and lmms-eval's `!function module.name`."""

    folder: Path


def _function(loader: _TaskLoader, node: yaml.ScalarNode) -> Callable[..., Any]:
    """A function of a Python file beside the YAML file, loaded once for each reference, as lmms-eval does."""
    module_name, _, function = str(loader.construct_scalar(node)).rpartition(".")
    if not module_name.isidentifier():  # no path leads out of the folder that is digested
        raise ConfigError(
            f"`!function {node.value}` in `{loader.folder}` is no `module.function`",
            hint="functions stand beside the task's YAML",
        )
    file = loader.folder / f"{module_name}.py"
    spec = importlib.util.spec_from_file_location(f"rilctl_task_{module_name}", file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise ConfigError(
            f"`{node.value}` is not there: no file `{file}`", hint="functions stand beside the task's YAML"
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody's program
        raise ConfigError(f"`{file}` fails: {type(error).__name__}: {error}", hint="repair the task") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise ConfigError(f"`{file}` has no function `{function}`", hint="check the name behind `!function`")
    return found  # type: ignore[no-any-return]


_TaskLoader.add_constructor("!function", _function)


def _digest(path: Path) -> str:
    files = [path, *(file for file in sorted(path.parent.glob("*.py")) if file.is_file())]  # nobody waits for a pipe
    sums = [hashlib.sha256(read_bounded(file, "task")).hexdigest() for file in files]
    return hashlib.sha256("".join(sums).encode()).hexdigest()
