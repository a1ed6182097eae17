"""Arrow schemas come from the models."""

from typing import Literal

import pyarrow as pa
import pytest

from rilctl.artifacts.tables import arrow_schema
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ROW_TYPES


class Everything(StrictModel):
    text: str
    side: Literal["a", "b"]
    num: int
    share: float | None = None
    right: bool | None
    ids: list[int] | None = None
    names: list[str]
    values: dict[str, float] | None = None


def test_types_and_nullability_by_hand():
    def items(kind: pa.DataType) -> pa.DataType:
        return pa.list_(pa.field("element", kind, nullable=False))

    assert arrow_schema(Everything) == pa.schema(
        [
            pa.field("text", pa.string(), nullable=False),
            pa.field("side", pa.string(), nullable=False),
            pa.field("num", pa.int64(), nullable=False),
            pa.field("share", pa.float64()),
            pa.field("right", pa.bool_()),
            pa.field("ids", items(pa.int64())),
            pa.field("names", items(pa.string()), nullable=False),
            pa.field("values", pa.map_(pa.string(), pa.field("value", pa.float64(), nullable=False))),
        ]
    )


def test_a_model_that_has_no_columns_for_it_is_refused():
    class Nested(StrictModel):
        inner: dict[int, str]

    with pytest.raises(TypeError, match="column"):
        arrow_schema(Nested)


@pytest.mark.parametrize("kind", sorted(ROW_TYPES))
def test_every_row_model_has_a_schema_without_volatile_columns(kind):
    names = arrow_schema(ROW_TYPES[kind]).names
    assert names == list(ROW_TYPES[kind].model_fields)
    # The content digest takes every column: one that differs from run to run would break "up to date".
    assert not [n for n in names if {"time", "created", "host", "path", "seconds"} & set(n.split("_"))]
