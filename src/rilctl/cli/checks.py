"""What `doctor` looks at beyond the base installation: extras that must fit together, what a recipe needs."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rilctl.private.deepspeed import hush_log
from rilctl.private.uses import LIBRARIES, Library, find_gaps, lacking_hint, uses_of

if TYPE_CHECKING:
    from rilctl.config.endpoints import EndpointConfig
    from rilctl.config.recipe import Recipe

EXTRAS = {"vllm": "vllm", "deepspeed": "deepspeed", "eval": "lmms_eval"}
"""Extra -> the module that it brings."""
_ENGINES = {"vllm": "vllm", "deepspeed": "deepspeed"}
"""`type` of an engine's table -> the extra that it needs."""


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Args:
        name: what was looked at.
        state: `broken` makes the exit code 1; `note` is worth knowing.
        detail: what was found.
        hint: what to do about it.
    """

    name: str
    state: Literal["ok", "note", "broken"]
    detail: str
    hint: str | None = None


def check_extras() -> Iterator[Check]:
    """Which extras are installed, and whether each of them wants the versions that are there."""
    owners = importlib.metadata.packages_distributions()
    for extra, module in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            yield Check(f"[{extra}]", "note", f"not installed: `pip install 'rilctl[{extra}]'`")
            continue
        distribution = owners.get(module, [module])[0]
        version, misfits = importlib.metadata.version(distribution), list(find_misfits(distribution))
        if misfits:
            hint = f"`pip install 'rilctl[{extra}]'` in an environment of its own takes versions that fit together"
            yield Check(f"[{extra}]", "broken", f"{distribution} {version} wants {', '.join(misfits)}", hint)
        else:
            yield Check(f"[{extra}]", "ok", f"{distribution} {version}")


def find_misfits(distribution: str, installed: Mapping[str, str] | None = None) -> Iterator[str]:
    """Requirements of an installed distribution that what is installed does not meet: `torch==2.13.0, 2.14.0 is here`.

    Args:
        distribution: whose requirements.
        installed: versions by name; absent: this environment's. What isn't installed at all is left out: the package's
            own import says so.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for text in importlib.metadata.requires(distribution) or ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = _version(wanted.name) if installed is None else installed.get(wanted.name)
        if version is not None and not wanted.specifier.contains(version, prereleases=True):
            yield f"{wanted.name}{wanted.specifier}, {version} is here"


def check_private(libraries: Iterable[Library] = LIBRARIES) -> Iterator[Check]:
    """Whether what rilctl uses of each installed library without a promise is there; imports them."""
    hush_log()
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            continue
        name = f"inside {library.replace('_', '-')}"
        try:
            num_uses, gaps = len(uses_of(library)), find_gaps(library)
        except Exception as error:  # an import can fail in any way
            yield Check(name, "broken", f"can't be looked at: {type(error).__name__}: {error}", lacking_hint(library))
            continue
        if gaps:
            missing = ", ".join(f"{gap.use.what} ({gap.found})" for gap in gaps)
            yield Check(name, "broken", f"lacks {missing}", lacking_hint(library))
        else:
            yield Check(name, "ok", f"{num_uses} of {num_uses} uses of private API are as they were")


def check_recipe(recipe: "Recipe", base_dir: Path) -> Iterator[Check]:
    """Whether the keys and extras that a recipe names are here."""
    for name, endpoint in _endpoints(recipe):
        yield _check_key(name, endpoint, base_dir)
    for where, engine in _engines(recipe):
        extra = _ENGINES.get(engine)
        if extra is not None and importlib.util.find_spec(EXTRAS[extra]) is None:
            hint = f"`pip install 'rilctl[{extra}]'`"
            yield Check(where, "broken", f"`{engine}` needs the extra [{extra}], which isn't installed", hint)


def _check_key(name: str, endpoint: "EndpointConfig", base_dir: Path) -> Check:
    where = f"{name} at {endpoint.host}"
    if endpoint.key_env is not None:
        if os.environ.get(endpoint.key_env):
            return Check(where, "ok", f"{endpoint.key_env} is set")
        return Check(where, "broken", f"{endpoint.key_env} is not set", f"`export {endpoint.key_env}=…`")
    if endpoint.key_file is not None:
        if (base_dir / endpoint.key_file).is_file():
            return Check(where, "ok", f"{endpoint.key_file} is there")
        return Check(where, "broken", f"no file {endpoint.key_file}", "write the key into it, and nothing else")
    return Check(where, "ok", "no key is sent")


def _endpoints(recipe: "Recipe") -> Iterable[tuple[str, "EndpointConfig"]]:
    from rilctl.config.endpoints import EndpointConfig

    asked = {f"teacher {name}": teacher for name, teacher in recipe.teachers.items()} | {"judge": recipe.judge}
    return [
        (name, endpoint)
        for name, table in asked.items()
        if isinstance(endpoint := getattr(table, "endpoint", None), EndpointConfig)
    ]


def _engines(recipe: "Recipe") -> Iterator[tuple[str, str]]:
    """Every engine's table of the recipe: where it is, and its type."""
    for verb in ("cache_teacher", "sft", "pretrain_disc", "train", "judge", "eval"):
        for key in ("generation", "engine"):
            engine = getattr(getattr(recipe, verb), key, None)
            if engine is not None:
                yield f"{verb.replace('_', '-')}.{key}", engine.type


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
