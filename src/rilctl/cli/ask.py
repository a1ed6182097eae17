"""`ask`: one question to a student, teacher or judge."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json, Overrides
from rilctl.cli.prompts import prompt_lines
from rilctl.errors import UsageError

if TYPE_CHECKING:
    from rilctl.stages.look.ask import Answer


def ask(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL [RECIPE] QUESTION",
            help="student, judge, a teacher's name, or a model; recipes; what is asked, or - for stdin.",
        ),
    ],
    images: Annotated[
        list[Path] | None, typer.Option("--image", metavar="FILE", help="Shown before the question. Repeatable.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Token budget of the answer, instead of the recipe's.")
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put one question to a model, and show what it saw and said.

    The student is the best one of the recipe's last training, else that of [student]. The answer goes to stdout.
    """
    from rilctl.cli import runner

    recipes = [Path(text) for text in inputs if text.endswith(".toml")]
    others = [text for text in inputs if not text.endswith(".toml")]
    if len(others) != 2:
        raise UsageError(
            f"expected a model and a question, found {len(others)}: {', '.join(others) or 'nothing'}",
            hint='`rilctl ask student --image FILE "what is this?"`; put the question into quotes',
        )
    model, question = others
    if question == "-":
        question = sys.stdin.read().strip()
    if not question:
        raise UsageError("the question is empty", hint="write it as the last argument, or to stdin with `-`")
    paths, recipe = runner.read_recipe(recipes, overrides, {})
    with runner.stage_surroundings() as (reporter, stop):
        from rilctl.stages.look.ask import ask as ask_model

        context = runner.context_maker(paths, recipe, reporter, stop)("eval")
        answer = ask_model(context, model, question, images or (), max_new_tokens=max_new_tokens)
    if as_json:
        output.result_json(_object(answer))
        return
    _show(answer)
    output.result_exact(answer.response.text)


def _show(answer: "Answer") -> None:
    """What it saw, and how it answered, on stderr."""
    at = f" at {answer.asked.endpoint.url}" if answer.asked.endpoint else ""
    output.say(f"asked: {answer.asked.model.model}{at}")
    for width, height in answer.sizes_px:
        output.say(f"picture: {width} x {height} px")
    if answer.processed:
        output.say(f"seen as: {', '.join(answer.processed)}")
    output.say("prompt:")
    for line in prompt_lines(answer.prompt):
        output.say(f"  {line}")
    pictures = f", {answer.num_image_tokens:,} of them pictures" if answer.num_image_tokens else ""
    asked = "unknown" if answer.num_prompt_tokens is None else f"{answer.num_prompt_tokens:,} tokens{pictures}"
    said = answer.response.num_tokens
    output.say(f"prompt tokens: {asked}")
    output.say(
        f"answer: {'unknown' if said is None else said} tokens of at most {answer.asked.sampling.max_new_tokens:,}, "
        f"finish reason {answer.response.finish_reason}, {answer.seconds:.2f} s"
    )


def _object(answer: "Answer") -> dict[str, Any]:
    asked, response = answer.asked, answer.response
    return {
        "role": asked.role or None,
        "model": asked.model.model,
        "endpoint": asked.endpoint.url if asked.endpoint else None,
        "sampling": asked.sampling.model_dump(mode="json"),
        "prompt": answer.prompt,
        "images": [{"size_px": [*size]} for size in answer.sizes_px],
        "processed": [*answer.processed],
        "prompt_tokens": answer.num_prompt_tokens,
        "image_tokens": answer.num_image_tokens,
        "text": response.text,
        "tokens": response.num_tokens,
        "finish_reason": response.finish_reason,
        "seconds": round(answer.seconds, 3),
    }
