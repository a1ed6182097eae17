"""The one way from a raw row to a `Sample`: column mapping, and what a row must be."""

import math
from collections.abc import Mapping, Sequence

from rilctl.config.data import ColumnsConfig
from rilctl.data.conversation import IMAGE_MARK, Conversation
from rilctl.data.images import as_cells, to_image_ref
from rilctl.data.options import lettered, read_options, right_letter
from rilctl.data.read import ReadRows
from rilctl.data.sample import ImageRef, Sample
from rilctl.data.sources.base import RawRow, Table, check_columns
from rilctl.data.template import QuestionTemplate
from rilctl.data.texts import checked, encodable
from rilctl.data.turns import to_conversation
from rilctl.data.videos import refuse_videos
from rilctl.errors import DataError, RowError
from rilctl.schemas.answers import accepted_answers, answer_text
from rilctl.schemas.records import RejectedRecord


def read_samples(
    table: Table,
    max_px: int,
    template: QuestionTemplate | None = None,
    *,
    needs_truth: bool = True,
    into: ReadRows | None = None,
) -> ReadRows:
    """Samples and bad rows, in the source's order. Images are not looked at yet.

    Args:
        table: the rows.
        max_px: see `ImageRef`.
        template: puts the question of a row into words.
        needs_truth: whether a row without a ground truth is a bad one.
        into: where they go, empty yet; None: into memory.

    Raises:
        DataError: the source has no rows, or a column that all its rows lack.
    """
    read = ReadRows() if into is None else into
    first_named: dict[str, str] = {}
    numbered: list[tuple[int, str, str]] = []
    columns_seen: set[str] = set()
    for place, (number, row) in enumerate(table.numbered()):
        sample_id = row.known_as or row.name
        try:
            if isinstance(row.fields, RowError):
                raise row.fields
            columns_seen.update(row.fields)
            own_id = _own_id(row.fields, table.columns)
            if own_id is None or row.is_numbered:
                sample_id = own_id or str(number)
                numbered.append((place, row.name, sample_id))
            elif own_id in first_named:
                sample_id = own_id
                raise RowError("id-duplicate", f"id {own_id!r} is that of {first_named[own_id]}")
            else:
                sample_id = own_id
                first_named[own_id] = row.name
            read.add(_to_sample(row, row.fields, sample_id, table, max_px, template, needs_truth))
        except RowError as error:
            read.add(_rejected(table, row.name, sample_id, error))
    if not len(read):
        raise DataError(f"{table.name}: no rows", hint="is it the right file, and was it copied whole?")
    if columns_seen:
        check_columns(table.columns, sorted(columns_seen), table.name)
        if template is not None:
            own = {"question"} if table.columns.question else set[str]()
            own |= {"choices", "options"} if table.columns.choices else set()
            template.check(columns_seen | own, table.name)
    for place, name, own_number in numbered:  # a row never takes another's own id, wherever that one stands
        if (owner := first_named.get(own_number)) and place not in read.bad:
            taken = RowError("id-duplicate", f"it has no id, and its number {own_number} is the id of {owner}")
            read.reject(place, _rejected(table, name, name, taken))
    read.close()
    return read


def _rejected(table: Table, name: str, sample_id: str, error: RowError) -> RejectedRecord:
    message = error.message if error.message.startswith(name) else f"{name}: {error.message}"
    return RejectedRecord.of(sample_id, table.name, RowError(error.reason, message))


def _own_id(fields: Mapping[str, object], columns: ColumnsConfig) -> str | None:
    """The id that a row has itself; None where the table leaves that to us."""
    value = fields.get(columns.id) if columns.id else None
    if value is None or value == "":
        if columns.id not in ("", "id"):
            raise RowError("field-missing", f"no `{columns.id}`")
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError("field-type", f"`{columns.id}` must be text or a whole number, found {type(value).__name__}")
    return encodable(str(value), f"`{columns.id}`")


def _to_sample(
    row: RawRow,
    fields: Mapping[str, object],
    sample_id: str,
    table: Table,
    max_px: int,
    template: QuestionTemplate | None,
    needs_truth: bool,
) -> Sample:
    columns = table.columns
    refuse_videos(fields)
    options = read_options(_cell(fields, columns.choices), columns.choices) if columns.choices else ()
    if row.turns:
        conversation = to_conversation(row.name, row.turns, table.image_roots, max_px)
    else:
        question = checked("question", _question(fields, columns, options, template).replace(IMAGE_MARK, ""))
        conversation = Conversation.of(question, _image_refs(row.name, fields, table, max_px))
    if not needs_truth and not answer_text(fields.get(columns.answer), columns.answer).strip():
        answer = ""
    elif options:
        answer = right_letter(_cell(fields, columns.answer), options, columns.answer)
    else:
        answer = checked("answer", answer_text(_cell(fields, columns.answer), columns.answer))
    learned = _text(fields, columns.response) if columns.response else accepted_answers(answer)[0]
    response = checked("response", learned) if columns.response or answer else ""
    return Sample(sample_id, conversation, answer, response)


def _image_refs(name: str, fields: Mapping[str, object], table: Table, max_px: int) -> tuple[ImageRef, ...]:
    column = table.columns.images
    if not column:
        return ()
    if column not in fields:
        raise RowError("field-missing", f"no `{column}`")
    cells = as_cells(fields[column])
    if not cells and not table.text_only_rows:
        raise RowError("image-missing", "no image")
    return tuple(
        to_image_ref(cell, name=f"{name}, image {place}", roots=table.image_roots, max_px=max_px)
        for place, cell in enumerate(cells, start=1)
    )


def _question(
    fields: Mapping[str, object], columns: ColumnsConfig, options: Sequence[str], template: QuestionTemplate | None
) -> str:
    """The question in the recipe's words, or as its column has it with the options after it."""
    listed = lettered(options)
    if template is None:
        question = _text(fields, columns.question)
        return f"{question.strip()}\n{listed}" if options else question
    given: dict[str, object] = {"choices": list(options), "options": listed} if options else {}
    if columns.question and "question" in template.names:
        given["question"] = _text(fields, columns.question)
    return template.render({**fields, **given})


def _cell(fields: Mapping[str, object], column: str) -> object:
    if column not in fields:
        raise RowError("field-missing", f"no `{column}`")
    return fields[column]


def _text(fields: Mapping[str, object], column: str) -> str:
    value = _cell(fields, column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError("field-type", f"`{column}` must be text or a number, found {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError("field-type", f"`{column}` is {value}")
    return encodable(str(value), f"`{column}`")
