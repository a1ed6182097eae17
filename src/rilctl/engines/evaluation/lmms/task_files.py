"""What may stand in the task files of a suite of one's own, checked before lmms-eval reads them by its own rules.

Those take any module on the path for a function, any file for an include, and data settings that run commands. A
suite's functions are Python code that runs; it must lie in the suite's folder, which is digested.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from rilctl.config.toml_reading import read_bounded
from rilctl.engines.evaluation.data_files import refuse_deep
from rilctl.errors import ConfigError
from rilctl.private.lmms_eval import task_folder

_DATA_SETTINGS: Final = frozenset(
    {"data_dir", "data_files", "delimiter", "features", "field", "revision", "sep", "token", "verification_mode"}
)
"""Of `dataset_kwargs`; lmms-eval runs commands for others, imports scripts and unpacks archives."""
_BESIDE = "a suite's functions and files stand in its folder"


def check_task_files(folder: Path) -> None:
    """See that a suite's task files name nothing outside of its folder but files and functions of lmms-eval's.

    Raises:
        ConfigError: one does, or is no safe YAML, or no regular file.
        DataError: a JSON file that one names nests values without end.
    """
    for file in sorted(folder.rglob("*.yaml")):
        if not file.is_dir():  # lmms-eval reads all others, whatever they are
            _check(file, folder.resolve(), {file})


def task_files_digest(folder: Path) -> str:
    """Sha256 over the suite's task files and the Python files beside them."""
    digest = hashlib.sha256()
    for file in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.py")]):
        if file.is_file():
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode(errors="surrogateescape"))
            digest.update(hashlib.sha256(read_bounded(file, "task")).digest())
    return digest.hexdigest()


def _check(file: Path, folder: Path, above: set[Path]) -> None:
    """A file and those that it includes; `above` are those that include it."""
    try:
        inside = file.resolve().is_relative_to(folder) and file.is_file()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise ConfigError(f"`{file}` can't be read: {error}", hint=_BESIDE) from error
    if not inside:
        raise ConfigError(f"`{file}` is no regular file in `{folder}`", hint=_BESIDE)
    task = _read(file)
    settings = task.get("dataset_kwargs") or {}
    if odd := sorted(str(key) for key in settings.keys() - _DATA_SETTINGS) if isinstance(settings, dict) else ["it"]:
        raise ConfigError(
            f"`{file}`: dataset_kwargs: `{odd[0]}` is not supported in a suite of one's own",
            hint=f"{', '.join(sorted(_DATA_SETTINGS))} are",
        )
    if isinstance(settings, dict):
        refuse_deep(file.parent, settings.get("data_files"))
    for included in _included(file, task.get("include")):
        if included in above:
            raise ConfigError(f"`{file}` includes itself", hint="take the include out")
        if not included.resolve().is_relative_to(task_folder().resolve()):
            _check(included, folder, {*above, included})


def _included(file: Path, names: object) -> Iterator[Path]:
    """Files as lmms-eval finds them: from the working directory, or else beside."""
    for name in names if isinstance(names, list) else [] if names is None else [names]:
        if not isinstance(name, str) or "\0" in name:
            raise ConfigError(f"`{file}`: include: {name!r} is no path", hint=_BESIDE)
        path = Path(name)
        yield path if path.is_file() else file.parent / path


def _read(file: Path) -> dict[str, Any]:
    """What a file says; functions are looked for, and not loaded."""
    try:
        loader = _CheckingLoader(read_bounded(file, "task").decode("utf-8"))
        loader.file = file
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"`{file}` is no task file: {error}", hint="a task is a YAML file in UTF-8") from error
    if not isinstance(found, dict):
        raise ConfigError(f"`{file}` is no task: a mapping is expected", hint="see lmms-eval's own tasks")
    return found


class _CheckingLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML, with lmms-eval's `!function module.name`."""

    file: Path


def _function(loader: _CheckingLoader, node: yaml.ScalarNode) -> str:
    address = str(loader.construct_scalar(node))
    module = address.rpartition(".")[0]
    beside = loader.file.parent / f"{module}.py"
    is_own = module.isidentifier() and beside.is_file() and not beside.is_symlink()
    if not is_own and not (module.startswith("lmms_eval.tasks.") and not beside.exists()):
        raise ConfigError(
            f"`!function {address}` in `{loader.file}` is no `module.function` of a file beside it, or of lmms-eval",
            hint=_BESIDE,
        )
    return address


_CheckingLoader.add_constructor("!function", _function)
