"""Tasks with pictures, as our own runner reads them."""

import gc
import io
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.own import OwnEvaluation
from rilctl.errors import RilctlError
from rilctl.testing.scripted import ScriptedGeneration

WIDTH_PX = 211
"""By which the task's pictures are told from others in this process."""
NUM_ROWS = 12
BENCHMARK = Benchmark(name="shown", tasks=("shown",), dataset="own", split="test", metric="right")
TASK = """
task: shown
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: rows.parquet
test_split: test
output_type: generate_until
doc_to_visual: !function utils.visual
doc_to_text: question
doc_to_target: answer
process_results: !function utils.results
metric_list:
  - metric: right
    aggregation: mean
"""
FUNCTIONS = """
from pathlib import Path


def visual(doc):
    with (Path(__file__).parent / "read.txt").open("a") as log:
        log.write(doc["id"] + " ")
    return [doc["image"].convert("RGB")]


def results(doc, results):
    return {"right": float(results[0] == str(doc["image"].getpixel((0, 0))[0]))}
"""
FEATURES = """{"info": {"features": {
    "id": {"dtype": "string", "_type": "Value"}, "question": {"dtype": "string", "_type": "Value"},
    "answer": {"dtype": "string", "_type": "Value"}, "image": {"_type": "Image"}}}}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = []
    for row in range(NUM_ROWS):
        buffer = io.BytesIO()
        Image.new("RGB", (WIDTH_PX, 9), (row, 0, 0)).save(buffer, "PNG")
        pictures.append({"bytes": buffer.getvalue(), "path": None})
    numbers = [str(row) for row in range(NUM_ROWS)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns = {"id": numbers, "question": ["how red?"] * NUM_ROWS, "answer": numbers, "image": pa.array(pictures, kind)}
    table = pa.table(columns).replace_schema_metadata({"huggingface": FEATURES})
    parquet.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "shown.yaml").write_text(TASK)
    (tmp_path / "utils.py").write_text(FUNCTIONS)
    return tmp_path


def num_held() -> int:
    """Decoded pictures of the task that somebody holds."""
    gc.collect()
    pictures = [each for each in gc.get_objects() if issubclass(type(each), Image.Image)]
    return sum(picture.width == WIDTH_PX for picture in pictures)


def test_a_limit_is_one_of_what_is_read(folder: Path) -> None:
    evaluation = OwnEvaluation(folder)
    assert evaluation.settings(BENCHMARK, limit=3)["shown.num_questions"] == "3"
    assert set((folder / "read.txt").read_text().split()) == {"0", "1", "2"}
    assert evaluation.settings(BENCHMARK, limit=None)["shown.num_questions"] == str(NUM_ROWS)


def test_no_picture_is_held_and_each_is_the_questions_own(folder: Path) -> None:
    evaluation = OwnEvaluation(folder)
    (asked,) = evaluation.questions(BENCHMARK, limit=None, seed=0)
    assert num_held() == 0
    red = [request.images[0].load().getpixel((0, 0)) for request in asked.requests]
    assert red == [(row, 0, 0) for row in range(NUM_ROWS)]
    says = ScriptedGeneration(lambda request, seed: request.sample_id if request.sample_id != "5" else "no idea")
    result = evaluation.evaluate(BENCHMARK, says, limit=None, seed=0)
    assert [record.score for record in result.records] == [float(row != 5) for row in range(NUM_ROWS)]
    assert num_held() == 0


def test_a_mistake_of_ours_is_no_row_that_is_rejected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr("rilctl.engines.evaluation.own.Conversation.of", broken)
    with pytest.raises(TypeError, match="of ours") as caught:
        OwnEvaluation(folder).settings(BENCHMARK, limit=2)
    assert not isinstance(caught.value, RilctlError)
