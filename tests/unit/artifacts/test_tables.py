"""Arrow schemas come from the models."""

from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rilctl.artifacts.tables import ShardWriter, arrow_schema, read_shard
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ROW_TYPES
from rilctl.schemas.records import RolloutRecord


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


def test_rollouts_of_version_3_have_no_column_of_rewards_and_are_read(tmp_path):
    row = RolloutRecord(
        step=1,
        sample_id="q",
        source="student",
        side="student",
        response_index=0,
        question="",
        answer="",
        image_digests=[],
        text="",
        token_ids=[1],
        finish_reason="stop",
        answer_reward=1.0,
    )
    writer = ShardWriter(tmp_path, RolloutRecord)
    writer.add(row)
    writer.add(row.model_copy(update={"rewards": {"mine": 0.5, "length": -0.25}}))
    writer.close()
    (path,) = writer.paths
    assert [found.named_rewards for found in read_shard(path, RolloutRecord)] == [
        {"answer": 1.0},
        {"answer": 1.0, "mine": 0.5, "length": -0.25},
    ]
    older = tmp_path / "older.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["rewards"]), older)
    assert list(read_shard(older, RolloutRecord)) == [row, row]
