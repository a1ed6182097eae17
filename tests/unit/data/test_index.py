"""An index holds what reading the data set would give, and nothing else is ever taken for it."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rilctl.config.data import DataConfig
from rilctl.data import checking, index
from rilctl.data.load import load_part, load_samples
from rilctl.data.once import digests, stamps
from rilctl.data.once.kept import Kept
from rilctl.data.once.stored import StoredSamples, ids_of, num_with_truth, with_response
from rilctl.data.reading import Split
from rilctl.data.sample import ImageRef, SampleSet
from rilctl.errors import DataError, InterruptedByUser

from .helpers import png, table, write_lines

NUM = 30
SPLITS: tuple[Split, ...] = ("train", "validation")
SCRIPT = """
import sys
from pathlib import Path
from tests.unit.data import test_index as here
here.index.LEAST_BYTES, here.stamps.YOUNG_NS = 1, -(10**12)
folder = Path(sys.argv[1])
kept = here.Kept(folder / "kept", say=lambda text: print(text, flush=True))
print(here.load(here.chat(folder), folder, kept).digest)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures, and conversations about them, some of them bad; everything is indexed, however small and young."""
    monkeypatch.setattr(index, "LEAST_BYTES", 1)
    monkeypatch.setattr(stamps, "YOUNG_NS", -(10**12))
    for number in range(NUM):
        (tmp_path / f"{number}.png").write_bytes(png(f"rgb({number * 8}, 0, 0)"))
    (tmp_path / "7.png").write_bytes(b"<html>")
    (tmp_path / "8.png").unlink()
    rows: list[object] = []
    for n in range(NUM):
        said = [{"role": "user", "content": f"<image>what is {n}?"}, {"role": "assistant", "content": f"{n} “it”"}]
        said += [{"role": "user", "content": "and then?"}, {"role": "assistant", "content": str(n + 1)}] * (n % 3)
        system = [{"role": "system", "content": "be short"}] if n % 5 == 0 else []
        rows.append({"id": f"c{n}", "messages": system + said, "images": [f"{n}.png"]})
    rows[3] = {"id": "c3", "messages": [{"role": "user", "content": "<image>\ud800?"}], "images": ["3.png"]}
    rows[4] = {"id": "c5", "messages": rows[4]["messages"], "images": ["4.png"]}  # type: ignore[index]
    rows[10] = {"messages": rows[10]["messages"], "images": ["2.png"]}  # type: ignore[index]
    rows[11] = "no object"
    rows[12] = {"id": "10", "messages": [{"role": "user", "content": "no picture?"}], "images": []}
    rows[13] = {"id": "c13", "messages": rows[14]["messages"], "images": ["14.png"]}  # type: ignore[index]
    write_lines(tmp_path / "chat.jsonl", rows)
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    plain = [{"id": f"q{n}", "images": f"{n}.png", "question": f"what is {n % 9}?", "answer": n} for n in range(NUM)]
    write_lines(tmp_path / "rows.jsonl", plain)
    pq.write_table(pa.Table.from_pylist(plain), tmp_path / "rows.parquet")
    head = "id,images,question,answer\n"
    (tmp_path / "table.csv").write_text(head + "".join(f"q{n},{n}.png,what is {n}?,{n}\n" for n in range(NUM)))
    write_lines(tmp_path / "held.jsonl", plain[:9])
    return tmp_path


def chat(folder: Path, **fields: object) -> DataConfig:
    """The table of `chat.jsonl`."""
    return table(type="chat", path=str(folder / "chat.jsonl"), **fields)


def load(config: DataConfig, folder: Path, kept: Kept | None, split: Split = "train") -> SampleSet:
    """A split."""
    return load_samples(config, base_dir=folder, split=split, kept=kept)


def whole(found: SampleSet) -> tuple[object, ...]:
    """All that a set says, digests and sizes of its pictures too."""
    pictures = [[(image.digest, image.size_px) for image in sample.images] for sample in found.samples]
    said = (found.name, tuple(found.samples), found.rejected, found.left_out, found.digest, found.num_shortened)
    return (*said, pictures)


def sayings(folder: Path) -> tuple[Kept, list[str]]:
    """A place for indexes, and what is said of it."""
    said: list[str] = []
    return Kept(folder / "kept", say=said.append, warn=said.append), said


CONFIGS: dict[str, dict[str, object]] = {
    "chat": {"path": "chat.jsonl"},
    "a list": {"path": "chat.json"},
    "held out by pictures": {"path": "chat.jsonl", "validation": {"share": 0.4}},
    "by conversations": {"path": "chat.jsonl", "validation": {"share": 0.4, "group": "conversation"}},
    "last answers": {"path": "chat.jsonl", "turns": "last", "validation": {"share": 0.3}},
    "short conversations": {"path": "chat.jsonl", "max_turns": 1, "select": {"max_question_chars": 10}},
    "some": {"path": "chat.jsonl", "select": {"num_samples": 11}, "validation": {"share": 0.3, "num_samples": 3}},
    "without truth": {"path": "chat.jsonl", "truth_share": 0.5},
    "no near duplicates": {"path": "chat.jsonl", "select": {"drop_near_duplicates": True}},
    "rows": {"type": "jsonl", "path": "rows.jsonl", "template": "say: {{question}}"},
    "a file of held-out rows": {"type": "jsonl", "path": "rows.jsonl", "validation": {"path": "held.jsonl"}},
    "parquet": {"type": "parquet", "path": "rows.parquet"},
    "a table": {"type": "folder", "path": "."},
    "threads": {"path": "chat.jsonl", "workers": 2},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_index_gives_what_reading_gives(folder: Path, name: str) -> None:
    config = table(**{"type": "chat"} | CONFIGS[name])
    first, said = sayings(folder)
    made = [whole(load(config, folder, first, split)) for split in SPLITS]
    assert sum("indexing" in text for text in said) == 1
    later, said = sayings(folder)
    found = [load(config, folder, later, split) for split in SPLITS]
    assert said == []
    plain = [load(config, folder, None, split) for split in SPLITS]
    assert made == [whole(each) for each in found] == [whole(each) for each in plain]
    for one, other in zip(found, plain, strict=True):
        assert list(ids_of(one.samples)) == [sample.id for sample in other.samples]
        assert list(with_response(one.samples)) == list(with_response(other.samples))
        assert num_with_truth(one.samples) == num_with_truth(other.samples)
        assert [one.samples[at] for at in range(len(one.samples))] == list(other.samples)
        assert list(one.samples[1::2]) == list(other.samples[1::2])


def test_other_files_and_other_tables_have_other_indexes(folder: Path) -> None:
    kept, said = sayings(folder)
    load(chat(folder), folder, kept)
    load(chat(folder, max_turns=1), folder, kept)
    with (folder / "chat.jsonl").open("a") as file:
        file.write('{"id": "new", "messages": [{"role": "user", "content": "<image>more?"}], "images": ["1.png"]}\n')
    found = load(chat(folder), folder, kept)
    assert sum("indexing" in text for text in said) == 3
    assert whole(found) == whole(load(chat(folder), folder, None))


@pytest.mark.parametrize("picture", ["5.png", "7.png", "8.png"])
def test_a_picture_that_changed_came_or_went_is_seen(folder: Path, picture: str) -> None:
    load(chat(folder), folder, sayings(folder)[0])
    if picture == "5.png":
        (folder / picture).unlink()
    else:
        (folder / picture).write_bytes(png("white"))
    kept, said = sayings(folder)
    assert whole(load(chat(folder), folder, kept)) == whole(load(chat(folder), folder, None))
    assert said[0] == "pictures changed since this data set was indexed, or just before: it is read again"


def test_a_picture_that_was_just_written_counts_as_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "YOUNG_NS", 3600 * 10**9)
    for _ in range(2):
        kept, said = sayings(folder)
        assert whole(load(chat(folder), folder, kept)) == whole(load(chat(folder), folder, None))
        assert any("indexing" in text for text in said)


def test_a_picture_that_changes_after_the_start_is_not_shown(folder: Path) -> None:
    load(chat(folder), folder, sayings(folder)[0])
    found = load(chat(folder), folder, sayings(folder)[0])
    (folder / "0.png").write_bytes(png("white"))
    with pytest.raises(Exception, match="replaced since it was first read"):
        found.samples[0].images[0].load()


@pytest.mark.parametrize("file", ["train.arrow", "validation.arrow", "pictures.arrow", "index.json"])
@pytest.mark.parametrize("damage", ["a byte", "cut", "gone"])
def test_a_damaged_index_is_said_and_made_anew(folder: Path, file: str, damage: str) -> None:
    config = chat(folder, validation={"share": 0.4})
    plain = whole(load(config, folder, sayings(folder)[0]))
    (path,) = (folder / "kept").glob(f"*/{file}")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + (b"" if damage == "cut" else b"\xff" + content[middle + 1 :]))
    kept, said = sayings(folder)
    assert whole(load(config, folder, kept)) == plain
    assert said[0].startswith(f"the index `{path.parent}` is damaged (")
    assert path.read_bytes() == content


def _start(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True)


def test_of_two_processes_one_indexes(folder: Path) -> None:
    name = index.index_name(chat(folder), folder)
    assert name is not None
    with Kept(folder / "kept").alone(name, "waits"):
        both = [_start(folder), _start(folder)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "another process indexes this data set: waiting for it\n"
    said = [process.communicate(timeout=200)[0].splitlines() for process in both]
    assert {lines[-1] for lines in said} == {load(chat(folder), folder, None).digest}
    assert sum("indexing" in line for lines in said for line in lines) == 1


def test_after_a_kill_while_it_indexes_the_next_one_does(folder: Path) -> None:
    (folder / "chat.jsonl").write_bytes((folder / "chat.jsonl").read_bytes() * 400)
    writer = _start(folder)
    assert writer.stdout is not None
    assert writer.stdout.readline().startswith("indexing")
    while not list((folder / "kept").glob(".tmp-*/*")):
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert not list((folder / "kept").glob("*/index.json"))
    kept, said = sayings(folder)
    assert load(chat(folder), folder, kept).digest == load(chat(folder), folder, None).digest
    assert len(said) == 1
    for left in (folder / "kept").glob(".tmp-*"):
        os.utime(left, (time.time() - 100_000,) * 2)
    load(chat(folder, max_turns=1), folder, sayings(folder)[0])
    assert not list((folder / "kept").glob(".tmp-*"))


def test_pictures_that_are_in_no_file_are_read_as_ever(folder: Path) -> None:
    inline = f"data:image/png;base64,{b64encode(png()).decode()}"
    write_lines(folder / "rows.jsonl", [{"id": "i", "question": "what?", "answer": "1", "images": inline}])
    config = table(type="jsonl", path="rows.jsonl")
    kept, said = sayings(folder)
    for _ in range(2):
        assert load(config, folder, kept).digest == load(config, folder, None).digest
    assert len(said) == 1
    assert not list((folder / "kept").glob("*/index.json"))


def test_a_plan_reads_an_index_and_writes_none(folder: Path) -> None:
    kept = sayings(folder)[0]
    plan = Kept(folder / "kept", writes=False)
    load_part(chat(folder), base_dir=folder, most_rows=10, kept=plan)
    assert not (folder / "kept").exists()
    found = load(chat(folder), folder, kept)
    (folder / "0.png").touch()
    assert load_part(chat(folder), base_dir=folder, most_rows=10, kept=plan)[0].drawn is not None
    os.utime(folder / "0.png")
    load(chat(folder), folder, sayings(folder)[0])
    train, validation = load_part(chat(folder), base_dir=folder, most_rows=10, kept=plan)
    assert train.drawn is not None
    assert train.drawn.of_usable
    assert train.drawn.num_rows == len(found.samples)
    assert train.samples == tuple(found.samples[number] for number in train.drawn.numbers)
    assert (train.rejected, train.left_out) == (found.rejected, found.left_out)
    assert len(validation.samples) == 0


def test_an_error_is_that_of_reading(folder: Path) -> None:
    config = chat(folder, validation={"share": 0.4}, select={"max_question_chars": 1})
    for _ in range(2):
        for split in SPLITS:
            with pytest.raises(DataError) as without:
                load(config, folder, None, split)
            with pytest.raises(DataError) as found:
                load(config, folder, sayings(folder)[0], split)
            assert (str(found.value), found.value.hint) == (str(without.value), without.value.hint)


def test_what_is_small_or_chosen_by_others_is_not_indexed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for select in ({"max_prompt_tokens": 5}, {"decontaminate": ("digits",)}, {"pass_rate": {"verdicts": "v"}}):
        assert index.index_name(chat(folder, select=select), folder) is None
    assert index.index_name(chat(folder), folder) is not None
    assert index.index_name(chat(folder, workers=3), folder) == index.index_name(chat(folder), folder)
    monkeypatch.setattr(index, "LEAST_BYTES", (folder / "chat.jsonl").stat().st_size + 1)
    assert index.index_name(chat(folder), folder) is None


def test_where_nothing_can_be_written_it_is_read(folder: Path) -> None:
    said: list[str] = []
    kept = Kept(folder / "0.png" / "kept", warn=said.append)
    assert whole(load(chat(folder), folder, kept)) == whole(load(chat(folder), folder, None))
    assert said == [f"`{folder}/0.png/kept` can't be written (not a directory): nothing is kept"]


def test_a_stop_is_heard(folder: Path) -> None:
    def stop() -> None:
        raise InterruptedByUser(signal.SIGINT, "again")

    with pytest.raises(InterruptedByUser):
        load(chat(folder), folder, Kept(folder / "kept", check_stop=stop))
    assert not list((folder / "kept").glob(".tmp-*"))


def test_the_indexes_that_were_used_last_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_INDEXES", 2)
    configs = [chat(folder, max_turns=turns) for turns in (1, 2, 3)]
    names = [index.index_name(config, folder) for config in configs]
    for config, name in zip(configs[:2], names, strict=False):
        load(config, folder, sayings(folder)[0])
        os.utime(folder / "kept" / str(name), (1, 1))
    load(configs[0], folder, sayings(folder)[0])
    load(configs[2], folder, sayings(folder)[0])
    assert {path.name for path in _indexes(folder)} == {names[0], names[2]}


def test_what_stands_for_an_index_goes_as_indexes_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "MOST_INDEXES", 2)
    inline = f"data:image/png;base64,{b64encode(png()).decode()}"
    names = []
    for number in range(3):
        write_lines(folder / f"{number}.jsonl", [{"id": "i", "question": "what?", "answer": "1", "images": inline}])
        config = table(type="jsonl", path=f"{number}.jsonl")
        names.append(index.index_name(config, folder))
        load(config, folder, sayings(folder)[0])
        if number == 0:
            os.utime(folder / "kept" / f"{names[0]}.none", (1, 1))
        if number == 1:
            os.utime(folder / "kept" / f"{names[1]}.none", (2, 2))
            load(table(type="jsonl", path="0.jsonl"), folder, sayings(folder)[0])  # used again
    assert {path.stem for path in (folder / "kept").glob("*.none")} == {names[0], names[2]}
    assert not (folder / "kept" / f"{names[1]}.lock").exists()


def test_of_one_picture_that_changed_only_that_one_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checking, digests):
        monkeypatch.setattr(module, "FEWEST", 1)
    load(chat(folder), folder, sayings(folder)[0])
    read, check = list[str](), ImageRef.check
    monkeypatch.setattr(ImageRef, "check", lambda image: (read.append(Path(str(image.origin)).name), check(image))[1])
    (folder / "5.png").write_bytes(png("white"))
    load(chat(folder), folder, sayings(folder)[0])
    assert set(read) - {"7.png", "8.png"} == {"5.png"}  # what can't be read is tried again


def _indexes(folder: Path) -> Iterator[Path]:
    return (path.parent for path in (folder / "kept").glob("*/index.json"))


@pytest.mark.parametrize("far", [1, 10])
def test_rows_are_found_wherever_they_stand(folder: Path, far: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rilctl.data.once.stored.BATCH", 4)
    monkeypatch.setattr("rilctl.data.once.stored._FAR", far)
    samples = load(chat(folder), folder, sayings(folder)[0]).samples
    assert isinstance(samples, StoredSamples)
    for places in ([0, 25], [3, 4, 5], [20, 1, 7, 2], [9]):
        picked = samples.only(places)
        assert list(picked) == [samples[place] for place in places]
        assert list(picked.ids()) == [samples[place].id for place in places]
