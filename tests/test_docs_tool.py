"""The documentation's checker finds what it is for."""

import importlib.util
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def docs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "tools")  # where Python looks for what `tools/docs.py` imports
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_that_lead_nowhere_are_named(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# One `two`, three\n\n[up](../README.md) [gone](b.md) [web](https://x.org)"
    )
    (tmp_path / "README.md").write_text(
        "[fine](docs/a.md#one-two-three) [page](docs/a.md) [here](#no)\n![picture](p.png)\n\n```md\n[code](c.md)\n```\n"
    )
    assert sorted(docs.check_links(tmp_path)) == [
        "README.md: #no: no such heading",
        "README.md: p.png leads nowhere",
        "docs/a.md: b.md leads nowhere",
    ]


def test_the_file_tree_is_compared_with_the_rooms(docs: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text()
    assert list(docs.check_tree(readme)) == []
    assert list(docs.check_tree(readme.replace("\n  data/", "\n  dat/"))) == [
        "README.md: the file tree lacks `data/`",
        "README.md: the file tree has `dat/`, which doesn't exist",
    ]
    assert len(list(docs.check_tree("# no tree"))) == 1


def test_an_outdated_reference_is_noticed(docs: ModuleType, tmp_path: Path) -> None:
    assert len(list(docs.check_generated(tmp_path))) == len(docs.GENERATED) == 5
    (tmp_path / "images").mkdir()
    for name, render in docs.GENERATED.items():
        (tmp_path / name).write_text(render())
    assert list(docs.check_generated(tmp_path)) == []
    (tmp_path / "commands.md").write_text(docs.GENERATED["commands.md"]() + "\n")
    assert list(docs.check_generated(tmp_path)) == ["docs/commands.md is out of date: run `nox -s docs -- --write`"]


def test_a_page_that_is_missing_or_that_nobody_finds_is_named(docs: ModuleType, tmp_path: Path) -> None:
    for verb in ("cache-teacher", "judge", "sft", "pretrain-disc", "eval"):
        (tmp_path / f"{verb}.md").touch()
    (tmp_path / "README.md").write_text("[a](cache-teacher.md) [b](judge.md) [c](sft.md) [d](pretrain-disc.md)")
    assert list(docs.check_index(tmp_path)) == [
        "docs/train.md is missing: every verb has a page",
        "docs/README.md has no link to eval.md",
    ]


def test_toml_that_does_not_load_is_named(docs: ModuleType, tmp_path: Path) -> None:
    suite = '```toml\nname = "s"\n\n[[benchmarks]]\nname = "b"\n```\n'
    (tmp_path / "a.md").write_text(f"```toml\n[train]\nnum_steps = 3\n```\n\n```toml\n[train]\nlr = 3\n```\n\n{suite}")
    first, second = docs.check_toml(tmp_path)
    assert first == "docs/a.md, TOML block 2: `train.lr`: unknown key; did you mean `train.optim.lr`?"
    assert second.startswith("docs/a.md, TOML block 3: suite") and "tasks" in second


def test_the_house_has_the_floors_of_the_contracts_and_the_words_of_the_rooms(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        """
        [[tool.importlinter.contracts]]
        type = "layers"
        containers = ["rilctl"]
        layers = ["roof | attic", "cellar"]

        [[tool.importlinter.contracts]]
        type = "layers"
        containers = ["rilctl.roof"]
        layers = ["upper", "lower"]

        [[tool.importlinter.contracts]]
        name = "the cellar is dry"
        type = "forbidden"
        source_modules = ["rilctl.cellar"]
        forbidden_modules = ["water"]
        """
    )
    texts = {"roof": "Keeps < rain out. Leaks.", "roof/upper": "Tiles.", "roof/lower": "Beams.", "attic": "Old things."}
    for name, text in texts.items():
        (tmp_path / "src/rilctl" / name).mkdir(parents=True)
        (tmp_path / "src/rilctl" / name / "__init__.py").write_text(f'"""{text}"""')
    (tmp_path / "src/rilctl/cellar.py").write_text('"""Wine: `red`."""')
    house = docs.house.read_house(tmp_path)
    names = [[(room.name, room.about, room.rules) for room in floor] for floor in house.floors]
    assert names == [
        [("roof/", "Keeps < rain out", ()), ("attic/", "Old things", ())],
        [("cellar.py", "Wine: red", (0,))],
    ]
    assert [[room.name for room in floor] for floor in house.floors[0][0].floors] == [["upper/"], ["lower/"]]
    picture = docs.house.render(tmp_path)
    assert "Keeps &lt; rain out" in picture and "the cellar is dry" in picture
    assert ElementTree.fromstring(picture).tag.endswith("svg")
