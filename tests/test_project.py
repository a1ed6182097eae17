"""What the project promises about itself: its commands, its files, its package."""

import ast
import os
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import rilctl
from rilctl.config.load import load_recipe

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "rilctl"
SOURCES = sorted(PACKAGE.rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
NOX = (ROOT / "noxfile.py").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

DISTRIBUTIONS = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "dateutil": "python-dateutil",
    "latex2sympy2_extended": "latex2sympy2-extended",
    "lmms_eval": "lmms-eval",
    "text_to_num": "text2num",
    "huggingface_hub": "transformers",
}
"""Import names that aren't the distribution's; `huggingface_hub` comes with transformers, in the version it wants."""


def test_ci_runs_the_commands_of_the_readme_as_they_stand() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    in_readme = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    in_ci = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("python3 -m venv")]
    assert len(in_readme) == 2
    assert sorted(in_ci) == sorted(in_readme)
    assert any(line.endswith("nox") for line in in_ci) and any(line.endswith("rilctl quickstart") for line in in_ci)


def test_the_readme_says_what_every_nox_session_proves() -> None:
    sessions = set(re.findall(r'@nox\.session(?:\(name="(\w+)"\))?\ndef (\w+)', NOX))
    names = {given or function for given, function in sessions}
    of_one_environment = {"check", "lint", "types", "imports", "docs", "tests"}
    described = set(re.findall(r"^\| `nox -s (\w+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert of_one_environment < names and described == names - of_one_environment


def test_hooks_run_what_nox_runs_and_fetch_nothing() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    commands = {" ".join(re.findall(r'"([^"]+)"', call)) for call in re.findall(r"session\.run\((.*)\)", NOX)}
    assert {hook["entry"] for hook in repo["hooks"]} <= commands


def test_ci_is_a_program_that_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_too_long(path: Path) -> None:
    limit = 119 if path.parent.name == "algorithms" else 400
    assert len(path.read_text().splitlines()) <= limit


def test_only_the_output_module_prints() -> None:
    printing = {
        path.relative_to(PACKAGE).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr") and ast.unparse(node.value) == "sys")
    }
    assert printing <= {"cli/output.py"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid(path: Path) -> None:
    assert load_recipe([path]).data is not None


def test_there_is_a_recipe_for_the_quickstart() -> None:
    assert "quickstart" in [path.stem for path in RECIPES]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    imported = {DISTRIBUTIONS.get(name, name) for path in SOURCES for name in _imports(path)}
    base = {_name(requirement) for requirement in PROJECT["dependencies"]}
    extras = {_name(requirement) for group in PROJECT["optional-dependencies"].values() for requirement in group}
    assert imported - base - extras == set()
    assert base - imported == set()


OTHERS = ("torch", "transformers", "peft", "deepspeed", "vllm", "lmms_eval")
PUBLIC_MODULES = {
    *OTHERS,
    *(
        "torch.distributed",
        "torch.nn",
        "torch.nn.functional",
        "torch.optim",
        "torch.profiler",
        "torch.utils.tensorboard",
    ),
    *("lmms_eval.api.model", "lmms_eval.llm_judge", "lmms_eval.tasks"),
}
"""What their documentation tells people to import from."""
NOT_A_LIBRARYS = {"os._exit", "sys._current_frames"}
"""Python's own, documented, with an underscore."""
OF_NAMED_TUPLES = ("._asdict", "._replace")
"""The same, of any of them."""


def test_private_api_of_libraries_is_used_in_one_room() -> None:
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {use}"
        for path in SOURCES
        if path.parent.name != "private"
        for use in _private_uses(ast.parse(path.read_text()))
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "parameter._version",
        "self.engine._state",
        "getattr(processor, '_get_num_multimodal_tokens', None)",
        "from transformers.core_model_loading import revert_weight_conversion",
        "import torch.distributed.rendezvous",
        "torch.ops.aten._softmax",
    ],
)
def test_a_private_use_is_seen(source: str) -> None:
    assert list(_private_uses(ast.parse(source)))


def _private_uses(tree: ast.AST) -> Iterator[str]:
    """Attributes with an underscore that aren't an object's own, and imports from within a library."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=attr) if attr.startswith("_") and not attr.startswith("__"):
                names = [ast.unparse(node)]
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(), *_]
            ):
                names = [f"{node.args[1].value}"] if str(node.args[1].value).startswith("_") else []
                names = [name for name in names if not name.startswith("__")]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in OTHERS:
                names = [] if module in PUBLIC_MODULES else [module]
            case ast.Import():
                modules = [alias.name for alias in node.names if alias.name.partition(".")[0] in OTHERS]
                names = [module for module in modules if module not in PUBLIC_MODULES]
            case _:
                continue
        yield from (name for name in names if name not in NOT_A_LIBRARYS and not name.endswith(OF_NAMED_TUPLES))


def _imports(path: Path) -> Iterator[str]:
    """Top-level names of other people's packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        for module in modules:
            name = module.partition(".")[0]
            if name not in sys.stdlib_module_names and name != "rilctl":
                yield name


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9-]+", requirement)
    assert match
    return match[0]


def test_the_wheel_holds_recipes_data_and_licence(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"rilctl-{rilctl.__version__}.dist-info"
        assert archive.read(f"{info}/entry_points.txt").decode() == (
            "[console_scripts]\nrilctl = rilctl.__main__:main\n\n"
            "[vllm.general_plugins]\nrilctl = rilctl.engines.generation.vllm.plugin:end_with_parent\n"
        )
    assert {f"rilctl/recipes/{path.name}" for path in RECIPES} <= names
    data = (path for path in PACKAGE.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    assert {f"rilctl/{path.relative_to(PACKAGE).as_posix()}" for path in data} <= names
    assert f"{info}/licenses/LICENSE" in names
    assert not [name for name in names if name.startswith("tests")]
