"""`rilctl eval --print-datasets`: what a suite reads, so that it can be mirrored where the hub can't be reached."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from rilctl.cli import output
from rilctl.cli.runner import read_recipe
from rilctl.config.evaluation import EvalConfig
from rilctl.config.suite import find_suite, select

_COLUMNS = ("repository", "config", "split", "revision")


def show_datasets(
    recipes: Sequence[Path] | None,
    overrides: Sequence[str] | None,
    flags: Mapping[str, JsonValue],
    *,
    as_json: bool,
) -> None:
    """Write one line for each split to stdout; `-` stands for the only configuration of a repository."""
    _, recipe = read_recipe(recipes, overrides, flags)
    config = recipe.eval or EvalConfig()
    suite = find_suite(config.suite, Path.cwd()).suite
    suite = select(suite, config.tasks) if config.tasks else suite
    rows = [
        {"benchmark": benchmark.name, **{name: getattr(need, name) for name in _COLUMNS}}
        for benchmark in suite.benchmarks
        if benchmark.is_on_hub
        for need in benchmark.data()
    ]
    if as_json:
        output.result_json({"suite": suite.name, "datasets": rows})
        return
    if not rows:
        output.say(f"suite `{suite.name}` reads no data set of the hub")
        return
    lines = [_COLUMNS, *(tuple(row[name] or "-" for name in _COLUMNS) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    for line in lines:
        output.result("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    output.say("mirror each as DIR/REPOSITORY: `hf download --repo-type dataset REPOSITORY --local-dir DIR/REPOSITORY`")
