"""rilctl: compact vision-language models as good as large ones, by reinforcement and imitation learning (RIL).

What `__all__` names is the Python API; docs/python.md shows it at work. It is imported when it is first used, so that
the command line, which imports this package as well, answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "EvaluationRecord",
    "LoadedRecipe",
    "Reporter",
    "ResponseRecord",
    "RilctlError",
    "RolloutRecord",
    "SilentReporter",
    "StageResult",
    "StopFlag",
    "VerdictRecord",
    "load_recipe",
    "open_artifact",
    "plan_stage",
    "read_metrics",
    "run_stage",
]

if TYPE_CHECKING:
    from rilctl.api import (
        Artifact,
        EvaluationRecord,
        LoadedRecipe,
        Reporter,
        ResponseRecord,
        RilctlError,
        RolloutRecord,
        SilentReporter,
        StageResult,
        StopFlag,
        VerdictRecord,
        load_recipe,
        open_artifact,
        plan_stage,
        read_metrics,
        run_stage,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("rilctl.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
