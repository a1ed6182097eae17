"""Questions without a ground truth: who learns from them, from what, and that nobody judges them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.errors import ConfigError, DataError
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import RolloutRecord, VerdictRecord
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import run_stage, write_trainable_workspace

SHORT = ("train.num_steps=3", "train.validate_every=3", "train.num_validation_questions=2", "train.optim.lr=1e-4")
HALF = "data.truth_share=0.5"
OTHERS = "train.rewards.missing_truth=others"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[JudgeRequest]:
    """What the judge is asked; every second answer is right to it."""
    asked: list[JudgeRequest] = []

    def verdicts(_: RuleJudge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        asked.extend(requests)
        return [Verdict(sum(request.response.encode()) % 2 == 0, None, "drawn") for request in requests]

    monkeypatch.setattr(RuleJudge, "verdicts", verdicts)
    return asked


def rollouts(result: StageResult) -> list[RolloutRecord]:
    return list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))


def test_a_question_without_a_truth_teaches_by_the_other_rewards(workspace, judged, tmp_path):
    own = "train.rewards.length={ budget_tokens = 4, weight = 0.5 }"
    result = run_stage(workspace, "train", *SHORT, HALF, OTHERS, own, out=tmp_path / "out")
    rows = rollouts(result)
    truthless, others = [row for row in rows if not row.answer], [row for row in rows if row.answer]
    assert truthless and others and {len(request.answer) > 0 for request in judged} == {True}
    for row in truthless:
        length = row.named_rewards["length"]
        assert row.answer_reward is None
        assert row.reward == pytest.approx(row.similarity_reward + 0.5 * length)
    for row in others:
        total = row.answer_reward + row.similarity_reward + 0.5 * row.named_rewards["length"]
        assert row.reward == pytest.approx(total)
    groups: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        groups.setdefault((row.step, row.sample_id), []).append(row.reward)
    for row in rows:
        rewards = groups[row.step, row.sample_id]
        assert row.advantage == pytest.approx(row.reward - sum(rewards) / len(rewards), abs=1e-6)  # float32
    assert any(row.advantage for row in truthless)
    for step, metrics in enumerate(read_metrics(tmp_path / "out/metrics.jsonl")[1:], start=1):
        shown = {row.sample_id: bool(row.answer) for row in rows if row.step == step}
        assert metrics["group/no_truth_share"] == list(shown.values()).count(False) / len(shown)
        assert metrics.get("judge/missing_share_student", 0) == 0


def test_nothing_is_asked_where_nothing_could_be_learned(workspace, judged, tmp_path):
    rows = rollouts(run_stage(workspace, "train", *SHORT, HALF, out=tmp_path / "out"))
    assert all(row.answer for row in rows)
    assert "group/no_truth_share" not in read_metrics(tmp_path / "out/metrics.jsonl")[-1]
    none = ("data.truth_share=0", "train.algorithm.name=dr_grpo")
    for sets in (none, (*none, OTHERS), ("data.truth_share=0",)):
        with pytest.raises(DataError, match="no question of .* has a ground truth"):
            run_stage(workspace, "train", *SHORT, *sets, out=tmp_path / "other")


def test_a_set_without_any_truth_is_learned_from_by_similarity(workspace, judged, tmp_path):
    """The whole of `ril` is then `gail`: the same rows, rewards and weights."""
    hidden = (*SHORT, "data.truth_share=0", "data.validation.share=0")
    results = [
        run_stage(workspace, "train", *hidden, *sets, out=tmp_path / str(index))
        for index, sets in enumerate(
            [(OTHERS,), ("train.rewards.answer=0",), ("train.algorithm.name=gail",)],
        )
    ]
    assert not judged
    digests = [{role: each.content_digest for role, each in result.outputs.items()} for result in results]
    assert digests[0] == digests[1] == digests[2]
    assert any(row.advantage for row in rollouts(results[0]))


def test_held_out_questions_without_a_truth_are_not_validated_on(workspace, judged, tmp_path):
    lines = (workspace / "questions.jsonl").read_text()
    (tmp_path / "held-out.jsonl").write_text(
        lines.replace('"answer": "3"', '"answer": ""').replace('"id": "q', '"id": "v')
    )
    held_out = (
        f"data.validation.path={tmp_path / 'held-out.jsonl'}",
        "data.validation.share=0",
        "data.missing_truth=keep",
    )
    held_out = (*held_out, f"data.validation.image_root={workspace}", "train.num_validation_questions=24")
    sets = (*SHORT, "train.num_steps=1", "train.algorithm.name=dr_grpo", *held_out)
    path = f"data.path={tmp_path / 'train.jsonl'}"
    (tmp_path / "train.jsonl").write_text(lines.replace("plus 1?", "plus 1, please?"))
    run_stage(workspace, "train", *sets, path, f"data.image_root={workspace}", out=tmp_path / "out")
    assert read_metrics(tmp_path / "out/metrics.jsonl")[0]["validation/missing_share"] == 0
    assert len({request.question for request in judged if "please" not in request.question}) == 23


def test_other_verbs_do_without(workspace, tmp_path):
    cache = f"train.teacher_cache={tmp_path / 'cache'}", f"judge.source={tmp_path / 'cache'}"
    run_stage(workspace, "cache-teacher", HALF, out=tmp_path / "cache")
    run_stage(workspace, "judge", HALF, *cache, "judge.max_rejected_share=0", out=tmp_path / "verdicts")
    rows = list(read_rows(tmp_path / "verdicts", VerdictRecord))
    num_no_truth = sum(row.reason == "no ground truth" for row in rows)
    assert 0 < num_no_truth < len(rows)
    assert read_manifest(tmp_path / "verdicts").metrics["num_no_truth"] == num_no_truth
    prepaid = f"train.verdicts={tmp_path / 'verdicts'}"
    assert run_stage(workspace, "train", *SHORT, HALF, OTHERS, *cache, prepaid, out=tmp_path / "out").outputs
    assert run_stage(workspace, "sft", HALF, "sft.num_steps=1", out=tmp_path / "sft").outputs
    with pytest.raises(ConfigError, match="no question of .* has a response to learn"):
        run_stage(workspace, "sft", "data.truth_share=0", "sft.num_steps=1", out=tmp_path / "none")
