"""A signal in the middle of a batch: nobody waits for its end, and the same command comes to the same result."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.recipe import Verb
from rilctl.errors import InterruptedByUser
from rilctl.models.sampling.telling import Telling
from rilctl.reporting.metrics import read_metrics
from rilctl.stages.shared.context import StageResult, StopFlag
from rilctl.stages.train.asking import RolloutAsker
from rilctl.testing.small_vlms import build_small_vlm
from rilctl.testing.stages import run_stage, write_trainable_workspace

SHORT = ("train.num_steps=3", "train.validate_every=2", "train.num_validation_questions=3", "train.checkpoint_every=5")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_trainable_workspace(tmp_path_factory.mktemp("workspace"))
    run_stage(directory, "judge")
    return directory


@contextmanager
def signal_at(num_tokens: int, stop: StopFlag, *, within: tuple[str, int] | None = None) -> Iterator[list[int]]:
    """`stop` is set when a batch has so many tokens; gives the tokens that were told of from then on.

    Args:
        num_tokens: 0: while the model reads the prompts.
        stop: of the stage.
        within: in this method of `RolloutAsker` alone, and in this step.
    """
    later, tell = list[int](), Telling.__call__
    is_there = within is None

    def told(self: Telling, *arguments: object) -> None:
        if later or (is_there and self.num_tokens == num_tokens):
            stop.signal_number = signal.SIGTERM
            later.append(self.num_tokens)
        tell(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Telling, "__call__", told)
        if within is not None:
            method, wanted = within
            ask = getattr(RolloutAsker, method)

            def asked(self: RolloutAsker, step: int, *arguments: Any) -> Any:
                nonlocal is_there
                is_there = step == wanted
                return ask(self, step, *arguments)

            patch.setattr(RolloutAsker, method, asked)
        yield later


def digests(result: StageResult) -> dict[str, str | None]:
    return {role: output.content_digest for role, output in result.outputs.items()}


def stopped(
    workspace: Path, verb: Verb, num_tokens: int, *overrides: str, out: Path, within: tuple[str, int] | None = None
) -> list[int]:
    """Run until the signal; what `signal_at` gives."""
    stop = StopFlag()
    with signal_at(num_tokens, stop, within=within) as later, pytest.raises(InterruptedByUser) as raised:
        run_stage(workspace, verb, *overrides, out=out, stop=stop)
    assert raised.value.signal_number == signal.SIGTERM
    return later


@pytest.mark.parametrize("num_tokens", [0, 1], ids=["in the prompts", "in the answers"])
@pytest.mark.parametrize("verb", ["cache-teacher", "pretrain-disc", "eval"])
def test_a_verb_that_samples_ends_between_two_tokens(
    verb: Verb, num_tokens: int, workspace: Path, tmp_path: Path
) -> None:
    own = (f"workspace.root={tmp_path / 'fresh'}", *inputs_of(workspace, verb))
    assert len(stopped(workspace, verb, num_tokens, *own, out=tmp_path / "out")) == 1
    again = run_stage(workspace, verb, *own, out=tmp_path / "out")
    undisturbed = run_stage(workspace, verb, *own, f"workspace.root={tmp_path / 'other'}", out=tmp_path / "whole")
    assert digests(again) == digests(undisturbed)


def inputs_of(workspace: Path, verb: Verb) -> tuple[str, ...]:
    runs = workspace / "runs/recipe"
    if verb == "pretrain-disc":
        return (f"pretrain-disc.student={runs / 'sft'}", f"pretrain-disc.teacher_cache={runs / 'cache-teacher'}")
    return (f"eval.student={workspace / 'student'}",) if verb == "eval" else ()


@pytest.mark.parametrize("num_tokens", [0, 1], ids=["in the prompts", "in the answers"])
def test_so_does_a_local_judge_in_its_canaries(num_tokens: int, workspace: Path, tmp_path: Path) -> None:
    file = build_small_vlm(tmp_path / "model") / "config.json"
    small = json.loads(file.read_text())
    small["text_config"]["max_position_embeddings"] = 2048  # the rubric has 900 tokens of its alphabet
    file.write_text(json.dumps(small))
    judge = f"judge={{type = 'llm', model = '{tmp_path / 'model'}', engine = {{type = 'hf', rows_per_batch = 2}}}}"
    assert len(stopped(workspace, "judge", num_tokens, judge, out=tmp_path / "out")) == 1
    assert not (tmp_path / "out/verdicts/manifest.json").exists()


@pytest.fixture(scope="module")
def undisturbed(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StageResult]:
    out = tmp_path_factory.mktemp("undisturbed") / "train"
    return out, run_stage(workspace, "train", *SHORT, out=out)


@pytest.mark.parametrize(
    ("method", "step", "num_done", "is_finished"),
    [
        pytest.param("greedy", 0, 0, False, id="nothing is learned yet"),
        pytest.param("rollouts", 1, 1, False, id="rollouts of the first step"),
        pytest.param("rollouts", 3, 3, False, id="rollouts of a later step"),
        pytest.param("greedy", 2, 3, True, id="validation of a step that has learned"),
    ],
)
def test_train_throws_a_step_away_until_it_learns_and_finishes_it_afterwards(
    method: str,
    step: int,
    num_done: int,
    is_finished: bool,
    workspace: Path,
    tmp_path: Path,
    undisturbed: tuple[Path, StageResult],
) -> None:
    later = stopped(workspace, "train", 0, *SHORT, out=tmp_path / "out", within=(method, step))
    assert (len(later) > 1) == is_finished
    log = tmp_path / "out/metrics.jsonl"
    assert [row["step"] for row in (read_metrics(log) if log.exists() else [])] == list(range(num_done))
    again = run_stage(workspace, "train", *SHORT, out=tmp_path / "out")
    assert digests(again) == digests(undisturbed[1])
    assert log.read_text() == (undisturbed[0] / "metrics.jsonl").read_text()
