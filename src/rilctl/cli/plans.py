"""How a plan reads: grouped, aligned, with units."""

from collections.abc import Sequence

from rilctl.cli import output
from rilctl.planning.plan import Fact, Plan, Section, Table, Unit
from rilctl.reporting import format

_UNKNOWN = "unknown"


def show_plans(plans: Sequence[Plan]) -> None:
    """Write plans to stdout, for a person."""
    for number, plan in enumerate(plans):
        output.result(*([""] if number else []), *plan_lines(plan))


def plan_lines(plan: Plan) -> list[str]:
    """The verb's name, then its sections."""
    facts = [fact for section in plan.sections if isinstance(section, Section) for fact in section.facts]
    names = max((len(fact.name) for fact in facts), default=0)
    values = max((len(_value(fact.value, fact.unit)) for fact in facts if fact.note), default=0)
    lines: list[str] = [plan.verb]
    for section in plan.sections:
        if isinstance(section, Table):
            lines += [f"  {section.name} {section.about}".rstrip(), *_table_lines(section)]
        else:
            lines += [f"  {section.name}", *(_line(fact, names, values) for fact in section.facts)]
    return lines


def _line(fact: Fact, names: int, values: int) -> str:
    note = f"  {fact.note}" if fact.note else ""
    return f"    {fact.name:<{names}}  {_value(fact.value, fact.unit):<{values}}{note}".rstrip()


def _table_lines(table: Table) -> list[str]:
    """Rows and columns, without columns that are 0 everywhere."""
    used = [column for column in next(iter(table.rows.values()), {}) if any(row[column] for row in table.rows.values())]
    cells = [["", *used]]
    for name, row in table.rows.items():
        cells.append([name, *(_value(row[column], table.unit) if row[column] else "-" for column in used)])
    widths = [max(len(row[index]) for row in cells) for index in range(len(used) + 1)]
    lines = []
    for name, *numbers in cells:
        columns = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("    " + "  ".join([f"{name:<{widths[0]}}", *columns]))
    return lines


def _value(value: bool | int | float | str | None, unit: Unit) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit == "bytes":
        return format.size(int(value))
    if unit == "s":
        return format.duration(value)
    if unit == "cost":
        return f"{value:,.2f}"
    return format.count(value)
