"""`data show|check`: a recipe's rows as they will be asked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json, Overrides, Recipes
from rilctl.cli.prompts import prompt_lines
from rilctl.reporting import format

if TYPE_CHECKING:
    from rilctl.stages.look.check import DataReport, SplitReport, Spread
    from rilctl.stages.look.rows import ShownRow

app = typer.Typer(help="Show and check a recipe's rows.", rich_markup_mode=None)
_REJECTED_EXIT_CODE = 3

ForVerb = Annotated[
    Literal["cache-teacher", "sft", "pretrain-disc", "train"],
    typer.Option("--for", help="Whose rows, where verbs have `data` tables of their own."),
]


@app.command()
def show(
    recipes: Recipes = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most this many rows.")] = 5,
    split: Annotated[Literal["train", "validation"], typer.Option(help="Which rows.")] = "train",
    verb: ForVerb = "train",
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the first rows as they will be asked.

    Their prompts in the chat template of the student, and of teachers where theirs differ; pictures, truth, response.
    With --json one object on a line for each row.
    """
    from rilctl.cli import runner

    paths, recipe = runner.read_recipe(recipes, overrides, {})
    with runner.stage_surroundings() as (reporter, stop):
        from rilctl.stages.look.rows import shown_rows

        context = runner.context_maker(paths, recipe, reporter, stop)(verb)
        for row in shown_rows(context, split=split, limit=limit):
            if as_json:
                output.result_json(_row_object(row))
            else:
                _show_row(row)


@app.command()
def check(
    recipes: Recipes = None,
    verb: ForVerb = "train",
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read every row and every picture, and count what is found.

    Rows by reason, lengths, image tokens, duplicates, contamination. Exit code 3 where rows can't be used.
    """
    from rilctl.cli import runner

    paths, recipe = runner.read_recipe(recipes, overrides, {})
    with runner.stage_surroundings() as (reporter, stop):
        from rilctl.stages.look.check import check_data

        report = check_data(runner.context_maker(paths, recipe, reporter, stop)(verb))
    if as_json:
        output.result_json(_report_object(report))
    else:
        output.result(*_report_lines(report))
    raise typer.Exit(_REJECTED_EXIT_CODE if report.num_bad else 0)


def _row_object(row: "ShownRow") -> dict[str, Any]:
    sample = row.sample
    return {
        "id": sample.id,
        "question": sample.question,
        "context": [turn.model_dump(mode="json") for turn in sample.conversation.context],
        "images": [
            {"name": each.image.name, "size_px": [*each.size_px], "image_tokens": each.tokens} for each in row.pictures
        ],
        "prompts": row.prompts,
        "prompt_tokens": row.num_tokens,
        "refused": {name: {"reason": error.reason, "message": error.message} for name, error in row.refused.items()},
        "answer": sample.answer,
        "response": sample.response,
    }


def _show_row(row: "ShownRow") -> None:
    tokens = "" if row.num_tokens is None else f", {row.num_tokens:,} tokens"
    output.result(f"{row.sample.id}{tokens}")
    console = output.result_console()
    for each in row.pictures:
        width, height = each.size_px
        tokens = "" if each.tokens is None else f", {each.tokens:,} tokens"
        output.result(f"  picture {each.image.name}: {width} x {height} px{tokens}")
        if console is not None:
            from rilctl.cli.thumbnails import thumbnail

            output.result_bytes(f"{thumbnail(each.image.load(), console)}\n".encode())
    output.result(*_text_lines(row), "")


def _text_lines(row: "ShownRow") -> Iterator[str]:
    if not row.prompts:
        for turn in row.sample.conversation.context:
            yield from _field(turn.role, turn.text)
        yield from _field("question", row.sample.question)
    for name, prompt in row.prompts.items():
        yield "  prompt:" if name == "student" else f"  prompt of {name}:"
        yield from (f"    {line}" for line in prompt_lines(prompt))
    for name, error in row.refused.items():
        yield f"  refused by {name}: {error.message}"
    yield from _field("truth", row.sample.answer or "none")
    if row.sample.response != row.sample.answer:
        yield from _field("response", row.sample.response)


def _field(name: str, text: str) -> list[str]:
    """On the name's line, or below it where there are several."""
    lines = text.rstrip("\n").split("\n")
    return [f"  {name}: {lines[0]}"] if len(lines) == 1 else [f"  {name}:", *(f"    {line}" for line in lines)]


def _report_object(report: "DataReport") -> dict[str, Any]:
    return {
        "ok": not report.num_bad,
        "num_rejected": report.num_bad,
        "splits": {name: _split_object(split) for name, split in report.splits.items()},
        "num_near_held_out": report.num_near_held_out,
        "num_shared_pictures": report.num_shared_pictures,
        "benchmarks": [*report.benchmarks],
    }


def _split_object(split: "SplitReport") -> dict[str, Any]:
    spreads = {name: value._asdict() if value is not None else None for name, value in _spreads(split).items()}
    return {
        "name": split.name,
        "num_rows": split.num_rows,
        "num_no_truth": split.num_no_truth,
        "problems": [vars(problem) for problem in split.problems],
        "left_out": split.left_out,
        "num_pictures": split.num_pictures,
        "num_distinct_pictures": split.num_distinct_pictures,
        "num_equal": split.num_equal,
        "num_near": split.num_near,
        **spreads,
    }


def _spreads(split: "SplitReport") -> dict[str, "Spread | None"]:
    return {
        "longest_side_px": split.longest_side_px,
        "question_chars": split.question_chars,
        "prompt_tokens": split.prompt_tokens,
        "image_tokens": split.image_tokens,
        "response_tokens": split.response_tokens,
    }


def _report_lines(report: "DataReport") -> Iterator[str]:
    for name, split in report.splits.items():
        yield f"{name}: {split.name}"
        facts = {
            "rows": split.num_rows,
            "pictures": split.num_pictures,
            "of them distinct": split.num_distinct_pictures,
        }
        facts |= {"without a ground truth": split.num_no_truth} if split.num_no_truth else {}
        facts |= {f"left out: {reason}": num for reason, num in split.left_out.items()}
        facts |= {"equal to an earlier row": split.num_equal, "near an earlier row": split.num_near}
        if name == "train" and "validation" in report.splits:
            facts["near a held-out row"] = report.num_near_held_out
            facts["pictures in both splits"] = report.num_shared_pictures
        width = max(len(key) for key in facts)
        yield from (f"  {key:<{width}}  {value:>9,}" for key, value in facts.items())
        yield f"  {'':<{width}}  {'least':>9}  {'median':>9}  {'most':>9}  {'in all':>12}"
        for key, spread in _spreads(split).items():
            label = key.replace("_", " ")
            if spread is None:
                yield f"  {label:<{width}}  {'-':>9}"
            else:
                middle = format.number(spread.median)
                yield f"  {label:<{width}}  {spread.least:>9,}  {middle:>9}  {spread.most:>9,}  {spread.total:>12,}"
        for problem in split.problems:
            rows = "1 row" if problem.num_rows == 1 else f"{problem.num_rows:,} rows"
            yield f"  rejected by the {problem.who}: {rows}, {problem.reason}; the first: {problem.first}"
    if report.benchmarks:
        yield f"kept apart from {', '.join(report.benchmarks)}; `contaminated` counts what went"
    else:
        yield "not compared with any benchmark: `data.select.decontaminate` names some"
