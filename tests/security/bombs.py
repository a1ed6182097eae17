"""Small files that become large, or never end."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def tensor_names(content: bytes) -> list[str]:
    """Of a safetensors file."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return [name for name in header if name != "__metadata__"]


def pickled(marker: str) -> bytes:
    """What makes a folder of that name where somebody opens it as Python's own format."""
    return f"cos\nmkdir\n(S'{marker}'\ntR.".encode()


def _header(text: str, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text.encode() + bytes(4)


def _tensor(shape: str, offsets: str, dtype: str = "F32") -> str:
    return f'{{"w": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}'


HEADERS: dict[str, bytes] = {
    "infinite shape": _header(_tensor("[Infinity]", "[0, 4]")),
    "infinite offset": _header(_tensor("[1]", "[0, Infinity]")),
    "not a number": _header(_tensor("[1]", "[NaN, 4]")),
    "behind the end": _header(_tensor("[1]", "[0, 1000000000000]")),
    "before the start": _header(_tensor("[1]", "[-4, 0]")),
    "large shape": _header(_tensor("[4611686018427387904, 4]", "[0, 4]")),
    "wrong shape": _header(_tensor("[1000000]", "[0, 4]")),
    "no type": _header(_tensor("[1]", "[0, 4]", "F3")),
    "longer than the file": _header("{}", 1 << 40),
    "longest": _header("{}", (1 << 64) - 1),
    "deep": _header("[" * 200_000),
    "long number": _header(_tensor("[" + "9" * 9000 + "]", "[0, 4]")),
    "no object": _header("[1, 2]"),
    "no tensor": _header("{}"),
    "no header": b"\x01",
    "two of one name": _header(_tensor("[1]", "[0, 4]")[:-1] + ", " + _tensor("[1]", "[0, 4]")[1:]),
}
TEMPLATES = {
    "range": "{% for i in range(10 ** 9) %}x{% endfor %}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "repeat": "{{ 'x' * 10 ** 11 }}",
    "doubling": "{% set n = namespace(x='xx') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(64) }}",
    "recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "center": "{{ 'x'|center(10 ** 11) }}",
    "format": "{{ '%100000000000d' % 1 }}",
    "lipsum": "{{ lipsum(n=10 ** 7) }}",
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "blocks": "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "nothing": "{{ '' }}",
}
CONFIGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "width": lambda c: c["text_config"].update(hidden_size=10**9),
    "vocabulary": lambda c: c["text_config"].update(vocab_size=10**12),
    "feed-forward": lambda c: c["text_config"].update(intermediate_size=10**15),
    "layers": lambda c: c["text_config"].update(num_hidden_layers=10**9),
    "layers below the limit": lambda c: c["text_config"].update(num_hidden_layers=999),
    "tower": lambda c: c["vision_config"].update(depth=999),
    "no heads": lambda c: c["text_config"].update(num_attention_heads=0),
    "kinds of layers": lambda c: c["text_config"].update(layer_types=["full_attention"] * 10**6),
    "patches": lambda c: c["vision_config"].update(patch_size=10**9),
}
TOKENIZERS = {
    "nothing": "{}",
    "no model": '{"model": null}',
    "a word of a megabyte": json.dumps(
        {"model": {"type": "WordLevel", "vocab": {"x" * 1_000_000: 0}, "unk_token": "x"}}
    ),
}


def _parquet(text: Any, count: int, *, tokens: int = 0, context: bool = False) -> bytes:
    """A shard of `count` rows that all have one text, which stands in the file once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rilctl.artifacts.tables import arrow_schema
    from rilctl.schemas.records import ResponseRecord

    def same(value: object, kind: "pa.DataType") -> "pa.Array":
        if value is None:
            return pa.nulls(count, kind)
        return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value], kind))

    columns = {
        "sample_id": same("q", pa.string()),
        "source": same("qwen", pa.string()),
        "side": same("teacher", pa.string()),
        "response_index": same(0, pa.int64()),
        "question": same("what?", pa.string()),
        "answer": same("4", pa.string()),
        "text": same(text, pa.string()),
        "finish_reason": same("stop", pa.string()),
    }
    schema = arrow_schema(ResponseRecord)
    for field in schema:
        if field.name not in columns:
            empty: object = [] if not field.nullable else None
            columns[field.name] = pa.array([empty] * count, field.type)
    if tokens:
        ids = pa.array([0], pa.int64()).take(pa.array([0] * tokens, pa.int32()))
        columns["token_ids"] = pa.ListArray.from_arrays(pa.array([0, *[tokens] * count], pa.int32()), ids)
    buffer = io.BytesIO()
    table = pa.table({field.name: columns[field.name] for field in schema})
    limit = 1 << 30  # else the text is written out as often as it is read
    options = {"compression": "zstd", "store_schema": False, "dictionary_pagesize_limit": limit}
    pq.write_table(table, buffer, row_group_size=count, **options)
    return buffer.getvalue()


def _shard(text: str, count: int, **more: Any) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(_kept(text, count, **more)) and None


@cache
def _kept(text: str, count: int, **more: Any) -> bytes:
    return _parquet(text, count, **more)


def _cut(keep: int) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(_kept("four", 5)[:keep]) and None


def _footer(length: int) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(_kept("four", 5)[:-8] + length.to_bytes(4, "little") + b"PAR1") and None


PARQUET: dict[str, Callable[[Path], None]] = {
    "4.6 MB a thousand times": _shard("x" * 4_600_000, 1000),
    "4 kB half a million times": _shard("x" * 4_000, 500_000),
    "30 million tokens": _shard("x", 1, tokens=30_000_000),
    "half": _cut(200),
    "nothing": _cut(0),
    "a footer longer than the file": _footer(1 << 30),
    "the longest footer": _footer((1 << 32) - 1),
}
