"""Micro-batches that accumulate are one large batch: loss and gradients to twelve digits in double precision."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from rilctl.algorithms.disc_loss import DISC_LOSSES, count_pairs
from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.fields import ModelConfig, OptimConfig
from rilctl.config.pretrain_disc import DiscLossName
from rilctl.config.sft import SftConfig
from rilctl.config.train import TrainConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.engines.training.base import StepReport
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_response
from rilctl.stages.sft.rows import SftRow
from rilctl.stages.shared.disc_update import update_discriminator
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.train.losses.rewards import RewardLoss
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.rows import Group, Row, cut_groups
from rilctl.stages.train.taught import Taught
from rilctl.testing.learners import sft_trainer
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.small_vlms import build_small_vlm

QUESTIONS = {"add these": 3, "what is the sum of all that you see here?": 2, "and": 1, "read them all, please": 4}
OPTIM = OptimConfig(lr=1e-4)
TEXTS = ["4", "i see 4 + 4 = 8. answer 8", "answer 12", "no", "digits 4, 4 make 8. answer 8"]


OTHERS = [name for name, record in ALGORITHMS.items() if record.losses == ("rewards",) and name not in ("ril", "grpo")]


class Gradients:
    """A `TrainingEngine` that keeps the gradients of its step."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.num_parts = 0
        self.of_step = torch.empty(0)

    def backward(self, loss: torch.Tensor) -> None:
        self.num_parts += 1
        loss.backward()

    def step(self) -> StepReport:
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        self.of_step = torch.cat([p.grad.flatten() for p in parameters])
        return StepReport(grad_norm=float(self.of_step.norm()), lr=0.0)

    def save(self, directory: Path) -> None:
        raise AssertionError("an update does not ask for this")

    def load(self, directory: Path) -> None:
        raise AssertionError("an update does not ask for this")


@pytest.fixture
def vlm(tmp_path: Path) -> Vlm:
    config = ModelConfig(model=str(build_small_vlm(tmp_path / "model")))
    vlm = load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)
    vlm.model.double()
    vlm.dtype = torch.float64
    return vlm


def sample(name: str) -> Sample:
    return Sample(id=name, conversation=Conversation.of(name), answer="8", response="8")


def same_for_any_budget(step: Callable[[int], tuple[float, Gradients]]) -> None:
    whole_loss, whole = step(10**6)
    assert whole.num_parts == 1
    for budget in (40, 150):
        loss, parts = step(budget)
        assert parts.num_parts > 1
        assert loss == pytest.approx(whole_loss, rel=1e-12)
        assert (parts.of_step - whole.of_step).norm() <= 1e-12 * whole.of_step.norm()


@pytest.fixture
def reference(vlm: Vlm) -> Vlm:
    """The model with other weights."""
    other = dataclasses.replace(vlm, model=copy.deepcopy(vlm.model))
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter *= 1.01
    return other


@pytest.fixture
def groups(vlm: Vlm) -> list[Group]:
    """With as many rows as `QUESTIONS` says, every other a teacher's."""
    picture = Image.linear_gradient("L").resize((56, 56)).convert("RGB")
    found = []
    for question, num_rows in QUESTIONS.items():
        rows = []
        for index in range(num_rows):
            token_ids = encode_response(vlm, TEXTS[index], stopped=True)
            side = "teacher" if index % 2 else "student"
            rows.append(Row(side, side, "", token_ids, "stop", reward=1.0, advantage=index - num_rows / 2))
        found.append(Group(len(found), sample(question), drawn_prompt(vlm, question, [picture]), tuple(rows)))
    return found


@pytest.mark.parametrize(
    "algorithm",
    [
        {"kl_beta": 0},
        {"name": "grpo"},
        {"ratio_level": "sequence"},
        {"policy_updates": 2},
        *({"name": name, "policy_updates": 2} for name in OTHERS),
        {"kl_beta": 0.5, "kl_rows": "all"},
    ],
    ids=str,
)
def test_policy(vlm: Vlm, reference: Vlm, groups: list[Group], algorithm: dict[str, object]) -> None:
    def step(budget: int) -> tuple[float, Gradients]:
        vlm.model.zero_grad()
        engine = Gradients(vlm.model)
        engine_config = {"tokens_per_micro_batch": budget}
        config = TrainConfig.model_validate({"algorithm": {"kl_beta": 0.5, **algorithm}, "engine": engine_config})
        has_kl = config.algorithm.kl_beta > 0
        metrics = PolicyUpdate(config, vlm, engine, reference if has_kl else None, Ranks()).update(groups)
        assert ("policy/student_kl" in metrics) == has_kl
        assert ("policy/teacher_kl" in metrics) == (algorithm.get("kl_rows") == "all")
        engine.num_parts //= config.algorithm.policy_updates
        return metrics["policy/loss"], engine

    same_for_any_budget(step)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_rewards_and_given_responses(vlm: Vlm, reference: Vlm, groups: list[Group], weight: float) -> None:
    rows = [(group.prompt, encode_response(vlm, text, stopped=True)) for group in groups for text in TEXTS[:2]]

    def step(budget: int) -> tuple[float, Gradients]:
        vlm.model.zero_grad()
        engine = Gradients(vlm.model)
        config = TrainConfig.model_validate(
            {"algorithm": {"name": "ril_sft"}, "engine": {"tokens_per_micro_batch": budget}}
        )
        metrics = PolicyUpdate(config, vlm, engine, reference, Ranks()).update(groups, Taught(rows, weight))
        assert metrics["policy/num_sft_tokens"] == sum(len(token_ids) for _, token_ids in rows)
        if weight == 1.0:
            assert metrics["policy/loss"] == pytest.approx(metrics["policy/sft_loss"], rel=1e-12)
        engine.num_parts //= 2
        return metrics["policy/loss"], engine

    same_for_any_budget(step)


