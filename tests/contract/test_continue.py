"""What a run keeps beside its last student, and a run that goes on from a finished one."""

import json
import shutil
from pathlib import Path

import pytest

from rilctl.artifacts.manifests import read_manifest

from .helpers import Outcome, call

ROLES = ("student", "best-student", "discriminator", "rollouts")


def train(workspace: Path, out: str, num_steps: int, *options: str) -> Outcome:
    sets = (
        f"train.num_steps={num_steps}",
        "train.validate_every=2",
        "train.keep.training=true",
        "train.optim.schedule=constant",
    )
    words = [word for each in sets for word in ("--set", each)]
    return call(workspace, "train", "recipe.toml", "--out", out, *words, *options)


@pytest.fixture(scope="module")
def short(finished: tuple[Path, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run of two steps that kept its training."""
    workspace = Path(shutil.copytree(finished[0], tmp_path_factory.mktemp("short") / "workspace"))
    assert train(workspace, "short", 2).code == 0
    return workspace


def test_a_continued_run_is_the_longer_run(short: Path):
    whole = train(short, "whole", 4)
    longer = train(short, "longer", 4, "--continue-from", "short")
    assert whole.code == longer.code == 0, longer.stderr
    assert "going on after step 2 of " in longer.stderr and "resuming at step 2 of 4" in longer.stderr
    assert "as much as" in longer.stderr and "rises" not in longer.stderr
    assert (short / "longer/metrics.jsonl").read_text() == (short / "whole/metrics.jsonl").read_text()
    for role in ROLES:
        one, other = (read_manifest(short / out / role) for out in ("whole", "longer"))
        assert one.content_digest == other.content_digest, role
    (entry,) = [each for each in read_manifest(short / "longer/student").inputs if each.role == "continued"]
    assert entry.digest == read_manifest(short / "short/student").content_digest
    again = train(short, "longer", 4, "--continue-from", "short")
    assert again.code == 0 and "up to date" in again.stderr
    for out in ("short", "longer"):
        assert sorted(path.name for path in (short / out / "training").iterdir())[0] == "rollouts.jsonl"
        assert call(short, "artifacts", "verify", out).code == 0
    listed = call(short, "artifacts", "ls", "--json").report
    assert not [each for each in json.dumps(listed).split('"') if "/training" in each]


def test_a_learning_rate_that_rises_again_is_said(short: Path):
    options = ("--continue-from", "short", "--set", "train.optim.schedule=cosine", "--set", "train.optim.lr=0.01")
    outcome = train(short, "risen", 4, *options)
    assert outcome.code == 0 and "the learning rate rises from" in outcome.stderr
    assert "cosine to 0 in step 4" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--continue-from", "runs/recipe/train"), "kept no training: its optimizers are gone"),
        (("--continue-from", "runs/recipe/sft"), "is a run of sft"),
        (("--continue-from", "short", "--set", "train.seed=7"), "is of another recipe: `train.seed`: 0 -> 7"),
        (("--continue-from", "short", "--set", "train.num_steps=2"), "has done 2 steps"),
        (("--continue-from", "nowhere"), "nowhere"),
    ],
)
def test_what_can_not_be_continued_is_refused_and_nothing_is_made(short: Path, options: tuple[str, ...], words: str):
    outcome = train(short, "refused", 4, *options)
    assert outcome.code in (2, 5) and words in outcome.stderr, outcome.stderr
    assert not (short / "refused/metrics.jsonl").exists()


def test_a_checkpoint_that_was_changed_is_not_gone_on_from(short: Path, tmp_path: Path):
    workspace = Path(shutil.copytree(short, tmp_path / "workspace"))
    file = next((workspace / "short/training").glob("step-*/policy/*"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    outcome = train(workspace, "longer-still", 4, "--continue-from", "short")
    assert outcome.code == 5 and file.name in outcome.stderr


def test_students_of_every_so_many_steps_are_kept_also_by_a_run_that_was_killed_between(short: Path):
    options = ("--set", "train.keep.every=1", "--set", "train.checkpoint_every=1")
    outcome = train(short, "every", 3, *options)
    assert outcome.code == 0, outcome.stderr
    steps = [read_manifest(short / f"every/student-{step}").metrics["step"] for step in (1, 2)]
    assert steps == [1.0, 2.0] and not (short / "every/student-3").exists()
    assert call(short, "artifacts", "verify", "every").code == 0


def test_the_best_student_is_chosen_by_the_metric_that_is_named(short: Path):
    by_gap = ("--set", "train.keep.best=validation/gap_none")
    refused = train(short, "by-gap", 2, *by_gap)
    assert refused.code == 2 and 'needs validation_picture = ["none"]' in refused.stderr
    outcome = train(short, "by-gap", 2, *by_gap, "--set", 'train.validation_picture=["none"]')
    assert outcome.code == 0, outcome.stderr
    metrics = read_manifest(short / "by-gap/best-student").metrics
    rows = [json.loads(line) for line in (short / "by-gap/metrics.jsonl").read_text().splitlines()]
    best = max(row["validation/gap_none"] for row in rows if "validation/gap_none" in row)
    assert metrics["validation/gap_none"] == best
