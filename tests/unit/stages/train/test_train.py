"""Every algorithm and open choice of `train`, on small models, in this process."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from threading import Event, current_thread

import pytest
from safetensors.torch import load_file

from rilctl import api
from rilctl.artifacts.read import read_rows
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.errors import ArtifactError, ConfigError, RilctlError, UsageError
from rilctl.models.discriminator import Discriminator
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.models.shared_prefix.prefix import Prefix
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StageResult
from rilctl.stages.train.exchange import Exchange
from rilctl.stages.train.roles import Roles, load_roles
from rilctl.testing.families import build_family
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

SHORT = ("train.num_steps=2", "train.validate_every=2", "train.num_validation_questions=2")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    for verb in ("cache-teacher", "judge", "sft", "pretrain-disc"):
        run_stage(directory, verb)
    return directory


def rollouts(result: StageResult) -> list[RolloutRecord]:
    return list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))


def weights(result: StageResult, role: str = "student") -> dict:
    return load_file(Path(result.outputs[role].path) / "model.safetensors")


def moved(before: dict, after: dict) -> bool:
    assert before.keys() == after.keys()
    return any((before[name] != after[name]).any() for name in before)


def some_are_right(judge: RuleJudge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
    return [Verdict(sum(request.response.encode()) % 2 == 0, request.response, "drawn") for request in requests]


def centred(rewards: list[float]) -> list[float]:
    return [reward - mean(rewards) for reward in rewards]


def standard(rewards: list[float]) -> list[float]:
    return [deviation / (stdev(rewards) + 1e-4) for deviation in centred(rewards)]


@pytest.mark.parametrize(
    ("sets", "rewards", "teacher_rows", "advantage"),
    [
        (("train.algorithm.name=ril",), {0.0, 1.0, 2.0}, True, centred),
        (("train.algorithm.name=gail",), {0.0, 1.0}, True, centred),
        *(
            ((f"train.algorithm.name={name}", "train.algorithm.policy_updates=2"), {0.0, 1.0}, False, advantage)
            for advantage, names in ((centred, ("dr_grpo",)), (standard, ("grpo", "clip_higher", "gspo", "cispo")))
            for name in names
        ),
        (("train.rewards.similarity=0.25",), {0.0, 0.25, 1.0, 1.25}, True, centred),
        (("train.rewards.similarity=0",), {0.0, 1.0}, True, centred),
        (("train.algorithm.policy_updates=2", "train.algorithm.disc_updates=2"), {0.0, 1.0, 2.0}, True, centred),
        (("train.algorithm.ratio_level=sequence", "train.algorithm.kl_rows=all"), {0.0, 1.0, 2.0}, True, centred),
    ],
)
def test_algorithms(sets, rewards, teacher_rows, advantage, workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(RuleJudge, "verdicts", some_are_right)  # of random weights no answer is
    result = run_stage(workspace, "train", *SHORT, *sets, out=tmp_path / "out")
    rows = rollouts(result)
    assert {row.reward for row in rows} <= rewards
    assert ("teacher" in {row.side for row in rows}) == teacher_rows
    assert ("discriminator" in result.outputs) == teacher_rows
    assert {row.source for row in rows if row.side == "teacher"} == ({"qwen", "internvl"} if teacher_rows else set())
    last = read_metrics(tmp_path / "out/metrics.jsonl")[-1]
    assert ("reward/similarity_student" in last) == teacher_rows
    assert ("reward/answer_student" in last) == ("gail" not in "".join(sets))
    groups: dict[tuple[int, str], list[RolloutRecord]] = {}
    for row in rows:
        groups.setdefault((row.step, row.sample_id), []).append(row)
    assert len({row.advantage for row in rows}) > 1
    for group in groups.values():
        expected = advantage([row.reward for row in group])
        assert [row.advantage for row in group] == pytest.approx(expected, rel=1e-6, abs=1e-6)  # float32


def test_teacher_rows_without_a_discriminator(workspace, tmp_path):
    """Answers alone, on groups with teacher rows: it takes a cache, and neither table nor output of `pretrain-disc`."""
    recipe = (workspace / "recipe.toml").read_text()
    head, _, rest = recipe.partition("[pretrain-disc]")
    (workspace / "teachers.toml").write_text(head + rest[rest.index("[train]") :])
    own = ("train.algorithm.name=dr_grpo_teachers", "train.student=runs/recipe/sft", *SHORT)
    alone = api.load_recipe(workspace / "teachers.toml", overrides=own, base_dir=workspace)
    with pytest.raises(ArtifactError, match="teacher-cache"):
        api.run_stage(alone, "train", out=tmp_path / "out")
    own = (*own, "train.teacher_cache=runs/recipe/cache-teacher", "train.verdicts=runs/recipe/judge")
    given = api.load_recipe(workspace / "teachers.toml", overrides=own, base_dir=workspace)
    plan = api.plan_stage(given, "train", out=tmp_path / "out")["plan"]
    assert plan["inputs"].keys() == {"student", "teacher_cache", "verdicts"}
    assert not any("discriminator" in key for section in plan.values() for key in section)
    result = api.run_stage(given, "train", out=tmp_path / "out")
    rows = rollouts(result)
    assert result.outputs.keys() == {"student", "best-student", "rollouts"}
    assert [row.side for row in rows] == ["student", "student", "teacher", "teacher"] * 6
    assert all(row.in_policy and row.reward == row.answer_reward is not None for row in rows)
    assert all(row.disc_logit is None for row in rows)
    metrics = read_metrics(tmp_path / "out/metrics.jsonl")[-1]
    assert metrics["policy/num_teacher_tokens"] > 0 and "reward/answer_teacher" in metrics
    assert not any(name.startswith(("disc/", "reward/similarity")) for name in metrics)
    assert api.run_stage(given, "train", out=tmp_path / "out").outputs.keys() == result.outputs.keys()


def test_ril_moves_student_and_discriminator_and_keeps_the_best(workspace, tmp_path):
    result = run_stage(workspace, "train", out=tmp_path / "out")
    base = load_file(workspace / "runs/recipe/sft/model.safetensors")
    disc = load_file(workspace / "runs/recipe/pretrain-disc/discriminator/model.safetensors")
    assert any(row.advantage for row in rollouts(result))
    assert moved(base, weights(result))
    assert moved(disc, weights(result, "discriminator"))
    assert (Path(result.outputs["best-student"].path) / "model.safetensors").is_file()


def test_teacher_rows_off_serve_the_discriminator_alone(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(RuleJudge, "verdicts", some_are_right)
    result = run_stage(workspace, "train", *SHORT, "train.algorithm.teacher_rows=off", out=tmp_path / "out")
    rows = rollouts(result)
    assert {(row.side, row.in_policy) for row in rows} == {("student", True), ("teacher", False)}
    assert {row.side for row in rows if row.advantage} == {"student"}
    assert all(row.disc_logit is not None for row in rows)


ADAPTERS = ("train.lora.rank=4", "train.discriminator.lora.rank=4")


@pytest.fixture(scope="module")
def adapter_disc(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("disc")
    lora = ("pretrain-disc.lora.rank=4", "pretrain-disc.loss=bradley-terry")  # ranks a group, so there is a signal
    run_stage(workspace, "pretrain-disc", *lora, out=directory)
    return directory / "discriminator"


@pytest.mark.parametrize("loss", ["bce", "bradley-terry"])
def test_both_discriminator_losses(loss, workspace, tmp_path):
    asks = "pretrain-disc.prompt=who said it?"
    sees = (f"pretrain-disc.loss={loss}", "pretrain-disc.input=question+response", asks)
    run_stage(workspace, "pretrain-disc", *sees, out=tmp_path / "disc")
    disc = f"train.discriminator_artifact={tmp_path / 'disc/discriminator'}"
    result = run_stage(workspace, "train", *SHORT, disc, out=tmp_path / "out")
    card = json.loads((Path(result.outputs["discriminator"].path) / "discriminator.json").read_text())
    assert (card["loss"], card["input"], card["lora"]) == (loss, "question+response", None)
    assert card["prompt"] == "who said it?"


def test_a_prompt_that_no_row_could_be_asked_with_is_refused(workspace, tmp_path):
    with pytest.raises(ConfigError, match="`pretrain-disc.prompt`: the text contains the chat-template token"):
        run_stage(workspace, "pretrain-disc", "pretrain-disc.prompt=who?<|im_end|>", out=tmp_path / "disc")


def test_policy_and_discriminator_are_adapters_on_one_frozen_student(workspace, adapter_disc, tmp_path, monkeypatch):
    seen: list[Roles] = []
    monkeypatch.setattr(
        "rilctl.stages.train.opening.load_roles", lambda *args: seen.append(load_roles(*args)) or seen[0]
    )
    disc = f"train.discriminator_artifact={adapter_disc}"
    result = run_stage(workspace, "train", *SHORT, *ADAPTERS, disc, out=tmp_path / "out")
    assert any(row.advantage for row in rollouts(result))
    (roles,) = seen
    assert roles.policy.model is roles.reference.model is roles.disc.vlm.model and not roles.disc_waits
    written = Path(result.outputs["discriminator"].path)
    assert not list(written.glob("model*.safetensors"))
    before, after = (load_file(path / "adapter_model.safetensors") for path in (adapter_disc, written))
    assert moved(before, after)
    base = load_file(workspace / "runs/recipe/sft/model.safetensors")
    student = weights(result)
    frozen = {name for name in base if "visual" in name or "embed" in name or "norm" in name}
    assert frozen and moved(base, student)
    assert all((base[name] == student[name]).all() for name in frozen)
    again = (*ADAPTERS, f"train.discriminator_artifact={written}")  # what it wrote is what it reads
    run_stage(workspace, "train", *SHORT, *again, out=tmp_path / "again")


def test_a_discriminator_adapter_gives_the_same_logits_on_shared_weights_as_merged(workspace, adapter_disc, tmp_path):
    artifact = f"train.discriminator_artifact={adapter_disc}"
    frozen = ("train.num_steps=1", "train.algorithm.disc_updates=0", artifact)
    shared = run_stage(workspace, "train", *SHORT, *frozen, *ADAPTERS, out=tmp_path / "shared")
    merged = run_stage(workspace, "train", *SHORT, *frozen, out=tmp_path / "merged")
    logits = [[row.disc_logit for row in rollouts(result)] for result in (shared, merged)]
    assert logits[0] == pytest.approx(logits[1], abs=1e-4)
    assert len(set(logits[0])) > 1
    card = json.loads((Path(merged.outputs["discriminator"].path) / "discriminator.json").read_text())
    assert card["lora"] is None


def test_an_adapter_on_a_discriminator_with_weights_of_its_own_is_written_merged(workspace, tmp_path):
    result = run_stage(workspace, "train", *SHORT, *ADAPTERS, out=tmp_path / "out")
    before = load_file(workspace / "runs/recipe/pretrain-disc/discriminator/model.safetensors")
    assert moved(before, weights(result, "discriminator"))


def test_a_discriminator_adapter_of_another_rank_is_refused(workspace, adapter_disc, tmp_path):
    disc = f"train.discriminator_artifact={adapter_disc}"
    with pytest.raises(UsageError, match="rank=4.*rank=16"):
        run_stage(workspace, "train", *SHORT, disc, "train.discriminator.lora={}", out=tmp_path / "out")


def test_taking_turns_on_the_device_changes_nothing(workspace, tmp_path, monkeypatch):
    """On a CPU the host is the device: all places are changed, in memory that is allocated once."""
    plain = run_stage(workspace, "train", *SHORT, out=tmp_path / "plain")
    host_bytes: list[int] = []
    swap = Exchange.swap
    monkeypatch.setattr(Exchange, "swap", lambda self, *sets: swap(self, *sets) or host_bytes.append(self.host_bytes))
    load = "rilctl.stages.train.opening.load_roles"
    monkeypatch.setattr(load, lambda *args: dataclasses.replace(load_roles(*args), disc_waits=True))
    turns = run_stage(workspace, "train", *SHORT, out=tmp_path / "turns")
    assert len(host_bytes) == 2 * 2 and len(set(host_bytes)) == 1
    assert {r: o.content_digest for r, o in plain.outputs.items()} == {
        r: o.content_digest for r, o in turns.outputs.items()
    }


def test_prompts_that_stay_from_rollouts_to_update_change_nothing(workspace, tmp_path, monkeypatch):
    taken: list[bool] = []
    take = KeptPrefix.take

    def noted(self: KeptPrefix, prompts: list[EncodedPrompt]) -> Prefix | None:
        prefix = take(self, prompts)
        taken.append(prefix is not None)
        return prefix

    monkeypatch.setattr(KeptPrefix, "take", noted)
    kept = run_stage(workspace, "train", *SHORT, out=tmp_path / "kept")
    assert taken == [True, True]  # one micro-batch a step
    monkeypatch.setattr(KeptPrefix, "take", lambda *_: None)
    anew = run_stage(workspace, "train", *SHORT, out=tmp_path / "anew")
    assert {r: o.content_digest for r, o in kept.outputs.items()} == {
        r: o.content_digest for r, o in anew.outputs.items()
    }


@pytest.mark.parametrize("override", ["engine.tokens_per_micro_batch=64", "generation.rows_per_batch=1"])
def test_prompts_of_a_step_in_parts_are_not_kept(override, workspace, tmp_path, monkeypatch):
    taken = []
    take = KeptPrefix.take
    monkeypatch.setattr(KeptPrefix, "take", lambda self, prompts: taken.append(take(self, prompts)))
    run_stage(workspace, "train", *SHORT, f"train.{override}", out=tmp_path / "out")
    assert not any(taken)


def test_a_student_of_an_unknown_family_goes_through_every_step_and_says_so_once(workspace, tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: said.append(text))
    student = f"student.model={build_family(tmp_path / 'student', 'qwen2_vl')}"
    run_stage(workspace, "sft", student, out=tmp_path / "sft")
    assert sum("repeated for each row" in text for text in said) == 1
    own = (student, f"pretrain-disc.student={tmp_path / 'sft'}", "pretrain-disc.input=image+question+response")
    run_stage(workspace, "pretrain-disc", *own, out=tmp_path / "disc")
    own = (f"train.student={tmp_path / 'sft'}", f"train.discriminator_artifact={tmp_path / 'disc/discriminator'}")
    result = run_stage(workspace, "train", *SHORT, *own, out=tmp_path / "out")
    assert len(rollouts(result)) == 2 * 3 * 4
    assert json.loads((Path(result.outputs["student"].path) / "config.json").read_text())["model_type"] == "qwen2_vl"


def test_prepaid_verdicts_replace_the_judge_on_teacher_rows(workspace, tmp_path):
    with_verdicts = run_stage(workspace, "train", *SHORT, "train.verdicts=runs/recipe/judge", out=tmp_path / "with")
    without = run_stage(workspace, "train", *SHORT, out=tmp_path / "without")
    assert rollouts(with_verdicts) == rollouts(without)


def test_prepaid_verdicts_of_another_judge_are_named(workspace, tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: said.append(text))
    own = (*SHORT, "train.verdicts=runs/recipe/judge")
    run_stage(workspace, "train", *own, out=tmp_path / "same")
    assert not any("holds verdicts of" in text for text in said)
    run_stage(workspace, "train", *own, "judge.numeric_tolerance=0.1", out=tmp_path / "other")
    (named,) = (text for text in said if "holds verdicts of" in text)
    assert "(numeric_tolerance=0); the recipe's judge is" in named
    assert named.endswith("(numeric_tolerance=0.1)")


def test_a_discriminator_of_another_student_is_refused(workspace, tmp_path):
    with pytest.raises(UsageError, match="another student"):
        run_stage(workspace, "train", "train.student=student", out=tmp_path / "out")


def test_too_many_missing_verdicts_end_the_run(workspace, tmp_path, monkeypatch):
    from rilctl.engines.judging.base import Verdict
    from rilctl.engines.judging.rule import RuleJudge

    monkeypatch.setattr(RuleJudge, "verdicts", lambda self, requests: [Verdict(None, None, "silent") for _ in requests])
    with pytest.raises(RilctlError, match="no verdict on 100%"):
        run_stage(workspace, "train", *SHORT, out=tmp_path / "out")


def test_the_same_seed_gives_the_same_run_and_another_doesn_t(workspace, tmp_path):
    first, again, other = (
        run_stage(workspace, "train", *SHORT, f"train.seed={seed}", out=tmp_path / name)
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert {r: o.content_digest for r, o in first.outputs.items()} == {
        r: o.content_digest for r, o in again.outputs.items()
    }
    assert first.outputs["rollouts"].content_digest != other.outputs["rollouts"].content_digest


def test_sft_on_teacher_answers_stops_at_the_token_budget(workspace, tmp_path):
    trained = run_stage(workspace, "train", *SHORT, out=tmp_path / "train")
    budget = sum(len(row.token_ids) for row in rollouts(trained) if row.in_policy)
    sets = ("sft.responses=teacher-cache", f"sft.match_tokens={tmp_path / 'train/rollouts'}", "sft.rows_per_step=4")
    run_stage(workspace, "sft", *sets, out=tmp_path / "sft")
    spent = sum(row["sft/num_tokens"] for row in read_metrics(tmp_path / "sft/metrics.jsonl"))
    assert abs(spent - budget) / budget < 0.25  # whole steps of four rows of uneven length


def test_a_run_ends_with_the_step_that_reaches_its_tokens(workspace, tmp_path):
    whole = run_stage(workspace, "train", *SHORT, out=tmp_path / "whole")
    tokens = [sum(len(row.token_ids) for row in rollouts(whole) if row.in_policy and row.step == s) for s in (1, 2)]
    cut = run_stage(workspace, "train", *SHORT, f"train.num_tokens={tokens[0] - 1}", out=tmp_path / "cut")
    assert {row.step for row in rollouts(cut)} == {1}
    assert read_metrics(tmp_path / "cut/metrics.jsonl")[-1]["validation/accuracy"] >= 0  # of the last student
    match = f"train.match_tokens={tmp_path / 'cut/rollouts'}"
    matched = run_stage(workspace, "train", *SHORT, match, out=tmp_path / "matched")
    assert matched.outputs["student"].content_digest == cut.outputs["student"].content_digest
    fewer = run_stage(workspace, "train", *SHORT, match, "train.num_tokens=99999", out=tmp_path / "fewer")
    assert fewer.outputs["student"].content_digest == cut.outputs["student"].content_digest
    ample = run_stage(workspace, "train", *SHORT, "train.num_tokens=99999", out=tmp_path / "ample")
    assert {row.step for row in rollouts(ample)} == {1, 2}


def test_gradient_checkpointing_computes_the_same_step(workspace, tmp_path):
    step = ("train.num_steps=1", "train.algorithm.disc_updates=8")  # by then it tells, so that the policy has a signal
    checkpointing = "train.engine.gradient_checkpointing=true"
    for name, sets in (("plain", step), ("less-memory", (*step, checkpointing))):
        run_stage(workspace, "train", *sets, out=tmp_path / name)
    plain, ours = (read_metrics(tmp_path / name / "metrics.jsonl")[-1] for name in ("plain", "less-memory"))
    assert plain["policy/grad_norm"] > 0.01
    for key in ("policy/loss", "policy/grad_norm", "policy/teacher_logprob", "disc/loss", "disc/grad_norm"):
        assert ours[key] == pytest.approx(plain[key], rel=1e-3), key  # eight steps of Adam stand between


def test_the_judge_is_asked_while_the_discriminator_learns(workspace, tmp_path, monkeypatch):
    learns, answers = Event(), RuleJudge.verdicts
    forward = Discriminator.forward

    def patient_judge(self, requests):
        if current_thread().name.startswith("judge"):  # not in a validation
            assert learns.wait(60)
        return answers(self, requests)

    def noted_forward(self, rows):
        learns.set()
        return forward(self, rows)

    monkeypatch.setattr(RuleJudge, "verdicts", patient_judge)
    monkeypatch.setattr(Discriminator, "forward", noted_forward)
    assert rollouts(run_stage(workspace, "train", *SHORT, out=tmp_path / "out"))
