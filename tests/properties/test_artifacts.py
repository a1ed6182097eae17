"""Properties of rows on disk: they come back as they were, and their digest depends on nothing else."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilctl.artifacts import tables
from rilctl.artifacts.digests import RowsDigest, canonical_json
from rilctl.artifacts.read import read_rows
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.verify import verify
from rilctl.schemas.records import ResponseRecord, RolloutRecord

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ints = st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sides, reasons = st.sampled_from(["student", "teacher"]), st.sampled_from(["stop", "length", "imported"])
common = {
    "sample_id": texts,
    "source": texts,
    "side": sides,
    "response_index": ints,
    "question": texts,
    "answer": texts,
    "image_digests": st.lists(texts, max_size=3),
    "text": texts,
    "finish_reason": reasons,
}
responses = st.builds(ResponseRecord, **common, token_ids=st.none() | st.lists(ints, max_size=5))
rollouts = st.builds(
    RolloutRecord,
    **common,
    step=ints,
    token_ids=st.lists(ints, max_size=5),
    disc_logit=st.none() | numbers,
    similarity_reward=st.none() | numbers,
    answer_reward=st.none() | numbers,
    rewards=st.none() | st.dictionaries(texts, numbers, max_size=3),
    reward=st.none() | numbers,
    advantage=numbers,
)


def write(out: Path, kind, rows, *, rows_per_group: int, rows_per_shard: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROWS_PER_GROUP", rows_per_group)
        patch.setattr(tables, "ROWS_PER_SHARD", rows_per_shard)
        with open_run(out, verb="v", config={}, semantic={}, inputs=[], roles={kind: kind}) as run:
            writer = run.writer(kind)
            writer.write_rows(rows)
            return writer.commit()


def digest_of(rows):
    digest = RowsDigest()
    for row in rows:
        digest.add(row)
    return digest.hexdigest()


@settings(max_examples=25, deadline=None)
@given(
    kind_and_rows=st.one_of(
        st.tuples(st.just(("responses", ResponseRecord)), st.lists(responses, max_size=12)),
        st.tuples(st.just(("rollouts", RolloutRecord)), st.lists(rollouts, max_size=12)),
    ),
    rows_per_group=st.integers(1, 5),
    rows_per_shard=st.integers(1, 7),
    seed=st.integers(0, 2**32),
)
def test_rows_round_trip_and_the_digest_ignores_order_and_cuts(kind_and_rows, rows_per_group, rows_per_shard, seed):
    (kind, row_type), rows = kind_and_rows
    shuffled = random.Random(seed).sample(rows, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        first = write(Path(folder) / "a", kind, rows, rows_per_group=1024, rows_per_shard=1024)
        second = write(Path(folder) / "b", kind, shuffled, rows_per_group=rows_per_group, rows_per_shard=rows_per_shard)
        assert list(read_rows(Path(folder) / "a", row_type)) == rows
        assert list(read_rows(Path(folder) / "b", row_type)) == shuffled
        assert first.content_digest == second.content_digest == digest_of(rows)
        assert verify(Path(folder) / "b").problems == []


@given(rows=st.lists(responses, min_size=1, max_size=6), changed=responses, index=st.integers(0, 5))
def test_another_row_is_another_digest(rows, changed, index):
    index %= len(rows)
    same = changed == rows[index]
    assert (digest_of([*rows[:index], changed, *rows[index + 1 :]]) == digest_of(rows)) == same


json_values = st.recursive(
    st.none() | st.booleans() | ints | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, json_values, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))
