"""Faults that people met with files of other tools; each once took the wrong value, or gave a message about something
else."""

import base64
import errno
import json
import resource
import textwrap
from pathlib import Path

import pytest

from rilctl.config.load import load_recipe
from rilctl.config.suite import find_suite
from rilctl.data.images import to_image_ref
from rilctl.data.load import load_samples
from rilctl.data.sample import SampleSet
from rilctl.errors import DataError, RowError

from .helpers import png, table, write_lines

HERE = Path(".")
BARE = base64.b64encode(png("green", (32, 24))).decode()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


def load(**fields: object) -> SampleSet:
    return load_samples(table(**fields), base_dir=HERE)


def answers(loaded: SampleSet) -> list[str]:
    return [sample.answer for sample in loaded.samples]


def reasons(loaded: SampleSet) -> dict[str, str]:
    return {record.sample_id: record.reason for record in loaded.rejected}


@pytest.mark.parametrize("kind", ["parquet", "hub"])
def test_a_class_label_is_its_name_and_a_short_float_its_shortest_text(tmp_path: Path, kind: str) -> None:
    import datasets

    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "size": datasets.Value("float32"),
            "half": datasets.Value("float16"),
        }
    )
    rows = {
        "question": ["a", "b", "c", "d"],
        "label": [1, 0, None, -1],
        "size": [0.1, 3.0, 1e-20, None],
        "half": [0.1, 0.5, 2.0, None],
    }
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
    path = str(tmp_path / "set")
    named = load(type=kind, path=path, columns={"images": "", "answer": "label"})
    assert answers(named) == ["dog", "cat"]
    assert reasons(named) == {"2": "answer-empty", "3": "answer-empty"}  # -1: nobody knows
    assert answers(load(type=kind, path=path, columns={"images": "", "answer": "size"})) == ["0.1", "3.0", "1e-20"]
    assert answers(load(type=kind, path=path, columns={"images": "", "answer": "half"})) == ["0.1", "0.5", "2.0"]


def write_parquet(path: Path, num_rows: int = 1, text: str = "q") -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"question": [text] * num_rows, "answer": pa.array(["a"] * num_rows)}), path)
    return path


TEXT_ONLY = {"images": ""}


def test_brackets_in_a_path_that_exists_are_no_pattern(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "run [1]" / "rows [2].parquet")
    for each in (path, path.parent, tmp_path / "run [[]1]" / "rows*.parquet"):
        assert len(load(type="parquet", path=str(each), columns=TEXT_ONLY).samples) == 1
    with pytest.raises(DataError, match=r"run \[1\] can't be read by `datasets`") as caught:
        load(type="hub", path=str(path.parent), columns=TEXT_ONLY)
    assert caught.value.hint is not None and "rename" in caught.value.hint


