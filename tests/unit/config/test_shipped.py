from pathlib import Path

import pytest

from rilctl.config import shipped


def test_recipes_are_found_in_this_installation() -> None:
    assert (shipped.recipes_dir() / "quickstart.toml").is_file()


def test_recipes_inside_the_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "src" / "rilctl"
    package.mkdir(parents=True)
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert shipped.recipes_dir() == tmp_path / "recipes"
    (package / "recipes").mkdir()
    assert shipped.recipes_dir() == package / "recipes"
