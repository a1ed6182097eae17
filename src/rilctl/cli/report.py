"""`report`: see what happened in runs."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json
from rilctl.errors import UsageError
from rilctl.reporting import format

if TYPE_CHECKING:
    from rilctl.schemas.report import Report

_MARK = b"rilctl"
_MARK_BYTES = 4096
_ENDINGS = {"html": (".html", ".htm"), "md": (".md", ".markdown"), "json": (".json",)}
"""What a file of each format may be called."""


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN…", help="Runs, artifacts, comparisons, or folders that hold some; overlaid."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Default: ./report.html; of other formats, stdout."),
    ] = None,
    form: Annotated[Literal["html", "md", "json"], typer.Option("--format", help="A page, Markdown or JSON.")] = "html",
    pictures_mb: Annotated[
        float,
        typer.Option("--pictures-mb", min=0, max=10_000, metavar="N", help="What thumbnails may take, in megabytes."),
    ] = 8.0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """See what happened in runs: one page that opens from disk.

    Results, flipped answers, training dynamics, rollouts with their pictures, data, recipe, lineage and named warnings,
    of runs that ended, run or crashed. Nothing is written but the page.
    """
    import os

    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"  # pictures of a hub's data set: if cached
    from rilctl.artifacts.layout import write_atomic
    from rilctl.views.report.build import Asked, build_report
    from rilctl.views.report.render import render

    target = out if out is not None or form != "html" else Path("report.html")
    if target is not None:
        _refuse_others(target, form)
    reporter = output.ConsoleReporter()
    asked = Asked(runs, shlex.join(["rilctl", *sys.argv[1:]]), round(pictures_mb * 1_000_000))
    try:
        found = build_report(asked, reporter)
    finally:
        reporter.end()
    text = render(found, form).encode()
    for note in found.notes:
        output.warn(note)
    if found.pictures.note:
        output.say(f"pictures: {found.pictures.note}")
    if target is None and not as_json:
        output.result_bytes(text)
        return
    if target is not None:
        write_atomic(target, text)
        num = len(found.runs)
        output.say(f"report: {num} run{'' if num == 1 else 's'}, {format.size(len(text))}")
    _say(found)
    if as_json:
        output.result_json(_summary(found, target, len(text)))
    else:
        output.result_exact(str(target))


def _refuse_others(target: Path, form: str) -> None:
    """A report replaces an older one, and no other file; and a file is of the format that its name says."""
    if str(target) == "-":
        raise UsageError("a report isn't written to `-`", hint="name a file; `--format md` without it goes to stdout")
    if target.suffix and target.suffix.lower() not in _ENDINGS[form]:
        meant = next((name for name, endings in _ENDINGS.items() if target.suffix.lower() in endings), None)
        hint = f"add `--format {meant}`" if meant else f"name it `{target.with_suffix(_ENDINGS[form][0])}`"
        raise UsageError(f"`{target}` doesn't end as a report of `--format {form}` does", hint=hint)
    if target.is_dir():
        raise UsageError(f"`{target}` is a directory", hint=f"name a file: `--out {target / 'report.html'}`")
    if target.exists() and not target.is_file():  # to look into a pipe would wait for whoever writes to it
        raise UsageError(f"`{target}` is no ordinary file", hint="choose another `--out`")
    if not target.parent.is_dir():
        raise UsageError(f"no directory `{target.parent}`", hint="make it first, or choose another `--out`")
    if target.exists():
        with target.open("rb") as file:
            if _MARK not in file.read(_MARK_BYTES):
                raise UsageError(f"`{target}` is no report, and isn't overwritten", hint="choose another `--out`")


def _say(found: "Report") -> None:
    for finding in found.findings:
        output.say(f"  {finding.text}", style="red" if finding.mood == "bad" else None)


def _summary(found: "Report", target: Path | None, num_bytes: int) -> dict[str, object]:
    return {
        "report": None if target is None else str(target),
        "size_bytes": num_bytes,
        "runs": [{"name": run.name, "path": run.path, "verb": run.verb, "state": run.state} for run in found.runs],
        "findings": [finding.model_dump(mode="json") for finding in found.findings],
        "warnings": [{"name": s.name, "run": s.run, "severity": s.severity, "steps": s.steps} for s in found.signs],
        "notes": found.notes,
    }
