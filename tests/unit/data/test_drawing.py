"""Some rows that stand for all: which they are, and that they read as among the others."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rilctl.config.data import DataConfig
from rilctl.data.drawing import draw
from rilctl.data.load import load_part, load_samples
from rilctl.data.sources import places
from rilctl.data.sources.places import line_places, list_places
from rilctl.errors import DataError

from .helpers import table, write_lines

NUM_ROWS = 400


def test_one_row_of_each_stretch() -> None:
    assert draw(200, 100) is None and draw(10**9, None) is None
    drawn = draw(1000, 10)
    assert drawn is not None and drawn.weight == 100
    assert [number // 100 for number in drawn.numbers] == list(range(10))
    assert len({number % 100 for number in drawn.numbers}) > 5  # not a fixed distance


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_values_of_a_list_stand_where_they_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(places, "_CHUNK", chunk)
    values = [{"a": '},{"b": "]'}, 12345, {"c": [{}, [1, "\\"]]}, "ü😀\n", None, {}, -1.5e3]
    for text in (json.dumps(values), json.dumps(values, indent=3, ensure_ascii=False), "\ufeff \n[ 1\t,\r\n2 ]\n"):
        file = tmp_path / "list.json"
        file.write_text(text)
        content, found = file.read_bytes(), list_places(file)
        read = [json.loads(content[start:end]) for start, end in zip(found.starts, found.ends, strict=True)]
        assert read == json.loads(text.removeprefix("\ufeff"))
    file.write_text(" [ ] ")
    assert not list_places(file).starts


@pytest.mark.parametrize("text", ["[{},,{}]", "[{}", "[{}] {}", "[{} {}]", '[{"a": 1,}]', "[", "{}", '["a'])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(DataError, match="not a JSON list"):
        list_places(tmp_path / "list.json")


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_lines_without_empty_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(places, "_CHUNK", chunk)
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b'\n{"a": 1}\r\n\r\n\n{"b": 2}\n{"c": 3}')
    found, content = line_places(file), file.read_bytes()
    read = [content[start:end].strip() for start, end in zip(found.starts, found.ends, strict=True)]
    assert read == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']
    assert list(found.numbers) == [2, 5, 6]


def many(kind: str, folder: Path, picture: Path) -> DataConfig:
    """`NUM_ROWS` questions about one picture; of conversations every fourth has two, and in tables none has an id."""
    fields = {"validation": {"share": 0.25, "group": "conversation"}, "select": {"num_samples": 100}}
    if kind in ("lines", "parquet"):
        rows = [{"images": picture.name, "question": f"what is {n}?", "answer": str(n)} for n in range(NUM_ROWS)]
        if kind == "lines":
            return table(type="jsonl", path=str(write_lines(folder / "rows.jsonl", rows)), **fields)
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
        return table(type="parquet", path=str(folder / "rows.parquet"), **fields)
    talks = []
    for n in range(NUM_ROWS):
        turns = [{"from": "human", "value": f"<image>\nwhat is {n}?"}, {"from": "gpt", "value": str(n)}]
        turns += [{"from": "human", "value": "why?"}, {"from": "gpt", "value": "so"}] if n % 4 == 0 else []
        talks.append({"image": picture.name, "conversations": turns})
    (folder / "talks.json").write_text(json.dumps(talks))
    return table(type="llava", path=str(folder / "talks.json"), **fields)


@pytest.mark.parametrize("kind", ["lines", "list", "parquet"])
def test_rows_that_are_drawn_are_those_of_the_whole(pictures: Path, kind: str) -> None:
    config = many(kind, pictures, pictures / "0.png")
    everything = config.model_copy(update={"select": config.select.model_copy(update={"num_samples": None})})
    for split, part in zip(("train", "validation"), load_part(config, base_dir=pictures, most_rows=80), strict=True):
        whole = {s.id: s for s in load_samples(everything, base_dir=pictures, split=split).samples}  # type: ignore[arg-type]
        assert part.drawn is not None and (part.drawn.num_rows, len(part.drawn.numbers)) == (NUM_ROWS, 80)
        assert len(part.samples) * part.drawn.weight == pytest.approx(len(whole), rel=0.25)
        for sample in part.samples:
            same = whole[sample.id]
            assert (sample.question, sample.answer) == (same.question, same.answer)
            assert [image.digest for image in sample.images] == [image.digest for image in same.images]


def test_a_small_source_is_read_as_it_is_otherwise(jsonl: Callable[..., DataConfig], tmp_path: Path) -> None:
    config = jsonl({3: {"answer": None}}, validation={"share": 0.3}, select={"num_samples": 5})
    train, validation = load_part(config, base_dir=tmp_path, most_rows=10)
    assert train.drawn is None
    assert train.digest == load_samples(config, base_dir=tmp_path).digest
    assert validation.digest == load_samples(config, base_dir=tmp_path, split="validation").digest
