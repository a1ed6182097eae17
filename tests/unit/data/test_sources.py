import base64
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rilctl.config.data import DataConfig
from rilctl.data.load import load_samples
from rilctl.data.sample import SampleSet
from rilctl.data.sources.lines import read_list_or_lines
from rilctl.errors import CredentialError, DataError

from .helpers import png, table, write_lines

HERE = Path(".")
URL = "data:image/png;base64," + base64.b64encode(png("green")).decode()


def load(config: DataConfig) -> SampleSet:
    return load_samples(config, base_dir=HERE)


def reasons(loaded: SampleSet) -> dict[str, str]:
    return {record.sample_id: record.reason for record in loaded.rejected}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


def test_jsonl_lines_that_are_no_rows(pictures: Path) -> None:
    path = pictures / "r.jsonl"
    good = json.dumps({"id": "a", "images": "1.png", "question": "q", "answer": "a"}).encode()
    bad = [b"{", b"\xff\xfe", b"[1]", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([good, b"", *bad]))
    loaded = load(table(type="jsonl", path=str(path)))
    assert [sample.id for sample in loaded.samples] == ["a"]
    assert [record.reason for record in loaded.rejected] == ["json-invalid"] * len(bad)
    assert loaded.rejected[0].sample_id == "r.jsonl:3"


def test_jsonl_inline_images_and_image_root(pictures: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "images": ["0.png", URL], "question": "q", "answer": "a"},
        {"id": "b", "images": {"bytes": None, "path": "1.png"}, "question": "q", "answer": "a"},
    ]
    path = write_lines(tmp_path / "r.jsonl", rows)
    loaded = load(table(type="jsonl", path=str(path), image_root=str(pictures)))
    assert [len(sample.images) for sample in loaded.samples] == [2, 1]
    assert loaded.samples[0].images[1].load().getpixel((0, 0)) == (0, 128, 0)


def test_missing_files_are_named_with_a_guess(pictures: Path) -> None:
    write_lines(pictures / "train.jsonl", [{}])
    with pytest.raises(DataError, match=r"no file at .*trian.jsonl") as caught:
        load(table(type="jsonl", path=str(pictures / "trian.jsonl")))
    assert caught.value.hint == "did you mean `train.jsonl`?"
    for kind in ("llava", "chat", "parquet", "folder"):
        with pytest.raises(DataError, match="nowhere"):
            load(table(type=kind, path=str(pictures / "nowhere" / "x")))
    (pictures / "empty.jsonl").touch()
    with pytest.raises(DataError, match="no rows"):
        load(table(type="jsonl", path=str(pictures / "empty.jsonl")))


def test_llava_pairs(pictures: Path) -> None:
    turns = [
        {"from": "human", "value": "<image>\nwhat?"},
        {"from": "gpt", "value": "a cat"},
        {"from": "human", "value": "what colour?"},
        {"from": "gpt", "value": "grey"},
    ]
    rows = [
        {"id": "a", "image": "1.png", "conversations": turns},
        {"id": "b", "conversations": turns},
        {"id": "c", "conversations": turns[2:]},
        {"id": "d", "image": "1.png", "conversations": turns[:3]},
        {"id": "e", "image": "1.png", "conversations": turns[1:]},
        {"id": "a", "image": "1.png", "conversations": turns[:2]},
        {"id": "f", "image": "1.png"},
    ]
    expected = [("a#1", "what?", "a cat", 1), ("a#2", "what colour?", "grey", 1), ("c#1", "what colour?", "grey", 0)]
    for path in (pictures / "l.json", pictures / "l.jsonl"):
        path.write_text(json.dumps(rows)) if path.suffix == ".json" else write_lines(path, rows)
        loaded = load(table(type="llava", path=str(path)))
        found = [(s.id, s.question, s.answer, len(s.images)) for s in loaded.samples]
        assert found == [*expected, ("d#1", "what?", "a cat", 1)]
        assert sorted(record.reason for record in loaded.rejected) == [
            "answer-empty", "conversation-invalid", "field-missing", "id-duplicate", "image-missing",
        ]  # fmt: skip
    numbered = load(table(type="llava", path=str(pictures / "l.json"), id=""))
    assert [sample.id for sample in numbered.samples] == ["0#1", "0#2", "2#1", "3#1", "5#1"]
    (pictures / "l.json").write_text("[{")
    with pytest.raises(DataError, match="not a JSON list"):
        load(table(type="llava", path=str(pictures / "l.json")))


