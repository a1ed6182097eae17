"""The six verbs: their flags, mapped to keys of the recipe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rilctl.cli.options import Debug, DryRun, Gpus, HostFile, Json, Out, Overrides, Recipes, RetryRejected, split_names
from rilctl.config.algorithms import AlgorithmName
from rilctl.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rilctl.config.recipe import Verb


def cache_teacher(
    recipes: Recipes = None,
    teachers: Annotated[
        str | None, typer.Option(metavar="A,B", help="Teachers: names of the recipe, built-in names, paths, hub ids.")
    ] = None,
    num_responses: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Responses per question and teacher.")
    ] = None,
    imports: Annotated[
        list[Path] | None, typer.Option("--import", metavar="FILE", help="JSON Lines of existing answers. Repeatable.")
    ] = None,
    write_batch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write batch files for a provider instead of asking its endpoint."),
    ] = None,
    read_batches: Annotated[
        list[Path] | None,
        typer.Option("--read-batch", metavar="FILE", help="Results of such a batch; no endpoint is asked. Repeatable."),
    ] = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: Json = False,
    retry_rejected: RetryRejected = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Ask every teacher every question.

    Answers that exist are not asked for again, also with a larger number of responses.
    """
    flags: dict[str, JsonValue] = {
        "cache-teacher.teachers": None
        if teachers is None
        else [*split_names(teachers, "--teachers qwen72b,internvl78b")],
        "cache-teacher.num_responses": num_responses,
        "cache-teacher.imports": [str(path) for path in imports] if imports else None,
        "cache-teacher.write_batch": None if write_batch is None else str(write_batch),
        "cache-teacher.read_batches": [str(path) for path in read_batches] if read_batches else None,
    }
    _run("cache-teacher", recipes, overrides, flags, out, as_json, dry_run, retry_rejected=retry_rejected)


def judge(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE] RECIPE", help="An artifact to judge, or - for JSON Lines on stdin; recipes."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Judge nothing; say how far two verdicts artifacts agree, and where not."),
    ] = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: Json = False,
    retry_rejected: RetryRejected = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Say which responses are right.

    The default source is the recipe's teacher cache.
    """
    if compare is not None:
        from rilctl.cli.judge_compare import show_comparison

        if inputs:
            raise UsageError(
                "`--compare` takes two verdicts artifacts and nothing else", hint="name no SOURCE or RECIPE"
            )
        show_comparison(*compare, as_json=as_json)
        return
    source, recipes = _split_inputs(inputs, "SOURCE")
    _run("judge", recipes, overrides, {"judge.source": source}, out, as_json, dry_run, retry_rejected=retry_rejected)


def sft(
    recipes: Recipes = None,
    responses: Annotated[
        Literal["data", "teacher-cache"] | None, typer.Option(help="Learn the data's responses, or the teachers'.")
    ] = None,
    student: Annotated[str | None, typer.Option(metavar="MODEL", help="Student artifact to start from.")] = None,
    overrides: Overrides = None,
    gpus: Gpus = None,
    hostfile: HostFile = None,
    out: Out = None,
    as_json: Json = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Warm start the student by supervised fine-tuning.

    It learns the responses of the data set, or the teachers' answers.
    """
    flags: dict[str, JsonValue] = {"sft.responses": responses, "sft.student": student}
    _run("sft", recipes, overrides, flags, out, as_json, dry_run, gpus, hostfile)


