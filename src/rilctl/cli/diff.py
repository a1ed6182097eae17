"""`diff`: two runs or artifacts beside one another."""

from pathlib import Path
from typing import Annotated

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug, Json


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's directory, or an artifact.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that it is compared with.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two runs or artifacts.

    Recipe, inputs, metrics, answers, speed, contents. Metrics are compared at the steps that both have, answers
    question by question. Runs under way can be compared too.
    """
    from rilctl.views.difference.between import difference_between
    from rilctl.views.difference.words import lines_of

    found = difference_between(a, b)
    for problem in found.problems:
        output.warn(problem)
    if as_json:
        output.result_json(found.model_dump(mode="json"))
    else:
        output.result(*lines_of(found))
