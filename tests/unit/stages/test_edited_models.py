"""A model directory whose texts were edited is another model: for what is up to date, for a resume, for lineage."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, resolve
from rilctl.artifacts.runs import read_run
from rilctl.config.judge import LlmJudgeConfig
from rilctl.config.recipe import Recipe
from rilctl.errors import InterruptedByUser, ModelError, UsageError
from rilctl.models.discriminator import read_card
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext, StopFlag
from rilctl.stages.shared.judging import judge_entries
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

FEW = ('cache-teacher.teachers=["qwen"]', "cache-teacher.num_responses=1")
TRAIN = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=1",
    "train.num_validation_questions=2",
)
EVAL = ("eval.student=student", "eval.limit=2")
SHORT = ("sft.num_steps=4", "pretrain-disc.num_steps=1", "pretrain-disc.student=student")
TEXTS = ("chat_template.jinja", "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=12)
    for verb, sets in SETS.items():
        run_stage(directory, verb, *sets)
    return directory


SETS = {"cache-teacher": FEW, "sft": SHORT, "pretrain-disc": SHORT, "train": TRAIN, "eval": EVAL}
READ = {"cache-teacher": "teacher-qwen"} | dict.fromkeys(("sft", "pretrain-disc", "train", "eval"), "student")


@contextmanager
def edited(file: Path) -> Iterator[None]:
    """A space more at its end; the weights stay."""
    before = file.read_bytes()
    file.write_bytes(before + b" ")
    try:
        yield
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("verb", SETS)
def test_a_finished_run_of_another_template_is_not_up_to_date(verb: str, workspace: Path) -> None:
    assert run_stage(workspace, verb, *SETS[verb]).up_to_date
    with edited(workspace / READ[verb] / "chat_template.jinja"), pytest.raises(UsageError, match="input"):
        run_stage(workspace, verb, *SETS[verb])
    assert run_stage(workspace, verb, *SETS[verb]).up_to_date


@pytest.mark.parametrize("name", TEXTS)
def test_nor_is_one_of_another_configuration_tokenizer_or_processor(name: str, workspace: Path) -> None:
    with edited(workspace / "student" / name), pytest.raises(UsageError, match="input"):
        run_stage(workspace, "sft", *SHORT)


def test_a_resumed_run_goes_on_with_its_own_model_alone(workspace: Path, tmp_path: Path) -> None:
    class Stopping(SilentReporter):
        def advance(self, num: int = 1, *, metrics: object = None) -> None:
            stop.signal_number = 15

    stop, out = StopFlag(), tmp_path / "sft"
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "sft", *SHORT, out=out, reporter=Stopping(), stop=stop)
    with edited(workspace / "student/chat_template.jinja"), pytest.raises(UsageError, match="input"):
        run_stage(workspace, "sft", *SHORT, out=out)
    resumed = run_stage(workspace, "sft", *SHORT, out=out)
    whole = read_manifest(workspace / "runs/recipe/sft")
    assert resumed.outputs["student"].content_digest == whole.content_digest


@pytest.mark.parametrize("verb", ["sft", "pretrain-disc", "train"])
def test_a_student_that_is_edited_before_it_is_loaded_is_not_trained(
    verb: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(workspace, tmp_path / "workspace")
    run = import_module(f"rilctl.stages.{verb.replace('-', '_')}.run")
    opened = run.open_ranked_run

    def edit_then_open(*args: object, **options: object) -> object:
        with (own / "student/chat_template.jinja").open("a") as template:
            template.write(" ")
        return opened(*args, **options)

    monkeypatch.setattr(run, "open_ranked_run", edit_then_open)
    responses = "pretrain-disc.responses=runs/recipe/pretrain-disc/responses"
    with pytest.raises(ModelError, match="was changed while the command ran"):
        run_stage(own, verb, *SETS[verb], *([responses] if verb == "pretrain-disc" else []), out=tmp_path / "out")


def test_students_of_two_templates_are_two_students(workspace: Path, tmp_path: Path) -> None:
    """A space in a JSON file changes no weight; both digests tell them apart all the same."""
    one = read_manifest(workspace / "runs/recipe/sft")
    with edited(workspace / "student/tokenizer_config.json"):
        run_stage(workspace, "sft", *SHORT, out=tmp_path / "sft")
    two = read_manifest(tmp_path / "sft")
    assert one.provenance_digest != two.provenance_digest
    assert one.content_digest != two.content_digest


def test_one_identity_is_in_lineage_and_in_the_discriminators_card(workspace: Path) -> None:
    inputs = [read_run(workspace / "runs/recipe" / verb).inputs for verb in ("sft", "train", "eval", "pretrain-disc")]
    digests = {entry.digest for entries in inputs for entry in entries if entry.role == "student"}
    discriminator = resolve(workspace / "runs/recipe/pretrain-disc", "discriminator")
    assert digests == {read_card(discriminator).base_digest}


def test_a_copy_of_a_student_is_that_student(workspace: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(
        workspace / "runs/recipe/sft", copy, ignore=shutil.ignore_patterns("run.json", "manifest.json", ".*")
    )
    run_stage(workspace, "sft", f"sft.student={copy}", "sft.num_steps=1", out=tmp_path / "again")
    (student,) = [entry for entry in read_run(tmp_path / "again").inputs if entry.role == "student"]
    assert student.kind == "model"
    assert student.digest == read_manifest(workspace / "runs/recipe/sft").content_digest


def test_a_judge_of_another_template_is_another_judge(workspace: Path) -> None:
    context = StageContext(Recipe(), "recipe", workspace, workspace / "out", SilentReporter(), "rilctl …")
    judge = LlmJudgeConfig(type="llm", model="teacher-qwen")
    before = judge_entries(context, judge)
    with edited(workspace / "teacher-qwen/chat_template.jinja"):
        assert judge_entries(context, judge)[0].digest != before[0].digest
