"""Files on their way."""

from pathlib import Path

import pytest

from rilctl.artifacts.layout import copy_files


def test_copies_name_the_file_that_fails(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / "sub/b").write_text("b")
    copy_files(source, target)
    assert [(target / name).read_text() for name in ("a", "sub/b")] == ["a", "b"]
    (target / "a").unlink()
    (target / "a").mkdir()  # shutil's copytree collects errors, and raises one that has neither number nor name
    with pytest.raises(IsADirectoryError) as caught:
        copy_files(source, target)
    assert caught.value.filename == str(target / "a")
