"""The Python API: load a recipe, plan and run its verbs, read artifacts; `rilctl` hands all of it on.

The same verbs, folders and files as the command line's: what one of them began, the other goes on with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rilctl.artifacts.layout import METRICS
from rilctl.artifacts.read import check_log, read_manifest, read_rejected, read_rows, read_table, resolve, whole
from rilctl.artifacts.tables import Row
from rilctl.config.layers import recipe_name
from rilctl.config.load import load_recipe as load_tables
from rilctl.config.recipe import Recipe, Verb
from rilctl.errors import RilctlError
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting import metrics
from rilctl.reporting.metrics import MetricsRow
from rilctl.reporting.progress import Reporter, SilentReporter
from rilctl.schemas.difference import Difference
from rilctl.schemas.manifest import ArtifactKind, Manifest
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord, RolloutRecord, VerdictRecord
from rilctl.schemas.report import Report
from rilctl.stages.shared.context import StageContext, StageResult, StopFlag
from rilctl.threads import wait_asleep
from rilctl.views.difference.between import difference_between
from rilctl.views.report.build import PICTURES_MB, Asked, build_report
from rilctl.views.report.render import Format, render

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Artifact",
    "Difference",
    "EvaluationRecord",
    "LoadedRecipe",
    "Report",
    "Reporter",
    "ResponseRecord",
    "RilctlError",
    "RolloutRecord",
    "SilentReporter",
    "StageResult",
    "StopFlag",
    "VerdictRecord",
    "diff",
    "load_recipe",
    "open_artifact",
    "plan_stage",
    "read_metrics",
    "read_report",
    "render_report",
    "run_stage",
]


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, and where its verbs work.

    Args:
        tables: what it says, defaults filled in: `tables.train.num_steps`.
        name: of its folder under the workspace root.
        base_dir: folder that its relative paths start from.
    """

    tables: Recipe
    name: str
    base_dir: Path


def load_recipe(*paths: str | Path, overrides: Sequence[str] = (), base_dir: str | Path = ".") -> LoadedRecipe:
    """Read and check a recipe.

    Args:
        paths: TOML files, later ones over earlier ones; the first gives the recipe its name.
        overrides: as after `--set`: `["train.num_steps=50"]`.
        base_dir: folder that the recipe's relative paths, its workspace root among them, start from.

    Raises:
        ConfigError: all that is wrong with it at once, each with file, key and what was expected.
    """
    files = [Path(path) for path in paths]
    return LoadedRecipe(load_tables(files, overrides), recipe_name(files), Path(base_dir).absolute())


def plan_stage(recipe: LoadedRecipe, verb: Verb, *, out: str | Path | None = None) -> dict[str, Any]:
    """What a verb would do and need; writes nothing.

    Args:
        recipe: as `load_recipe` gives it.
        verb: any of the six.
        out: see `run_stage`.

    Returns:
        What `--dry-run --json` says: section -> fact -> value in base units; what is unknown is None.
    """
    return plan_object(load_stage(verb).plan(_context(recipe, verb, out, SilentReporter(), StopFlag())))


def run_stage(
    recipe: LoadedRecipe,
    verb: Verb,
    *,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
    stop: StopFlag | None = None,
) -> StageResult:
    """Do a verb's work in this process, go on with it, or find it done.

    Args:
        recipe: as `load_recipe` gives it.
        verb: any of the six.
        out: the output directory, from the recipe's `base_dir`; None: `<root>/<recipe>/<verb>`, where the recipe's
            later verbs look for it.
        reporter: who is told what happens; None: nobody.
        stop: asks for a clean end as soon as its `signal_number` is set; None: nobody does.

    Raises:
        RilctlError: it failed, or was asked to stop; progress is on disk, and the same call goes on from there.
    """
    wait_asleep()  # where torch isn't loaded yet
    return load_stage(verb).run(_context(recipe, verb, out, reporter or SilentReporter(), stop or StopFlag()))


@dataclass(frozen=True)
class Artifact:
    """One artifact on disk.

    Args:
        path: its directory.
        manifest: what it is, what it was made from, and what was measured.
    """

    path: Path
    manifest: Manifest

    def rows(self, row_type: type[Row]) -> Iterator[Row]:
        """Its rows in the order of writing, few in memory at once; each file is verified before it is used.

        Args:
            row_type: the kind's record: `ResponseRecord`, `RolloutRecord`, `VerdictRecord` or `EvaluationRecord`.

        Raises:
            ArtifactError: it has no such rows, or a file of it was changed.
        """
        return read_rows(self.path, row_type)

    def table(self) -> "pa.Table":
        """All its rows as an Arrow table, which pandas, polars and `datasets` take. Raises as `rows` does."""
        return read_table(self.path)

    def rejected(self) -> list[RejectedRecord]:
        """The rows that it had to leave out, each with its reason. Raises as `rows` does."""
        return read_rejected(self.path)


def open_artifact(path: str | Path, kind: ArtifactKind | None = None) -> Artifact:
    """Find an artifact and read its manifest.

    Args:
        path: its directory; with `kind`, that of a run that made one of it will do.
        kind: what it must be; None: whatever stands there.

    Raises:
        ArtifactError: nothing is there, it is half-written, changed, or of another kind.
    """
    found = whole(Path(path)) if kind is None else resolve(Path(path), kind)
    return Artifact(found, read_manifest(found))


def read_metrics(run: str | Path) -> list[MetricsRow]:
    """What a run measured step by step, under way or done: a row for each step, with `step` and what could be measured.

    Args:
        run: its output directory.

    Raises:
        ArtifactError: there is no log, or it was changed since the run finished.
    """
    check_log(Path(run) / METRICS)
    return metrics.read_metrics(Path(run) / METRICS)


def diff(a: str | Path, b: str | Path) -> Difference:
    """Compare two runs or artifacts, under way or done: recipe, inputs, metrics at equal steps, answers, speed.

    Args:
        a: the directory of a run or an artifact.
        b: the same, of the second; differences are b minus a.

    Raises:
        ArtifactError: there is none at one of them.
        UsageError: several runs are at one of them.
    """
    return difference_between(Path(a), Path(b))


def read_report(*runs: str | Path, pictures_mb: float = PICTURES_MB, reporter: Reporter | None = None) -> Report:
    """What `rilctl report` says of runs, as an object; nothing is written.

    Args:
        runs: runs, artifacts, comparisons, or folders that hold some; finished, under way or crashed.
        pictures_mb: what thumbnails may take together, in megabytes.
        reporter: who is told how far reading is; None: nobody.

    Raises:
        ArtifactError: there is no run at a path.
    """
    asked = Asked([Path(run) for run in runs], "rilctl.read_report", round(pictures_mb * 1_000_000))
    return build_report(asked, reporter or SilentReporter())


def render_report(report: Report, form: Format = "html") -> str:
    """A report as one HTML page that needs nothing else, as Markdown (`md`), or as JSON (`json`)."""
    return render(report, form)


def _context(
    recipe: LoadedRecipe, verb: Verb, out: str | Path | None, reporter: Reporter, stop: StopFlag
) -> StageContext:
    return StageContext(
        recipe=recipe.tables.seen_by(verb),
        recipe_name=recipe.name,
        base_dir=recipe.base_dir,
        out=recipe.base_dir / (out or Path(recipe.tables.workspace.root) / recipe.name / verb),
        reporter=reporter,
        resume_command=f"run_stage(recipe, {verb!r})",
        stop=stop,
    )