def test_chat_parts(pictures: Path) -> None:
    def row(name: str, content: object, *more: object, **fields: object) -> dict[str, object]:
        answer = {"role": "assistant", "content": "yes"}
        return {"id": name, "messages": [{"role": "user", "content": content}, answer, *more], **fields}

    text = {"type": "text", "text": "is it?"}
    again = [{"role": "user", "content": "sure?"}, {"role": "assistant", "content": "sure"}]
    rows = [
        row("url", [{"type": "image_url", "image_url": {"url": URL}}, text], *again),
        row("path", [{"type": "image", "image": "1.png"}, text]),
        row("marked", [{"type": "image"}, text], images=["2.png"]),
        row("plain", "<image>is it?", images=["3.png"]),
        row("listed", "is it?", image="3.png"),
        row("text", "is it?"),
        row("short", [{"type": "image"}, {"type": "image"}, text], images=["2.png"]),
        row("video", [{"type": "video", "video": "a.mp4"}, text]),
        row("remote", [{"type": "image_url", "image_url": "https://example.org/a.png"}, text]),
        row("tool", "is it?", {"role": "tool", "content": "x"}),
        {"id": "none", "messages": []},
        {"id": "type", "messages": "hello"},
    ]
    loaded = load(table(type="chat", path=str(write_lines(pictures / "c.jsonl", rows))))
    assert {s.id: len(s.images) for s in loaded.samples} == {
        "url#1": 1, "url#2": 1, "path#1": 1, "marked#1": 1, "plain#1": 1, "listed#1": 1, "text#1": 0,
    }  # fmt: skip
    by_id = {s.id: s for s in loaded.samples}
    assert (by_id["url#2"].question, by_id["url#2"].answer) == ("sure?", "sure")
    assert by_id["url#2"].images[0].load().getpixel((0, 0)) == (0, 128, 0)
    assert by_id["plain#1"].question == "is it?"
    assert sorted(record.reason for record in loaded.rejected) == [
        "conversation-invalid", "conversation-invalid", "field-type", "image-missing", "image-remote",
        "video-unsupported",
    ]  # fmt: skip


def test_folder(pictures: Path) -> None:
    lines = ["id,images,question,answer", "a,0.png,q,1", 'b,1.png; 2.png,"two, lines\nof text",2', "c,,q,3", "d,0.png"]
    lines += ["e,0.png,q,1,more", "f,0.png,\udcff,1"]
    (pictures / "table.csv").write_text("\n".join(lines), encoding="utf-8-sig", errors="surrogateescape")
    loaded = load(table(type="folder", path=str(pictures)))
    assert [(s.id, s.question, len(s.images)) for s in loaded.samples] == [
        ("a", "q", 1),
        ("b", "two, lines\nof text", 2),
    ]
    assert sorted(record.reason for record in loaded.rejected) == [
        "csv-invalid", "image-missing", "question-empty", "text-invalid",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"no file at .*tabel.csv"):
        load(table(type="folder", path=str(pictures), table="tabel.csv"))
    with pytest.raises(DataError, match="no column `frage`"):
        load(table(type="folder", path=str(pictures), columns={"question": "frage"}))


def make_parquet(path: Path) -> None:
    import datasets

    rows = {
        "id": ["a", "b", "c", "d"],
        "images": [[{"bytes": png("red")}, {"bytes": png("blue")}], [{"bytes": png("green")}], [], None],
        "question": ["q", "q", "q", "q"],
        "answer": [1, None, 3, 4],
    }
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "images": datasets.List(datasets.Image()),
            "question": datasets.Value("string"),
            "answer": datasets.Value("int64"),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)


CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.parquet\n---\n"


def test_hub_from_a_local_folder_with_a_card_reads_the_files_that_are_there(tmp_path: Path) -> None:
    import datasets

    for folder, answers in (("a/set", "12"), ("b/set", "345"), ("a/set", "6789")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "README.md").write_text(CARD)
        images = [str(tmp_path / folder / "0.png")]
        (tmp_path / folder / "0.png").write_bytes(png("red"))
        rows = [{"id": f"q{n}", "images": images, "question": "?", "answer": each} for n, each in enumerate(answers)]
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / folder / "train.parquet")
        loaded = load_samples(table(type="hub", path=folder), base_dir=tmp_path)
        assert "".join(sample.answer for sample in loaded.samples) == answers


def test_hub_from_a_local_folder(tmp_path: Path) -> None:
    make_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    loaded = load_samples(table(type="hub", path="set"), base_dir=tmp_path)
    assert [(s.id, s.answer) for s in loaded.samples] == [("a", "1")]
    first, second = loaded.samples[0].images
    assert first.load().getpixel((0, 0)) == (255, 0, 0) and second.load().getpixel((0, 0)) == (0, 0, 255)
    assert reasons(loaded) == {"b": "answer-empty", "c": "image-missing", "d": "image-missing"}
    with pytest.raises(DataError, match="trian"):
        load_samples(table(type="hub", path="set", split="trian"), base_dir=tmp_path)
    with pytest.raises(DataError, match="no column `image`"):
        load_samples(table(type="hub", path="set", columns={"images": "image"}), base_dir=tmp_path)