@pytest.mark.parametrize("updates", [1, 2])
def test_distillation(vlm: Vlm, reference: Vlm, groups: list[Group], updates: int) -> None:
    groups = [dataclasses.replace(group, teacher_prompt=group.prompt) for group in groups]

    def step(budget: int) -> tuple[float, Gradients]:
        vlm.model.zero_grad()
        engine = Gradients(vlm.model)
        algorithm = {"name": "on_policy_distillation", "policy_updates": updates}
        engine_config = {"tokens_per_micro_batch": budget}
        config = TrainConfig.model_validate({"algorithm": algorithm, "engine": engine_config})
        metrics = PolicyUpdate(config, vlm, engine, None, Ranks(), teacher=reference).update(groups)
        assert (
            metrics["policy/loss"] == pytest.approx(metrics["policy/distillation_kl"], rel=1e-12)
            and engine.of_step.any()
        )
        engine.num_parts //= updates
        return metrics["policy/loss"], engine

    same_for_any_budget(step)


def test_the_reference_is_asked_for_the_rows_that_pay(vlm: Vlm, reference: Vlm, groups: list[Group]) -> None:
    found = {}
    for kl_rows in ("student", "all"):
        config = TrainConfig.model_validate({"algorithm": {"kl_rows": kl_rows}, "engine": {}})
        (part,) = cut_groups(config, vlm, Ranks(), groups)
        found[kl_rows] = RewardLoss(config, vlm, reference, Ranks(), None).reference_logprobs(part, reference)
    is_student_N = ~part.terms.teacher_N
    assert is_student_N.any() and not is_student_N.all()
    torch.testing.assert_close(found["student"][is_student_N], found["all"][is_student_N], rtol=1e-12, atol=1e-12)
    assert found["all"][is_student_N].any() and not found["student"][~is_student_N].any()


@pytest.mark.parametrize("loss", ["bce", "bradley-terry"])
def test_discriminator(vlm: Vlm, loss: DiscLossName) -> None:
    card = DiscriminatorCard(input="question+response", loss=loss, base_digest="")
    disc = Discriminator(vlm, card)
    disc.head.double()
    rows = [
        (DiscriminatorRow(Conversation.of(question), TEXTS[index]), index % 2 == 0, number)
        for number, (question, num_rows) in enumerate(QUESTIONS.items())
        for index in range(num_rows)
    ]
    batch = LabelledRows(*([row[part] for row in rows] for part in range(3)))
    logits, losses = [], []

    def step(budget: int) -> tuple[float, Gradients]:
        disc.zero_grad()
        engine = Gradients(disc)
        logits_N, report = update_discriminator(disc, engine, batch, optim=OPTIM, budget_tokens=budget, ranks=Ranks())
        logits.append(logits_N)
        losses.append(report["loss"])
        return report["loss"], engine

    same_for_any_budget(step)
    for logits_N in logits[1:]:
        torch.testing.assert_close(logits_N, logits[0], rtol=1e-12, atol=1e-12)
    labels_N, ids_N = torch.tensor(batch.is_student, dtype=torch.float64), torch.tensor(batch.group_ids)
    sides = {"num_students": sum(batch.is_student), "num_teachers": len(rows) - sum(batch.is_student)}
    whole = DISC_LOSSES[loss](logits[0], labels_N, ids_N, **sides, num_pairs=count_pairs(labels_N, ids_N))
    assert losses == pytest.approx([whole.item()] * len(losses), rel=1e-12)


def test_sft(vlm: Vlm) -> None:
    rows = [SftRow(name, Conversation.of(name), text, True) for name, text in zip(QUESTIONS, TEXTS, strict=False)]

    def step(budget: int) -> tuple[float, Gradients]:
        vlm.model.zero_grad()
        engine = Gradients(vlm.model)
        config = SftConfig.model_validate({"engine": {"tokens_per_micro_batch": budget}})
        trainer = sft_trainer(config, vlm, rows)
        return trainer._step(engine, trainer.inputs.units)["sft/loss"], engine  # type: ignore[arg-type]

    same_for_any_budget(step)