def pretrain_disc(
    recipes: Recipes = None,
    student: Annotated[str | None, typer.Option(metavar="MODEL", help="Student artifact to sample from.")] = None,
    overrides: Overrides = None,
    gpus: Gpus = None,
    hostfile: HostFile = None,
    out: Out = None,
    as_json: Json = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Teach the discriminator student from teacher.

    It samples responses of the student and learns to tell them from the teachers' answers.
    """
    _run("pretrain-disc", recipes, overrides, {"pretrain-disc.student": student}, out, as_json, dry_run, gpus, hostfile)


def train(
    recipes: Recipes = None,
    algorithm: Annotated[
        AlgorithmName | None,
        typer.Option(metavar="NAME", help="RIL, one of its baselines, or another; a wrong name lists them."),
    ] = None,
    student: Annotated[str | None, typer.Option(metavar="MODEL", help="Student artifact to start from.")] = None,
    continue_from: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Finished run that kept its training; go on, up to `train.num_steps`."),
    ] = None,
    overrides: Overrides = None,
    gpus: Gpus = None,
    hostfile: HostFile = None,
    out: Out = None,
    as_json: Json = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Train the student by RIL, or by one of its baselines."""
    flags: dict[str, JsonValue] = {
        "train.algorithm.name": algorithm,
        "train.student": student,
        "train.continue_from": continue_from,
    }
    _run("train", recipes, overrides, flags, out, as_json, dry_run, gpus, hostfile)


def evaluate(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL] RECIPE", help="A student artifact, directory or hub id; recipes."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="SUITE", help="Built-in suite, or the path of a suite's TOML file.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these benchmarks of the suite, or its tasks of these names.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most this many questions of each task.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="EVALUATION", help="Compare with an evaluation, or with `paper:qwen7b:ril` and the like."),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Ask with other pictures as well: `swapped`, `none`, or both."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A mirror of the benchmarks' data sets; see --print-datasets.")
    ] = None,
    print_datasets: Annotated[
        bool, typer.Option("--print-datasets", help="List the data sets that the suite reads, and stop.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Answer every N-th question from the I-th on, and score none.")
    ] = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: Json = False,
    retry_rejected: RetryRejected = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Measure a student on a suite of benchmarks.

    The default is the best student of the recipe's last training.
    """
    student, recipes = _split_inputs(inputs, "MODEL")
    flags: dict[str, JsonValue] = {
        "eval.student": student,
        "eval.suite": suite,
        "eval.tasks": None if tasks is None else [*split_names(tasks, "--tasks AI2D,MMMU")],
        "eval.limit": limit,
        "eval.reference": reference,
        "eval.picture": None if picture is None else [*split_names(picture, "--picture swapped,none")],
        "eval.data_dir": None if data_dir is None else str(data_dir),
        "eval.shard": shard,
    }
    if print_datasets:
        from rilctl.cli.datasets import show_datasets

        show_datasets(recipes, overrides, flags, as_json=as_json)
        return
    _run("eval", recipes, overrides, flags, out, as_json, dry_run, retry_rejected=retry_rejected)


def _run(
    verb: "Verb",
    recipes: Sequence[Path] | None,
    overrides: Sequence[str] | None,
    flags: "Mapping[str, JsonValue]",
    out: Path | None,
    as_json: bool,
    dry_run: bool,
    gpus: int | None = None,
    hostfile: Path | None = None,
    *,
    retry_rejected: bool = False,
) -> None:
    # Late: pydantic and the recipe's models take longer to import than `--help` may.
    from rilctl.cli.runner import run_verb

    code = run_verb(
        verb,
        recipes,
        overrides,
        flags,
        out=out,
        as_json=as_json,
        dry_run=dry_run,
        gpus=gpus,
        hostfile=hostfile,
        retry_rejected=retry_rejected,
    )
    raise typer.Exit(code)


def _split_inputs(inputs: Sequence[str] | None, what: str) -> tuple[str | None, list[Path]]:
    """Positional arguments that end in `.toml` are recipes; of others there may be one."""
    recipes = [Path(text) for text in inputs or () if text.endswith(".toml")]
    others = [text for text in inputs or () if not text.endswith(".toml")]
    if len(others) > 1:
        listed = ", ".join(f"`{text}`" for text in others)
        raise UsageError(f"more than one {what}: {listed}", hint="recipes are files that end in .toml")
    return (others[0] if others else None), recipes
