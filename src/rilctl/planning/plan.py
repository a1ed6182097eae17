"""A plan: what `--dry-run` says. Values are numbers in base units; the command line makes them readable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rilctl.config.recipe import Verb

Unit = Literal["", "bytes", "tokens", "s", "cost"]
Value = bool | int | float | str | None


@dataclass(frozen=True)
class Fact:
    """One line of a plan.

    Args:
        name: as a person reads it.
        value: a number in `unit`, or a text; None: unknown.
        unit: what a number counts.
        note: how it came about, or why it is unknown; for people only.
    """

    name: str
    value: Value
    unit: Unit = ""
    note: str = ""

    @property
    def key(self) -> str:
        """Its name as a program reads it: `rollout_tokens`, `peak_bytes`, `wall_time_s`."""
        return key_of(self.name, self.unit)


@dataclass(frozen=True)
class Section:
    """Facts that belong together."""

    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Table:
    """Numbers of one unit, by row and column.

    Args:
        name: of the section.
        unit: of all cells.
        rows: row -> column -> number; every row has the same columns.
        about: what the name leaves open, for people only.
    """

    name: str
    unit: Unit
    rows: Mapping[str, Mapping[str, int]]
    about: str = ""


@dataclass(frozen=True)
class Plan:
    """What a verb would do and need; nothing is written to find out.

    Args:
        verb: the verb.
        sections: what is shown.
        num_rejected: rows of the data set that can't be used; as in a run, more than none makes the exit code 3.
    """

    verb: Verb
    sections: tuple[Section | Table, ...]
    num_rejected: int = 0


def plan_object(plan: Plan) -> dict[str, Any]:
    """A plan as a program reads it: section -> fact -> value in base units; what is unknown is None."""
    return {"verb": plan.verb, "plan": {key_of(section.name): _section_object(section) for section in plan.sections}}


def _section_object(section: Section | Table) -> dict[str, Any]:
    if isinstance(section, Section):
        return {fact.key: fact.value for fact in section.facts}
    return {
        key_of(name): {key_of(column, section.unit): number for column, number in row.items()}
        for name, row in section.rows.items()
    }


def key_of(name: str, unit: Unit = "") -> str:
    """A name in snake case that ends in its unit."""
    key = name.replace(" ", "_").replace("-", "_")
    return key if not unit or key.endswith(unit) else f"{key}_{unit}"
