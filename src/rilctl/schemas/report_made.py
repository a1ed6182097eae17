"""What a report says of how a run was made: data, recipe, lineage."""

from typing import Literal

from rilctl.schemas.base import StrictModel


class Counted(StrictModel):
    """So many of something."""

    name: str
    """Of what, or for which reason."""
    num: int
    """How many."""


class RejectedRow(StrictModel):
    """One row that a run could not use."""

    run: str
    """The run's name."""
    sample_id: str
    """The row's id."""
    source: str
    """Who was asked, or the data set's file."""
    reason: str
    """A short stable code."""
    message: str
    """What is wrong, for a person."""


class ReportData(StrictModel):
    """What a run read and made, in rows."""

    run: str
    """The run's name."""
    sources: list[str]
    """Where questions come from, and teachers."""
    counts: list[Counted]
    """Sizes: rows of each artifact, questions, response tokens."""
    selection: list[Counted]
    """Rows that were kept, and those that were left out, by reason; empty where nothing was selected."""
    num_rejected: int
    """Rows that could not be used."""
    rejected_reasons: list[Counted]
    """Of these, by reason."""
    rejected: list[RejectedRow]
    """Some of them; all where there are few."""


class RecipeKey(StrictModel):
    """One key of a resolved recipe; values are TOML."""

    key: str
    """With dots: `train.optim.lr`."""
    value: str
    """What was used."""
    default: str | None
    """What it is where nobody says anything; absent where it must be said, or is left out."""
    is_changed: bool
    """Whether the two differ; never where it must be said."""


class ReportRecipe(StrictModel):
    """The resolved config of a run's verb."""

    run: str
    """The run's name."""
    keys: list[RecipeKey]
    """All, in the recipe's order."""


class LineageBox(StrictModel):
    """One artifact, model, data set or file of code."""

    id: str
    """Of the box in this report."""
    kind: Literal["artifact", "model", "data", "code"]
    """What it is."""
    label: str
    """What it is called: an artifact's kind or role."""
    name: str
    """Path, hub id or location."""
    digest: str
    """Its content digest."""
    state: Literal["ok", "missing", "changed", "unchecked"]
    """Whether it is still there as it was used; `unchecked`: that would need all its bytes."""


class LineageArrow(StrictModel):
    """What was made from what."""

    source: str
    """The box that was read."""
    target: str
    """The box that was made."""
    role: str
    """What it was read as."""


class ReportLineage(StrictModel):
    """A graph without circles; sources on one side, the runs' artifacts on the other."""

    boxes: list[LineageBox]
    """Each once."""
    arrows: list[LineageArrow]
    """Between them."""
