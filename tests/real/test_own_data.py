"""docs/own-data.md, followed from its first line to its last in a fresh folder."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.config.load import load_recipe
from rilctl.data.load import load_samples
from tests.pages import blocks

pytestmark = pytest.mark.timeout(3600)  # the first test waits for all of the page
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "own-data.md"
INSTALL = "pip install --no-deps "
FORMS = ("jsonl", "folder", "parquet", "hub", "llava", "chat")
SAME_EVERYWHERE = ("rilctl data ", "python ")
"""Commands whose every figure is the same on every machine; of others the words are."""
_NUMBER = re.compile(r"[-+]?\d[\d,.]*(e-?\d+)?")
_SCORE = re.compile(r"^ *(?P<name>\S.*?) +(?P<score>[\d.]+) +[\d.]+ to [\d.]+ +(?P<num>\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Walk:
    """The page's folder once its commands have run, and what each said."""

    folder: Path
    said: list[tuple[blocks.Command, str]]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    pytest.importorskip("easy_vqa")
    folder = tmp_path_factory.mktemp("own-data")
    blocks.write_files(PAGE, folder)
    surroundings = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    surroundings.pop("OMP_NUM_THREADS", None)  # as a reader has it
    said = []
    for command in blocks.commands_of(PAGE):
        if command.line.startswith(INSTALL):
            continue
        done = subprocess.run(
            ["bash", "-c", command.line],
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode == 0, f"{command.line}\n{done.stdout}"
        assert "Traceback" not in done.stdout, f"{command.line}\n{done.stdout}"
        said.append((command, done.stdout))
    return Walk(folder, said)


def test_the_page_needs_what_this_session_installs() -> None:
    pytest.importorskip("easy_vqa")
    first = blocks.commands_of(PAGE)[0].line
    packages = [package.split("==") for package in first.removeprefix(INSTALL).split()]
    assert first.startswith(INSTALL) and packages
    assert {name: version(name) for name, _ in packages} == dict(packages)


def test_each_command_says_what_the_page_shows(walk: Walk) -> None:
    for command, said in walk.said:
        exact = command.line.startswith(SAME_EVERYWHERE)
        lines = iter([_plain(line, exact=exact) for line in said.splitlines()])
        for shown in command.shown:
            line = _plain(shown, exact=exact)
            assert line == "…" or line in lines, f"{command.line} doesn't say, or not in this order: {shown}\n{said}"


def _plain(line: str, *, exact: bool) -> str:
    """Without columns' widths, and without figures that other processors round to others."""
    return " ".join(line.split()) if exact else " ".join(_NUMBER.sub("0", line).split())


def test_the_scores_are_those_of_the_page(walk: Walk) -> None:
    """Roughly: another processor rounds otherwise, and learning to see begins some steps earlier or later."""
    compared = 0
    for command, said in walk.said:
        theirs, ours = ({each["name"]: each for each in _SCORE.finditer(text)} for text in (_shown(command), said))
        for name, there in theirs.items():
            here = ours[name]
            assert here["num"] == there["num"]
            if not name.startswith("kind="):
                assert abs(float(here["score"]) - float(there["score"])) < 15, f"{command.line}: {here[0]}"
                compared += 1
    assert compared >= 3


def _shown(command: blocks.Command) -> str:
    return "\n".join(command.shown)


def test_all_forms_hold_the_same_rows(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(walk.folder)
    rows = {}
    for form in FORMS:
        recipe = load_recipe([Path(f"{form}.toml")])
        assert recipe.data is not None and recipe.data.type == form
        samples = load_samples(recipe.data, base_dir=walk.folder).samples[:20]
        rows[form] = [(each.question, each.answer, each.images[0].load().tobytes()) for each in samples]
    assert len(rows["jsonl"]) == 20
    assert all(rows[form] == rows["jsonl"] for form in FORMS)


def test_the_student_is_no_toy_and_went_through_every_verb(walk: Walk) -> None:
    from transformers import AutoModelForImageTextToText

    runs = walk.folder / "runs" / "recipe"
    kinds = {"cache-teacher": "teacher-cache", "judge": "verdicts", "sft": "student"}
    for verb, kind in kinds.items():
        assert read_manifest(runs / verb).kind == kind
    assert read_manifest(runs / "pretrain-disc" / "discriminator").kind == "discriminator"
    assert read_manifest(runs / "eval" / "evaluation").kind == "evaluation"
    student = AutoModelForImageTextToText.from_pretrained(runs / "train" / "best-student")
    assert sum(each.numel() for each in student.parameters()) > 20_000_000
