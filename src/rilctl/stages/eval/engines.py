"""Which engine evaluates a suite, and whether all that it needs is there."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from rilctl.artifacts.layout import write_atomic
from rilctl.config.evaluation import EvalConfig
from rilctl.config.suite import FoundSuite, Suite
from rilctl.engines.evaluation import held_out
from rilctl.engines.evaluation.availability import missing_data
from rilctl.engines.evaluation.base import EvaluationEngine
from rilctl.engines.evaluation.own import OwnEvaluation
from rilctl.engines.evaluation.pocket_task import digits_files
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.errors import DataError, UsageError
from rilctl.stages.eval.held_out import open_held_out
from rilctl.stages.shared.context import StageContext


def check_needs(context: StageContext, config: EvalConfig, found: FoundSuite, suite: Suite, *, has_judge: bool) -> None:
    """Say before anything runs what a suite of lmms-eval lacks.

    Raises:
        UsageError: lmms-eval isn't installed, or benchmarks need a judge and the recipe has no LLM judge.
        DataError: data sets are missing.
    """
    if suite.extra is None:
        if config.data_dir is not None:
            context.reporter.warn(f"the tasks of suite `{suite.name}` say where their data is, not `eval.data_dir`")
        return
    if importlib.util.find_spec("lmms_eval") is None:
        raise UsageError(
            f"suite `{suite.name}` needs lmms-eval, which is not installed",
            hint=f"pip install 'rilctl[{suite.extra}]'; `--dry-run` lists its benchmarks without it",
        )
    judged = [benchmark.name for benchmark in suite.benchmarks if benchmark.judge != "none"]
    if judged and not has_judge and config.shard is None:
        others = ",".join(benchmark.name for benchmark in suite.benchmarks if benchmark.judge == "none")
        raise UsageError(
            f"{', '.join(judged)} need an LLM judge, and the recipe has none",
            hint=f'set `judge.type = "llm"`, or leave them out: `--tasks {others}`',
        )
    needs = list(dict.fromkeys(need for benchmark in suite.benchmarks for need in benchmark.data()))
    if config.data_dir is None and not found.is_built_in:
        return  # where the tasks of a suite of one's own have their data is written in the tasks
    missing = missing_data(needs, find_mirror(context, config))
    if missing:
        listed = "".join(f"\n  {line}" for line in missing)
        raise DataError(
            f"{len(missing)} of {len(needs)} splits can't be read:{listed}",
            hint="`--print-datasets` lists what to mirror, `--data-dir` names a mirror, `--tasks` leaves some out",
        )


def open_evaluation(
    context: StageContext,
    config: EvalConfig,
    found: FoundSuite,
    judge: BenchmarkJudge | None,
    on_scored: Callable[[], None],
) -> EvaluationEngine:
    """Our own runner, lmms-eval, or what asks the recipe's own held-out questions.

    Args:
        context: the stage's surroundings.
        config: the `[eval]` table.
        found: the suite.
        judge: for benchmarks that need one.
        on_scored: called after each scored document; may raise to stop.
    """
    if found.is_built_in and found.suite.name == held_out.NAME:
        return open_held_out(context)
    if found.suite.extra is None:
        return OwnEvaluation(_own_tasks(context, found), found.suite.shared_tasks)
    from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation  # lmms-eval takes ten seconds to import

    folder = None if found.is_built_in and found.suite.tasks is None else found.tasks_folder
    return LmmsEvaluation(
        folder,
        data_dir=find_mirror(context, config),
        judge=judge,
        on_scored=on_scored,
        shared_tasks=found.suite.shared_tasks,
    )


def find_mirror(context: StageContext, config: EvalConfig) -> Path | None:
    """The folder of `data_dir`; None where the recipe names none. Raises `DataError` where there is no such folder."""
    if config.data_dir is None:
        return None
    folder = context.base_dir / config.data_dir
    if not folder.is_dir():
        problem = "is a file" if folder.is_file() else "doesn't exist"
        raise DataError(
            f"no mirror of data sets at `{folder}`: it {problem}",
            hint="`--data-dir` is a folder with `<owner>/<name>` for each data set that `--print-datasets` lists",
        )
    return folder


def _own_tasks(context: StageContext, found: FoundSuite) -> Path:
    """The folder with the suite's tasks; the built-in ones are written there with their data, for lmms-eval as well."""
    if not found.is_built_in:
        return found.tasks_folder
    folder = context.root / ".cache" / "suites" / found.suite.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in digits_files().items():
            file = folder / name
            if not file.is_file() or file.read_bytes() != content:
                write_atomic(file, content)
    except OSError as error:
        raise UsageError(f"can't write `{folder}`: {error.strerror}", hint="check `[workspace].root`") from error
    return folder