def test_an_empty_parquet_says_so_and_one_among_others_adds_nothing(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set" / "a.parquet", num_rows=0)
    with pytest.raises(DataError, match=r"a\.parquet: no rows"):
        load(type="parquet", path=str(tmp_path / "set" / "a.parquet"), columns=TEXT_ONLY)
    write_parquet(tmp_path / "set" / "b.parquet", num_rows=2)
    assert len(load(type="parquet", path=str(tmp_path / "set"), columns=TEXT_ONLY).samples) == 2
    (tmp_path / "none.parquet").touch()
    with pytest.raises(DataError, match=r"none\.parquet: not a Parquet file") as caught:
        load(type="parquet", path=str(tmp_path / "none.parquet"), columns=TEXT_ONLY)
    assert caught.value.hint == "it is empty"


def test_a_full_cache_disk_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "big.parquet", num_rows=1000, text="q" * 5000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(DataError, match="no room to copy the data set into the cache") as caught:
            load(type="parquet", path=str(path), columns=TEXT_ONLY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint is not None and "HF_DATASETS_CACHE" in caught.value.hint
    cause = caught.value.__cause__
    assert cause is not None and isinstance(cause.__cause__, OSError) and cause.__cause__.errno == errno.EFBIG


def test_a_json_list_is_read_as_jsonl(pictures: Path) -> None:
    rows = [{"id": f"q{n}", "images": f"{n}.png", "question": "?", "answer": n} for n in range(3)]
    for indent in (None, 1):
        (pictures / "list.jsonl").write_text(json.dumps(rows, indent=indent), encoding="utf-8-sig")
        assert answers(load(type="jsonl", path=str(pictures / "list.jsonl"))) == ["0", "1", "2"]
    lines = "[" + ",\n".join(json.dumps(row) for row in rows) + "]"
    (pictures / "list.jsonl").write_text(lines)
    assert answers(load(type="jsonl", path=str(pictures / "list.jsonl"))) == ["0", "1", "2"]


@pytest.mark.parametrize("form", ["{}", "[{},{}]"])
def test_a_key_that_is_there_twice_is_refused_with_its_row(pictures: Path, form: str) -> None:
    good = '{"id": "a", "images": "1.png", "question": "q", "answer": "1"}'
    twice = '{"id": "b", "images": "1.png", "question": "q", "answer": "1", "answer": "2"}'
    inner = '{"id": "c", "images": [{"path": "1.png", "path": "2.png"}], "question": "q", "answer": "1"}'
    lines = "\n".join([good, twice, inner]) if form == "{}" else f"[{good},{twice},{inner}]"
    (pictures / "rows.jsonl").write_text(lines)
    loaded = load(type="jsonl", path=str(pictures / "rows.jsonl"))
    assert answers(loaded) == ["1"]
    assert [record.reason for record in loaded.rejected] == ["json-invalid"] * 2
    assert [record.message.partition(": ")[2] for record in loaded.rejected] == [
        "the key `answer` is there twice", "the key `path` is there twice",
    ]  # fmt: skip
    assert loaded.rejected[0].sample_id in ("rows.jsonl:2", "rows.jsonl[1]")


def test_csv_of_other_tools(pictures: Path) -> None:
    for name, divider in (("semicolon", ";"), ("tab", "\t"), ("comma", ",")):
        lines = [["id", "images", "question", "answer"], ["a", "0.png", "what, then?", "1,5"]]
        text = "\r\n".join(divider.join(f'"{cell}"' if "," in cell else cell for cell in line) for line in lines)
        (pictures / f"{name}.csv").write_text(text, encoding="utf-8-sig", newline="")
        loaded = load(type="folder", path=str(pictures), table=f"{name}.csv")
        assert [(s.id, s.question, s.answer) for s in loaded.samples] == [("a", "what, then?", "1,5")]
    (pictures / "twice.csv").write_text("id,images,question,answer,answer\na,0.png,q,1,2\n")
    with pytest.raises(DataError, match="two columns are called `answer`"):
        load(type="folder", path=str(pictures), table="twice.csv")


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_row_without_an_id_never_takes_a_real_rows(pictures: Path, place: str) -> None:
    rows: list[dict[str, object]] = [{"images": "0.png", "question": f"q{n}", "answer": "a"} for n in range(3)]
    rows[1]["id"] = None
    rows[0 if place == "before" else 2]["id"] = "1"
    loaded = load(type="jsonl", path=str(write_lines(pictures / "r.jsonl", rows)))
    assert {s.id: s.question for s in loaded.samples} == {
        "1": "q0" if place == "before" else "q2",
        "2" if place == "before" else "0": "q2" if place == "before" else "q0",
    }
    (record,) = loaded.rejected
    assert (record.reason, record.sample_id) == ("id-duplicate", "r.jsonl:2")
    assert "has no id, and its number 1 is the id of r.jsonl:" in record.message


PATHS = {
    "a file URL": "file://{folder}/0.png",
    "a file URL of this host": "FILE://localhost{folder}/0.png",
    "a file URL with signs": "file://{folder}/a%20b.png",
    "backslashes": "sub\\1.png",
    "bare base64": BARE,
    "wrapped base64": "\n".join(textwrap.wrap(BARE, 40)) + "\n",
    "base64 without padding": BARE.rstrip("="),
    "URL-safe base64": BARE.translate({ord("+"): "-", ord("/"): "_"}),
    "a wrapped data URL": "data:image/png;base64," + "\r\n".join(textwrap.wrap(BARE, 76)),
    "Anthropic's source": {"type": "base64", "media_type": "image/png", "data": BARE},
    "OpenAI's URL": {"url": f"data:image/png;base64,{BARE}"},
}


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        pytest.param(kind, cell, id=f"{kind}, {name}")
        for kind in ("jsonl", "parquet")
        for name, cell in PATHS.items()
        if kind == "jsonl" or isinstance(cell, str)  # a column of such structures is refused with its type
    ],
)
def test_pictures_as_other_tools_write_them(pictures: Path, kind: str, cell: object) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (pictures / "sub").mkdir()
    (pictures / "sub" / "1.png").write_bytes(png())
    (pictures / "a b.png").write_bytes(png())
    cell = cell.replace("{folder}", str(pictures)) if isinstance(cell, str) else cell
    rows = [{"images": cell, "question": "q", "answer": "a"}]
    path = write_lines(pictures / "r.jsonl", rows)
    if kind == "parquet":
        path = pictures / "r.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    loaded = load(type=kind, path=str(path))
    assert not loaded.rejected
    loaded.samples[0].images[0].load()


