"""Digests against hand-made values, and what they must not depend on."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from rilctl.artifacts.digests import (
    RowsDigest,
    canonical_json,
    files_digest,
    provenance_digest,
    sha256_file,
    weights_digest,
)
from rilctl.errors import ArtifactError
from rilctl.schemas.records import RejectedRecord, VerdictRecord


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def rows_digest(rows):
    digest = RowsDigest()
    for row in rows:
        digest.add(row)
    return digest.hexdigest()


def test_canonical_json_by_hand():
    assert canonical_json({"b": [1, 1e-06, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,1e-06,null,true]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_rows_digest_by_hand():
    rows = [RejectedRecord(sample_id=i, source="s", reason="r", message="m") for i in "ab"]
    each = sorted(sha(b'{"message":"m","reason":"r","sample_id":"%s","source":"s"}' % i) for i in (b"a", b"b"))
    assert rows_digest(rows) == rows_digest(rows[::-1]) == hashlib.sha256(b"".join(each)).hexdigest()


def test_a_repeated_row_counts_and_a_null_does_not():
    row = VerdictRecord(response_digest="d", sample_id="a", source="s", response_index=0, correct=None, reason="r")
    assert rows_digest([row, row]) != rows_digest([row])
    same = json.loads(row.model_dump_json(exclude_none=True))
    assert rows_digest([row]) == hashlib.sha256(sha(canonical_json(same))).hexdigest()


def test_provenance_depends_on_verb_config_and_inputs_digest(data_input):
    base = provenance_digest("sft", {"lr": 1}, [data_input])
    assert base == provenance_digest("sft", {"lr": 1}, [data_input.model_copy(update={"name": "other"})])
    others = [
        provenance_digest("train", {"lr": 1}, [data_input]),
        provenance_digest("sft", {"lr": 2}, [data_input]),
        provenance_digest("sft", {"lr": 1}, []),
        provenance_digest("sft", {"lr": 1}, [data_input.model_copy(update={"digest": "x"})]),
        provenance_digest("sft", {"lr": 1}, [data_input.model_copy(update={"role": "teacher"})]),
        provenance_digest("sft", {"lr": 1}, [data_input.model_copy(update={"kind": "model"})]),
    ]
    assert len({base, *others}) == 7


def test_weights_do_not_depend_on_how_they_are_spread_or_what_lies_beside(tmp_path):
    a, b = np.arange(4, dtype=np.float32).reshape(2, 2), np.ones(3, dtype=np.float16)
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
    save_file({"a": a, "b": b}, tmp_path / "one" / "model.safetensors", metadata={"format": "pt"})
    save_file({"b": b}, tmp_path / "two" / "model-00001-of-00002.safetensors")
    save_file({"a": a}, tmp_path / "two" / "model-00002-of-00002.safetensors")
    files = {"b": "model-00001-of-00002.safetensors", "a": "model-00002-of-00002.safetensors"}
    (tmp_path / "two" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    (tmp_path / "two" / "config.json").write_text("{}")
    (tmp_path / "two" / "resume").mkdir()
    save_file({"moment": a}, tmp_path / "two" / "resume" / "optimizer.safetensors")
    save_file({"a": a.reshape(4), "b": b}, tmp_path / "other" / "model.safetensors")
    assert weights_digest(tmp_path / "one") == weights_digest(tmp_path / "two")
    assert weights_digest(tmp_path / "one") != weights_digest(tmp_path / "other")


def test_weights_digest_by_hand(tmp_path):
    values = np.arange(4, dtype=np.float32)
    save_file({"w": values}, tmp_path / "model.safetensors")
    tensor = [".", "w", "F32", [4], hashlib.sha256(values.tobytes()).hexdigest()]
    assert weights_digest(tmp_path) == hashlib.sha256(canonical_json([tensor])).hexdigest()


def test_bfloat16_and_scalars_are_read_without_torch(tmp_path):
    header = json.dumps({"s": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f")
    tensor = [".", "s", "BF16", [], hashlib.sha256(b"\x80\x3f").hexdigest()]
    assert weights_digest(tmp_path) == hashlib.sha256(canonical_json([tensor])).hexdigest()


@pytest.mark.parametrize("keep", [0, 7, 20, -1])
def test_a_truncated_file_is_named(tmp_path, keep):
    save_file({"w": np.arange(4, dtype=np.float32)}, tmp_path / "model.safetensors")
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:keep])
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        weights_digest(tmp_path)


def test_no_weights_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no weights"):
        weights_digest(tmp_path)


def test_files_digest_depends_on_names_and_bytes():
    assert files_digest({"a": "1", "b": "2"}) == files_digest({"b": "2", "a": "1"})
    assert len({files_digest(f) for f in ({"a": "1"}, {"a": "2"}, {"b": "1"})}) == 3


def test_sha256_file(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
