"""Where the pictures of a run are: in the data source that its recipe names, if that is still there."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rilctl.config.data import DataConfig, DigitsData, FolderData, HubData, JsonlData, ParquetData
from rilctl.config.suite import find_suite
from rilctl.data.rows import read_samples
from rilctl.data.sample import ImageRef, Sample
from rilctl.data.sources.open import open_source
from rilctl.data.template import QuestionTemplate
from rilctl.errors import RilctlError
from rilctl.views.runs.view import RunView

_ADAPTER: TypeAdapter[DataConfig] = TypeAdapter(DataConfig)
_NUM_PARENTS = 7


def find_pictures(runs: Sequence[RunView], wanted: set[str] | None, notes: list[str]) -> dict[str, list[ImageRef]]:
    """References to the pictures of questions, by the question's id; nothing is decoded.

    Args:
        runs: whose recipes say where data are.
        wanted: ids of questions; None: all. One id may be found in several sources; a digest then says whose picture
            it is.
        notes: what can't be found is added here.
    """
    found: dict[str, list[ImageRef]] = {}
    seen: set[str] = set()
    for run in runs:
        for said in _tables(run):
            key = json.dumps(said, sort_keys=True)
            if key in seen:
                continue
            seen.add(key)
            problem = _add(found, said, wanted, _folders(run.path))
            if problem:
                notes.append(f"pictures of {run.name}: {problem}")
    return found


def _add(
    found: dict[str, list[ImageRef]], said: dict[str, Any], wanted: set[str] | None, folders: Sequence[Path]
) -> str | None:
    """Add what one data table has of the wanted questions; what is wrong, where it can't be read from any folder."""
    try:
        config = _ADAPTER.validate_json(json.dumps(said))
    except ValidationError:
        return "the recipe's `[data]` is of another version"
    problem = "its data can't be read"
    for folder in folders:
        try:
            for sample in _samples(config, folder):
                if (wanted is None or sample.id in wanted) and sample.images:
                    found.setdefault(sample.id, []).extend(sample.images)
        except (RilctlError, OSError) as error:
            problem = error.message if isinstance(error, RilctlError) else str(error)
            continue
        return None
    return problem


def _samples(config: DataConfig, folder: Path) -> Iterator[Sample]:
    template = None
    if isinstance(config, HubData | ParquetData | JsonlData | FolderData) and config.template is not None:
        template = QuestionTemplate(config.template)
        if "question" not in template.names:
            config = config.model_copy(update={"columns": config.columns.model_copy(update={"question": ""})})
    table = open_source(config, folder)
    for row in read_samples(table, config.max_image_px, template, needs_truth=False):
        if isinstance(row, Sample):
            yield row


def _tables(run: RunView) -> Iterator[dict[str, Any]]:
    """The run's data table, and those of its held-out questions."""
    said = run.recipe.get("data")
    if not isinstance(said, dict):
        return
    held_out = said.get("validation")
    said = {name: value for name, value in said.items() if name != "validation"}
    yield said
    if isinstance(held_out, dict) and held_out.get("split") and said.get("type") in ("hub", "digits"):
        yield said | {"split": held_out["split"]}
    elif isinstance(held_out, dict) and held_out.get("path"):
        root = {"image_root": held_out["image_root"]} if held_out.get("image_root") else {}
        yield said | {"path": held_out["path"]} | root
    if said.get("type") == "digits" and run.verb == "eval":
        asked = find_suite("digits", Path()).suite.benchmarks[0]
        yield DigitsData(type="digits", split="test", num_questions=asked.num_questions or 1).model_dump(mode="json")


def _folders(run: Path) -> list[Path]:
    """Where relative paths of a recipe may start: the current folder, or one above the run."""
    return [Path(), *list(run.resolve().parents)[:_NUM_PARENTS]]