REFUSED = {
    "file://elsewhere/share/0.png": ("image-remote", "another machine"),
    "file:///etc/passwd": ("image-outside-root", "outside"),
    "https://example.org/0.png": ("image-remote", "download the images first"),
    "..\\0.png": ("image-outside-root", "outside"),
    "C:\\pictures\\0.png": ("image-outside-root", "another machine"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items())
def test_paths_that_lead_elsewhere_say_where(tmp_path: Path, text: str, expected: tuple[str, str]) -> None:
    with pytest.raises(RowError) as caught:
        to_image_ref(text, name="row 1", roots=[tmp_path], max_px=100)
    assert caught.value.reason == expected[0] and expected[1] in caught.value.message


def test_a_long_text_that_is_no_path_is_not_printed_whole(tmp_path: Path) -> None:
    text = base64.b64encode(b"no picture" * 1000).decode()
    with pytest.raises(RowError) as caught:
        to_image_ref(text, name="row 1", roots=[tmp_path], max_px=100).check()
    assert len(caught.value.message) < 200 and f"({len(text):,} characters)" in caught.value.message


@pytest.mark.parametrize(
    "text", ["a" + " " * 80, "=" * 80, "A" * 61 + " " * 30, "file://[x", "file://%00", "file:", "\\" * 200]
)
def test_odd_texts_are_bad_rows_and_no_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(RowError):
        to_image_ref(text, name="row 1", roots=[tmp_path], max_px=100).check()


def test_deep_lists_in_a_list_are_bad_rows(tmp_path: Path) -> None:
    depth = 900
    (tmp_path / "deep.jsonl").write_text("[" + "[" * depth + "]" * depth + ', {"question": "q", "answer": "a"}]')
    loaded = load(type="jsonl", path=str(tmp_path / "deep.jsonl"), columns=TEXT_ONLY)
    assert answers(loaded) == ["a"] and reasons(loaded) == {"deep.jsonl[0]": "json-invalid"}


def test_a_recipe_and_a_suite_with_a_byte_order_mark(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[data]\ntype = "digits"\n', encoding="utf-8-sig")
    assert load_recipe([recipe]).data is not None
    built_in = find_suite("digits", tmp_path)
    (tmp_path / "mine.toml").write_text(built_in.path.read_text(), encoding="utf-8-sig")
    assert find_suite("mine.toml", tmp_path).suite == built_in.suite
