"""Digests that are kept: nothing is read twice, and nothing is taken for what it isn't."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rilctl.config.data import DataConfig
from rilctl.data.load import load_samples
from rilctl.data.once import digests, stamps
from rilctl.data.once.digests import PictureDigests
from rilctl.data.once.kept import Kept
from rilctl.data.reading import Reader
from rilctl.data.sample import SampleSet

from ..helpers import png, table, write_lines

NUM = 40
OPENED: list[str] = []
"""Pictures that were opened since the list was emptied."""


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and str(arguments[0]).endswith(".png"):
        OPENED.append(str(arguments[0]))


sys.addaudithook(_note)

SCRIPT = f"""
import sys
from pathlib import Path
from tests.unit.data.once import test_digests as here
from rilctl.data import checking
from rilctl.data.once import digests, stamps
digests.FEWEST = checking.FEWEST = {NUM // 2}
stamps.YOUNG_NS = -(10**12)
folder = Path(sys.argv[1])
print(here.load(here.config(folder), here.Kept(folder / "kept", say=lambda text: print(text, flush=True))).digest)
print(len(here.OPENED))
"""


@contextmanager
def opened() -> Iterator[list[str]]:
    """The pictures that are opened inside."""
    OPENED.clear()
    yield OPENED


def config(folder: Path) -> DataConfig:
    """The table of `rows.jsonl`."""
    return table(type="jsonl", path=str(folder / "rows.jsonl"))


def load(config: DataConfig, kept: Kept | None = None) -> SampleSet:
    """Its training rows."""
    return load_samples(config, base_dir=Path("/"), kept=kept)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 40 questions, each about its own picture; so many are kept, however young they are."""
    monkeypatch.setattr(digests, "FEWEST", NUM // 2)
    monkeypatch.setattr("rilctl.data.checking.FEWEST", NUM // 2)
    monkeypatch.setattr(stamps, "YOUNG_NS", -(10**12))
    for number in range(NUM):
        (tmp_path / f"{number}.png").write_bytes(png(f"rgb({number * 5}, 0, 0)"))
    rows = [{"id": f"q{n}", "images": f"{n}.png", "question": f"what is {n}?", "answer": n} for n in range(NUM)]
    write_lines(tmp_path / "rows.jsonl", rows)
    return tmp_path


def test_a_picture_is_read_once(data: Path) -> None:
    kept, plain = Kept(data / "kept"), load(config(data))
    assert load(config(data), kept).digest == plain.digest
    with opened() as names:
        again = load(config(data), kept)
        sizes = [image.size_px for sample in again.samples for image in sample.images]
    assert names == []
    assert again == plain
    assert set(sizes) == {(8, 6)}


def test_rows_that_show_one_picture_read_it_once(data: Path) -> None:
    rows = [{"id": f"q{n}", "images": "0.png", "question": f"what is {n}?", "answer": n} for n in range(NUM)]
    write_lines(data / "rows.jsonl", rows)
    with opened() as names:
        load(config(data), Kept(data / "kept"))
    assert len(names) == 1


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_changed_picture_is_read_again(data: Path, *, keeps_time: bool) -> None:
    kept = Kept(data / "kept")
    before = load(config(data), kept)
    other, status = png("rgb(20, 0, 0)"), (data / "3.png").stat()
    assert len(other) == status.st_size
    (data / "3.png").write_bytes(other)
    if keeps_time:
        os.utime(data / "3.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    with opened() as names:
        after = load(config(data), kept)
    assert names == [str(data / "3.png")]
    assert after.digest == load(config(data)).digest != before.digest


def test_what_is_gone_or_broken_is_said_as_without(data: Path) -> None:
    kept = Kept(data / "kept")
    load(config(data), kept)
    (data / "3.png").unlink()
    (data / "4.png").write_bytes(b"<html>")
    (data / "5.png").unlink()
    (data / "5.png").mkdir()
    found, plain = load(config(data), kept), load(config(data))
    assert (found.rejected, found.digest) == (plain.rejected, plain.digest)
    assert len(found.rejected) == 3


def test_a_limit_holds_for_a_known_picture(data: Path) -> None:
    kept = Kept(data / "kept")
    load(config(data), kept)
    small = config(data).model_copy(update={"max_image_px": 47})
    with pytest.raises(Exception, match="no usable row") as with_kept:
        load(small, kept)
    with pytest.raises(Exception, match="no usable row") as without:
        load(small)
    assert str(with_kept.value) == str(without.value)


def test_a_picture_that_was_just_written_is_not_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "YOUNG_NS", 3600 * 10**9)
    load(config(data), Kept(data / "kept"))
    assert not list((data / "kept").glob("*.arrow"))


def test_a_changed_byte_is_found(data: Path) -> None:
    said: list[str] = []
    kept, plain = Kept(data / "kept", warn=said.append), load(config(data))
    load(config(data), kept)
    (file,) = (data / "kept").glob("*.arrow")
    content = file.read_bytes()
    digest = bytes.fromhex(plain.samples[0].images[0].digest)
    file.write_bytes(content.replace(digest, bytes(32)))
    with opened() as names:
        assert load(config(data), kept).digest == plain.digest
    assert len(names) == NUM
    assert said == [f"`{file}` is damaged (its content isn't that of its name): its pictures are read again"]
    assert file.read_bytes() == content


def test_a_plan_writes_nothing(data: Path) -> None:
    load(config(data), Kept(data / "kept", writes=False))
    assert not (data / "kept").exists()


def test_where_nothing_can_be_kept_it_is_said(data: Path) -> None:
    said: list[str] = []
    assert load(config(data), Kept(data / "rows.jsonl" / "kept", warn=said.append)) == load(config(data))
    assert said == [f"`{data}/rows.jsonl/kept` can't be written (not a directory): nothing is kept"]


def test_many_files_become_one_and_the_newest_stay(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "FEWEST", 1)
    monkeypatch.setattr(digests, "MOST_FILES", 3)
    monkeypatch.setattr(digests, "MOST_PICTURES", 10)
    kept, images = Kept(data / "kept"), [sample.images[0] for sample in load(config(data)).samples]
    reader = PictureDigests(kept)
    for start in range(0, 16, 4):
        known = PictureDigests(kept)
        known.add(images[start : start + 4])
        known.flush()
    assert len(list((data / "kept").glob("*.arrow"))) == 1
    fresh = [sample.images[0] for sample in Reader(config(data), Path("/")).read("train").samples]
    reader.look_again()
    missing = reader.look_up(fresh)
    assert len(missing) == NUM - 10
    assert not {image.name for image in missing} & {image.name for image in images[8:16]}


def _start(data: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(data)], stdout=subprocess.PIPE, text=True)


def test_of_two_processes_one_reads(data: Path) -> None:
    with Kept(data / "kept").alone("pictures", "waits"):
        both = [_start(data), _start(data)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "another process looks at the pictures of a data set: waiting for it\n"
    said = [process.communicate(timeout=200)[0].split() for process in both]
    assert {digest for digest, _ in said} == {load(config(data)).digest}
    assert sum(int(num) for _, num in said) == NUM


def test_after_a_killed_writer_another_one_goes_on(data: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from rilctl.data.once.kept import Kept\n"
        "kept = Kept(Path(sys.argv[1]))\n"
        "with kept.alone('pictures', ''), kept.temporary('.arrow') as path:\n"
        "    path.write_bytes(b'half'); print('there', flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(data / "kept")], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "there\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    (left,) = (data / "kept").glob(".tmp-*")
    assert load(config(data), Kept(data / "kept")).digest == load(config(data)).digest
    assert left.exists()  # it may be another process's
    os.utime(left, (time.time() - 100_000,) * 2)
    (data / "0.png").write_bytes(png("white"))
    for number in range(NUM):
        (data / f"{number}.png").write_bytes(png("white", (9, number + 1)))
    load(config(data), Kept(data / "kept"))
    assert not left.exists()
