"""Good inputs of each kind that the fuzzer starts from."""

import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from rilctl.artifacts.sealed import sealed_json
from rilctl.config.shipped import recipes_dir
from rilctl.config.suite import find_suite, suite_names
from rilctl.schemas.manifest import SCHEMA_VERSION, FileEntry, InputEntry, Manifest
from rilctl.schemas.run import RunFile
from rilctl.testing.endpoint import completion, failure
from rilctl.testing.records import teacher_response
from rilctl.testing.workspaces import RECIPE

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ROWS = [
    {"id": "q1", "image": PIXEL, "question": "<image>\nwhat is 3 plus 1?", "answer": "4", "response": "answer 4"},
    {"id": 2, "image": ["1.png", "2.png"], "question": "wie groß? 🙂", "answer": 0.5},
    {"image": {"bytes": None, "path": "1.png"}, "question": "a\u2028b", "answer": True, "choices": ["a", "b"]},
    {"image": [PIXEL.partition(",")[2], "file:1.png", '["2.png"]'], "question": "which?", "answer": 1e22},
]
LLAVA = [
    {
        "id": "c1",
        "image": "1.png",
        "conversations": [
            {"from": "system", "value": "be brief"},
            {"from": "human", "value": "<image>\nwhat is it?"},
            {"from": "gpt", "value": "a digit"},
            {"from": "human", "value": "which?"},
            {"from": "gpt", "value": "4"},
        ],
    },
    {
        "image": ["1.png", PIXEL],
        "conversations": [
            {"from": "human", "value": "from <image> to <image>"},
            {"from": "human", "value": "what is new?"},
            {"from": "gpt", "value": "a line"},
        ],
    },
]
CHAT = [
    {
        "id": 7,
        "images": [PIXEL],
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is it?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
            {"role": "assistant", "content": "5"},
        ],
    }
]
INPUTS = [InputEntry(role="data", kind="data", name="jsonl:q.jsonl", digest="2" * 64)]
JUDGED = [
    ("what is 3 + 4?", "7", "3 + 4 = 7, so the answer is \\boxed{7}."),
    ("Which?\nA. red\nB. blue", "B", "It isn't A. **Answer: (B) blue**"),
    ("how far?", "1,250.5 km", "<answer>-1.2505e3 km</answer> or about 3/4 of it"),
    ("list them", '["a", "b"]', "They are a, b and c; no, a and b."),
    ("is it?", "yes", "Yes. No. I'd say: $\\frac{1}{2}$, 50%, [1, 2)"),
]


def lines(rows: Sequence[object]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def recipes() -> list[bytes]:
    """All that are shipped, and the tests'."""
    return [RECIPE.encode(), *(path.read_bytes() for path in sorted(recipes_dir().glob("*.toml")))]


def suites() -> list[bytes]:
    """All that are built in."""
    return [find_suite(name, Path()).path.read_bytes() for name in suite_names()]


def manifests() -> list[bytes]:
    """One with every key."""
    manifest = Manifest(
        kind="student",
        schema_version=SCHEMA_VERSION,
        status="complete",
        content_digest="0" * 64,
        provenance_digest="1" * 64,
        verb="sft",
        inputs=INPUTS,
        config={"sft": {"num_steps": 6, "optim": {"lr": 1e-5}}, "list": [1, None, "a"]},
        num_rows=3,
        num_tokens=40,
        files=[FileEntry(path="model.safetensors", size_bytes=12, sha256="3" * 64)],
        roles=["student"],
        metrics={"sft/loss": 0.5},
        versions={"torch": "2.13.0"},
        hardware={"device": "cpu"},
        created_at="2026-01-01T00:00:00Z",
    )
    return [sealed_json(manifest)]


def runs() -> list[bytes]:
    """What pins a directory."""
    run = RunFile(
        schema_version=SCHEMA_VERSION,
        verb="sft",
        config={"sft": {"num_steps": 6}},
        semantic={"sft": {"optim": {"lr": 1e-5}}},
        inputs=INPUTS,
        provenance_digest="1" * 64,
        started_at="2026-01-01T00:00:00Z",
        hardware={"device": "cpu"},
    )
    return [sealed_json(run)]


def pictures() -> list[bytes]:
    """Each format that is decoded, with its odd modes."""
    upright = Image.radial_gradient("L").resize((24, 20))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    colour = upright.convert("RGB")
    frames = [colour.rotate(90 * turn) for turn in range(3)]
    jobs: list[tuple[Image.Image, str, dict[str, object]]] = [
        *((colour, name, {}) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")),
        *((colour, name, {"exif": exif}) for name in ("JPEG", "PNG", "WEBP", "TIFF")),
        *(
            (frames[0], name, {"save_all": True, "append_images": frames[1:]})
            for name in ("TIFF", "GIF", "WEBP", "MPO", "PNG")
        ),
        *((upright.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")),
        *((colour, "TIFF", {"compression": name}) for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour, "JPEG", {"progressive": True}),
    ]
    found = []
    for image, name, options in jobs:
        buffer = io.BytesIO()
        image.save(buffer, name, **options)
        found.append(buffer.getvalue())
    return found


def tables() -> list[bytes]:
    """Parquet, as people write it."""
    picture = pictures()[1]
    return _parquet(
        [
            {"id": f"q{n}", "image": {"bytes": picture, "path": None}, "question": f"what is {n}?", "answer": str(n)}
            for n in range(5)
        ]
    )


def shards() -> list[bytes]:
    """Of an artifact."""
    return _parquet([teacher_response(number).model_dump() for number in range(5)])


def _parquet(rows: list[dict[str, object]]) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for compression in ("none", "zstd", "snappy"):
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), buffer, compression=compression)
        found.append(buffer.getvalue())
    return found


def replies() -> list[bytes]:
    """What endpoints send: an answer, errors in several forms."""
    refusal = {"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    wires = [
        completion("i see 4 + 4 = 8"),
        completion(None, finish_reason="tool_calls"),
        failure(429, code="rate_limit"),
    ]
    verdict = json.dumps({"explanation": "same", "is_right": True})
    return [*(wire.content for wire in wires), completion(verdict).content, json.dumps(refusal).encode()]


def models() -> dict[str, list[bytes]]:
    """Each small file of a model directory, by name, and its weights."""
    from rilctl.testing.small_vlms import build_small_vlm

    with tempfile.TemporaryDirectory() as folder:
        directory = build_small_vlm(Path(folder) / "model")
        return {file.name: [file.read_bytes()] for file in sorted(directory.iterdir())}
