"""Runs a stage in this process, as the command line would."""

import signal
from collections.abc import Mapping
from pathlib import Path

from rilctl import api
from rilctl.config.recipe import Verb
from rilctl.reporting.progress import Reporter, SilentReporter
from rilctl.stages.shared.context import StageResult, StopFlag
from rilctl.testing.workspaces import write_workspace


class StopsAfter(SilentReporter):
    """Asks for a clean end after some steps, through its `stop`.

    Args:
        num_steps: that are taken.
    """

    def __init__(self, num_steps: int) -> None:
        self.stop = StopFlag()
        self._left = num_steps

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """See `Reporter`."""
        self._left -= num > 0
        if num and self._left == 0:
            self.stop.signal_number = signal.SIGINT


def run_stage(
    workspace: Path,
    verb: Verb,
    *overrides: str,
    out: Path | None = None,
    reporter: Reporter | None = None,
    stop: StopFlag | None = None,
) -> StageResult:
    """Run a verb of a workspace's recipe.

    Args:
        workspace: as `write_workspace` makes it.
        verb: any of the six.
        overrides: as after `--set`.
        out: the output directory; None: where the next verb looks for it.
        reporter: who is told what happens; None: nobody.
        stop: asks for a clean end; None: nobody does.
    """
    recipe = api.load_recipe(workspace / "recipe.toml", overrides=overrides, base_dir=workspace)
    return api.run_stage(recipe, verb, out=out, reporter=reporter, stop=stop)


def write_trainable_workspace(directory: Path, *keys: str) -> Path:
    """A workspace in which all verbs before `train` have run.

    Args:
        directory: as for `write_workspace`.
        keys: overrides of each verb's own table, without its name.

    Returns:
        The directory.
    """
    write_workspace(directory)
    verbs: tuple[Verb, ...] = ("cache-teacher", "sft", "pretrain-disc")
    for verb in verbs:
        run_stage(directory, verb, *(f"{verb}.{key}" for key in keys))
    return directory