class GatedHub(BaseHTTPRequestHandler):
    """A hub on which every repository is gated, and the caller has no token."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_gated_data_set_asks_for_a_credential(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        '[data]\ntype = "hub"\npath = "some/set"\n[teachers.t]\nmodel = "some/model"\n'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), GatedHub) as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path)}
        environment.pop("HF_HUB_OFFLINE", None)
        command = [sys.executable, "-m", "rilctl", "cache-teacher", "recipe.toml", "--teachers", "t"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        hub.shutdown()
    assert "data set some/set is gated" in done.stderr and "HF_TOKEN" in done.stderr, done.stderr
    assert done.returncode == CredentialError.exit_code


def test_hub_image_folder_has_paths(pictures: Path) -> None:
    write_lines(
        pictures / "metadata.jsonl", [{"file_name": f"{n}.png", "question": f"q{n}", "answer": "a"} for n in (0, 1)]
    )
    for number in range(2, 20):
        (pictures / f"{number}.png").unlink()
    config = table(type="hub", path=str(pictures), columns={"images": "image"})
    loaded = load(config)
    assert [(s.id, s.images[0].load().size) for s in loaded.samples] == [("0", (8, 6)), ("1", (8, 6))]


def test_parquet_file_folder_and_glob(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_parquet(tmp_path / "set" / f"{name}.parquet")
    one = load(table(type="parquet", path=str(tmp_path / "set" / "a.parquet")))
    assert [s.id for s in one.samples] == ["a"]
    for path in ("set", "set/*.parquet"):
        both = load_samples(table(type="parquet", path=path), base_dir=tmp_path)
        assert len(both.rejected) == 7  # the second file repeats the first's ids
    (tmp_path / "set" / "b.parquet").write_bytes((tmp_path / "set" / "b.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match=r"b\.parquet: not a Parquet file"):
        load(table(type="parquet", path=str(tmp_path / "set")))


def test_a_parquet_text_that_is_not_utf_8_rejects_its_row_alone(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    question = pa.array([b"one?", b"\xf7?", b"three?"]).cast(pa.string(), safe=False)
    rows = pa.table({"id": ["a", "b", "c"], "question": question, "answer": ["1", "2", "3"]})
    pq.write_table(rows, tmp_path / "r.parquet")
    loaded = load(table(type="parquet", path=str(tmp_path / "r.parquet"), columns={"images": ""}))
    assert [sample.id for sample in loaded.samples] == ["a", "c"]
    assert reasons(loaded) == {"b": "field-type"}


def test_parquet_of_plain_types(tmp_path: Path, pictures: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, object] = {"question": ["q", "q"], "answer": ["a", "b"]}
    for images, expected in (
        ([png(), None], 1),
        (["0.png", "1.png"], 2),
        ([["0.png"], None], 1),
        ([["0.png", None], ["1.png"]], 1),
    ):
        pq.write_table(pa.table({**columns, "images": images}), pictures / "t.parquet")
        os.utime(pictures / "t.parquet", ns=(0, len(repr(images))))  # the cache of datasets goes by time
        assert len(load(table(type="parquet", path=str(pictures / "t.parquet"))).samples) == expected
    pq.write_table(pa.table({**columns, "images": [1, 2]}), pictures / "n.parquet")
    with pytest.raises(DataError, match="holds int64, not images"):
        load(table(type="parquet", path=str(pictures / "n.parquet")))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_a_file_on_a_broken_disk_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/proc/self/mem")  # its first byte can't be read: EIO
    with pytest.raises(DataError, match=rf"{name} can't be read: input/output error"):
        next(read_list_or_lines(tmp_path / name))


@pytest.mark.parametrize(
    "content", [b'[{"id": "a"}, 3, {"id": 1, "id": 2}, {"id": "\xc3\xa9"}]', b"[]", b'[{"a": NaN}]']
)
def test_a_large_list_is_read_row_by_row_as_a_small_one_at_once(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    said = []
    for least in (1 << 25, 1):
        monkeypatch.setattr("rilctl.data.sources.lines._LARGE_BYTES", least)
        said.append([(line.index, line.name, repr(line.value)) for line in read_list_or_lines(path)])
    assert said[0] == said[1]


@pytest.mark.parametrize("content", [b'[{"id": "\xff"}]', b'[{"id": "a"}', b'[{"id": "a"} 2]', b'[{"id": "\xc3'])
def test_a_large_list_that_is_none_is_refused(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    for least in (1 << 25, 1):
        monkeypatch.setattr("rilctl.data.sources.lines._LARGE_BYTES", least)
        with pytest.raises(DataError, match="not a JSON list"):
            list(read_list_or_lines(path))
