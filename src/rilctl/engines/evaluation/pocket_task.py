"""The pocket suite's task folder: lmms-eval's files from this package, and the questions as Parquet."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rilctl.quickstart.world import make_rows

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

NUM_QUESTIONS: Final = 1000
_TEXT: Final = {"dtype": "string", "_type": "Value"}
_FEATURES: Final = {
    "info": {"features": {"id": _TEXT, "question": _TEXT, "answer": _TEXT, "kind": _TEXT, "image": {"_type": "Image"}}}
}
_COLUMNS: Final = ("id", "question", "answer", "kind")
_TASK_FOLDER = Path(__file__).parent / "tasks" / "digits"


def digits_files() -> dict[str, bytes]:
    """The content of the folder, by file name; the same at every call."""
    files = {name: (_TASK_FOLDER / name).read_bytes() for name in ("digits.yaml", "utils.py")}
    return {**files, "test.parquet": _questions()}


def _questions() -> bytes:
    """The first questions of the test split, as the hub stores data sets: Parquet with the features in its metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = list(make_rows("test", 0, NUM_QUESTIONS))
    texts = {name: pa.array([getattr(row, name) for row in rows]) for name in _COLUMNS}
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    pictures = pa.array([{"bytes": _png(row.image), "path": None} for row in rows], picture)
    table = pa.table({**texts, "image": pictures}).replace_schema_metadata({"huggingface": json.dumps(_FEATURES)})
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def _png(image: "Picture") -> bytes:
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "PNG")
    return buffer.getvalue()
