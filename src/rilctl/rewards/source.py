"""Code that a recipe names: found and read without executing it, then imported from that very file."""

import ast
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from rilctl.errors import ConfigError, RilctlError


class Code(NamedTuple):
    """A function of a module."""

    module: str
    """Dotted."""
    name: str
    """On its top level."""

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


def find_code(code: Code, base_dir: Path) -> Path:
    """The file that a function is written in, or handed on by; nothing of it is executed.

    Raises:
        ConfigError: there is no such module, it is no Python file, or nothing in it has the function's name.
    """
    spec = _find([str(base_dir)], code.module) or _find(None, code.module)
    if spec is None:
        raise ConfigError(
            f"`{code}`: there is no module `{code.module}` in {base_dir}, and none that Python can import",
            hint=f"write {code.module.replace('.', '/')}.py there, or install what holds it",
        )
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(f"`{code}`: `{code.module}` is no Python file", hint="name the module that has the function")
    path = Path(spec.origin)
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise ConfigError(f"`{code}`: {path} can't be read: {error}", hint="mend that file") from error
    names = set(_bound_names(tree))
    if code.name not in names and "*" not in names:
        raise ConfigError(f"`{code}`: {path} has no `{code.name}`", hint="name a function of that file")
    return path


def load_function(code: Code, base_dir: Path) -> Callable[..., Any]:
    """The function itself; the module's code runs.

    Modules beside the recipe stay importable afterwards, behind everything else.

    Raises:
        ConfigError: as `find_code`; another module of that name is there already; or what it names can't be called.
        RilctlError: the module's own code fails.
    """
    path = find_code(code, base_dir)
    folder = str(base_dir)
    sys.path.insert(0, folder)
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(code.module)
    except (Exception, SystemExit) as error:
        raise RilctlError(
            f"`{code}`: {path} can't be imported: {describe(error, path)}",
            hint="mend it; its code runs when training starts",
        ) from error
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    if not module.__file__ or Path(module.__file__).resolve() != path.resolve():
        raise ConfigError(
            f"`{code}`: Python has loaded another module `{code.module}` than {path}",
            hint="give that file another name",
        )
    function: Callable[..., Any] | None = getattr(module, code.name, None)
    if not callable(function):
        raise ConfigError(f"`{code}`: `{code.name}` in {path} can't be called", hint="name a function of that file")
    return function


def describe(error: BaseException, path: Path | None = None) -> str:
    """Type and message of an exception, and the last line of the user's file that it passed.

    Args:
        error: caught where that file's code was called.
        path: the file; None: that of the function which was called.
    """
    frames = list(traceback.walk_tb(error.__traceback__))[1:]
    name = str(path) if path or not frames else frames[0][0].f_code.co_filename
    lines = [line for frame, line in frames if frame.f_code.co_filename == name]
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"{text} ({Path(name).name}, line {lines[-1]})" if lines else text


def _find(folders: Sequence[str] | None, module: str) -> ModuleSpec | None:
    """The module in some folders, or wherever Python looks; no package around it is imported."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top) if folders is None else PathFinder.find_spec(top, folders)
    except ValueError:  # the spec of a module that some program made by hand
        return None
    for depth in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join((top, *rest[: depth + 1]))
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module's code gives to something, anywhere in it; `*` for an import of everything."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
