"""What the documentation says of formats, codes and metrics is what the code does."""

import ast
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from rilctl.artifacts.calls_pruning import CallsSurvey
from rilctl.artifacts.gc import KeptRun
from rilctl.artifacts.lineage import LineageNode
from rilctl.artifacts.listing import ListedArtifact, Unfinished
from rilctl.artifacts.removal import Removal
from rilctl.artifacts.verify import VerifyReport
from rilctl.cli.checks import Check
from rilctl.cli.runner import result_object
from rilctl.data.select import Reason
from rilctl.errors import RilctlError
from rilctl.pipeline.rehearsal.report import RehearsalReport
from rilctl.planning.plan import Plan, plan_object
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.manifest import ARTIFACT_KINDS, ArtifactSummary, Manifest
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.context import StageResult

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "rilctl"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def example(heading: str) -> Any:
    """The JSON block under a heading of docs/artifacts.md."""
    text = page("artifacts.md").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return json.loads(re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0])


def fits(model: type[BaseModel], value: Any) -> None:
    """Neither a key too many nor one that is missing."""
    assert value.keys() == model.model_fields.keys()
    model.model_validate_json(json.dumps(value))


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("artifacts show", Manifest),
        ("artifacts verify", VerifyReport),
        ("artifacts lineage", LineageNode),
        ("compare and quickstart", ComparisonReport),
        ("rehearse", RehearsalReport),
    ],
)
def test_a_json_example_fits_its_model(heading: str, model: type[BaseModel]) -> None:
    fits(model, example(heading))


def test_the_example_of_ls_fits() -> None:
    listed = example("artifacts ls")
    assert list(listed) == ["artifacts", "unfinished"]
    fits(ListedArtifact, listed["artifacts"][0])
    fits(Unfinished, listed["unfinished"][0])


def test_the_examples_of_what_deletes_fit() -> None:
    removed = example("artifacts rm and gc")
    (removal,), (kept,) = removed["removals"], removed["kept"]
    fits(Removal, removal | {"lock": None})  # which is nobody else's business
    fits(KeptRun, kept)
    held = example("artifacts cache")
    fits(CallsSurvey, {key: held[key] for key in CallsSurvey.model_fields})
    assert held.keys() - CallsSurvey.model_fields.keys() == {"chosen", "num_deleted", "freed_bytes"}


def test_the_examples_of_verbs_have_the_keys_that_verbs_write() -> None:
    result = StageResult(outputs={})
    verb = example("A verb")
    assert list(verb) == list(result_object("sft", result, 1.0))
    (stage,) = example("run")["stages"].values()
    assert list(stage) == list(result_object("sft", result))
    for shown in (*verb["outputs"].values(), *stage["outputs"].values()):
        fits(ArtifactSummary, shown)
    assert list(example("Dry runs")) == list(plan_object(Plan("sft", ())))


def test_the_examples_of_several_artifacts_and_of_checks_fit() -> None:
    (report,) = example("Several artifacts")["artifacts"].values()
    fits(VerifyReport, report)
    assert list(example("doctor")["checks"][0]) == list(Check.__annotations__)


def test_every_kind_of_artifact_is_listed() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| .* \| .* \|$", page("artifacts.md").partition("\n## ")[0], re.MULTILINE) == [
        *ARTIFACT_KINDS
    ]


def _choices(node: ast.expr) -> tuple[ast.expr, ...]:
    return (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)


def test_every_code_of_a_rejected_row_is_explained() -> None:
    section = page("data.md").partition("\n## Rejected rows\n")[2]
    explained = {
        code for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for code in re.findall("`(.*?)`", row)
    }
    used = {
        code.value
        for path in SOURCES
        if "testing" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("RowError", "Retriable")
        for code in _choices(node.args[0])
        if isinstance(code, ast.Constant)
    }
    assert used - explained == set()
    made_of_a_name = {f"{name}-empty" for name in ("question", "answer", "system", "earlier-turn")}
    assert explained - used == made_of_a_name
    fits(RejectedRecord, json.loads(re.findall(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]))


def test_every_reason_of_a_row_that_is_left_out_is_explained() -> None:
    section = page("data.md").partition("\n## Selection\n")[2].partition("\n## ")[0]
    explained = {
        code for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for code in re.findall("`(.*?)`", row)
    }
    assert explained == set(get_args(Reason))


def test_every_exit_code_is_explained() -> None:
    explained = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page("faq.md"), re.M) for code in row.split(", ")}
    errors = [RilctlError, *RilctlError.__subclasses__()]
    assert explained == {0, 3, 129, 130, 143} | {error.exit_code for error in errors}


def test_every_file_and_class_that_the_design_names_is_there() -> None:
    text = page("design.md")
    paths = set(re.findall(r"`([a-z_]+/[\w./-]*)`", text))
    assert len(paths) > 30
    assert [path for path in sorted(paths) if not ((PACKAGE / path).exists() or (ROOT / path).exists())] == []
    classes = {name for path in SOURCES for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)}
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", text)) - {"None"}
    assert "Row" in named and named <= classes
