"""One rank of a pool that goes through cases of `draw`: `worker.py OUT NUMBER ...`, all of as many ranks as there are.

Rank 0 computes each case alone with torch first, while the others wait, then all of them do on DeepSpeed. What differs
is written to `OUT/NUMBER.json`; `OUT/started` is the case under way, for whoever finds the pool dead.
"""

import copy
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from draw import Case, draw
from safetensors.torch import load_file
from torch import Tensor

from rilctl.cli.failures import leave
from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.config.sft import SftConfig
from rilctl.config.train import TrainConfig
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.training import zero
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.ranks import Ranks, open_ranks
from rilctl.engines.training.world import find_world
from rilctl.models.discriminator import Discriminator, DiscriminatorCard
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_prompt, encode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.stages.pretrain_disc.loop import held_out_report
from rilctl.stages.pretrain_disc.pairs import Pair, labelled
from rilctl.stages.sft.lessons import Prefer
from rilctl.stages.sft.rows import SftRow, Unit
from rilctl.stages.shared.disc_update import health, update_discriminator
from rilctl.stages.train.distilling import TeacherRole
from rilctl.stages.train.opening import make_learner
from rilctl.stages.train.roles import Roles
from rilctl.stages.train.rollout_log import gather_groups
from rilctl.stages.train.row_metrics import row_metrics
from rilctl.stages.train.rows import Group, Row
from rilctl.stages.train.taught import Taught
from rilctl.stages.train.verdicts import JudgeAsker
from rilctl.testing.learners import sft_trainer
from rilctl.testing.saved import save_now

LR = 1e-5
OPTIM = {"lr": LR, "weight_decay": 0.1}
LORA = LoraConfig(rank=4)
SMALL_BUCKETS = {"reduce_bucket_size": 20_000, "stage3_prefetch_bucket_size": 20_000}
"""Beside this model what DeepSpeed's own are beside one of 7B, whose gradients fill many."""

Found = tuple[dict[str, float | None], dict[str, TrainingEngine]]
"""Metrics, and the engines whose state tells what was learned."""


class ByText:
    """A `JudgeEngine` whose verdict depends on the response alone, or that has none."""

    name, rows_at_once = "by text", 100

    def __init__(self, verdicts: str) -> None:
        self._verdicts = verdicts

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """Right is about every other response."""
        return [Verdict(self._verdict(request.response), None, "") for request in requests]

    def _verdict(self, text: str) -> bool | None:
        number = sum(text.encode())
        if self._verdicts == "none" or (self._verdicts == "some" and number % 5 == 0):
            return None
        return number % 2 == 0

    def calls(self, requests: Sequence[JudgeRequest]) -> list[Any]:
        """No model is asked."""
        return []

    def counts(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def run(case: Case, ranks: Ranks, engine: Mapping[str, Any]) -> Found:
    """One step, as the verb takes it."""
    settings = copy.deepcopy(case.settings)
    settings["engine"] |= engine
    verb = case.objective.split()[0]
    return {"sft": learn_answers, "pretrain-disc": tell_apart, "train": learn}[verb](case, settings, ranks)


def learn_answers(case: Case, settings: dict[str, Any], ranks: Ranks) -> Found:
    """`sft`."""
    config = SftConfig.model_validate(settings | {"optim": OPTIM})
    vlm = role("student", lora=case.lora, checkpointing=config.engine.gradient_checkpointing)
    rows = [
        SftRow(
            f"{question.sample.id}-{index}",
            question.sample.conversation,
            text,
            index % 2 == 0,
        )
        for question in case.questions
        for index, text in enumerate(question.teachers)
    ]
    units: list[Unit] = [(row,) for row in rows]
    lesson, frozen = None, [vlm] if case.lora else []
    if config.preference is not None:
        units = [(row, replace(row, said=own)) for row, own in zip(rows, case.own_texts, strict=True)]
        reference = replace(vlm, adapter=None) if case.lora else role("reference", lora=False, scale=1.002)
        lesson, frozen = Prefer(vlm, reference, config.preference), [*frozen, reference]
    trainer = sft_trainer(
        config, vlm, [*rows, rows[0]], rows[::2] if lesson is None else (), lesson=lesson, ranks=ranks
    )
    open_frozen(frozen, config.engine, ranks=ranks)
    engine = open_training(vlm, config.optim, config.engine, num_steps=10, ranks=ranks)
    metrics = dict(trainer._step(engine, ranks.share(units)))
    return metrics | trainer._validate(), {"student": engine}


def tell_apart(case: Case, settings: dict[str, Any], ranks: Ranks) -> Found:
    """`pretrain-disc`."""
    config = PretrainDiscConfig.model_validate(settings | {"optim": OPTIM})
    disc = discriminator(config.input, config.loss, case, config.engine.gradient_checkpointing)
    if case.lora:
        open_frozen([disc.vlm], config.engine, ranks=ranks)
    engine = open_training(disc, config.optim, config.engine, num_steps=10, ranks=ranks)
    pairs = [
        Pair(question.sample, student, teacher)
        for question in case.questions
        for student, teacher in zip(question.students, question.teachers, strict=False)
    ]
    budget, batch = config.engine.tokens_per_micro_batch, labelled(ranks.share(pairs))
    logits_N, report = update_discriminator(disc, engine, batch, optim=config.optim, budget_tokens=budget, ranks=ranks)
    report |= health(disc, logits_N, batch, ranks=ranks)
    return report | held_out_report(disc, config, pairs, pairs, ranks, {}), {"discriminator": engine}


def learn(case: Case, settings: dict[str, Any], ranks: Ranks) -> Found:
    """`train`, from rollouts on."""
    sees, loss = settings.pop("disc_input"), settings.pop("disc_loss")
    lora = LORA if case.lora else None
    config = TrainConfig.model_validate(
        settings
        | {"optim": OPTIM, "lora": lora, "discriminator": settings["discriminator"] | {"optim": OPTIM, "lora": lora}}
    )
    checkpointing = config.engine.gradient_checkpointing
    policy = role("policy", lora=case.lora, checkpointing=checkpointing)
    disc = discriminator(sees, loss, case, checkpointing, policy) if config.algorithm.uses_discriminator else None
    reference = None
    if config.algorithm.kl_beta > 0:
        reference = replace(policy, adapter=None) if case.lora else role("reference", lora=False, scale=1.002)
    teacher = None
    if config.algorithm.distils:
        vlm = role("teacher", lora=False, scale=1.2)
        teacher = TeacherRole(vlm, KeptPrompts(vlm))
    roles = Roles(policy, reference, disc, KeptPrompts(policy), disc_waits=False, teacher=teacher)
    judge = JudgeAsker(ByText(case.verdicts), ranks, num_askers=ranks.size)
    learner = make_learner(config, roles, judge, {}, {}, ranks)
    samples = [question.sample for question in case.questions]
    places = [place for place in ranks.share(range(len(samples))) if not case.questions[place].is_bad]
    groups = [group(case, place, policy, config) for place in places]
    groups, learned = learner.learn(groups, samples, by_heart(case, policy, ranks) if config.taught else None)
    metrics: dict[str, float | None] = dict(learned)
    metrics |= row_metrics(ranks, gather_groups(ranks, 1, groups), config)
    engines = {"policy": learner.policy_update.engine}
    return metrics, engines | ({"discriminator": learner.disc_engine} if learner.disc_engine else {})


def by_heart(case: Case, policy: Vlm, ranks: Ranks) -> Taught:
    """The questions' own responses, as `train.sft` would hand them out."""
    rows = [
        (encode_prompt(policy, question.sample.conversation), encode_response(policy, text, stopped=True))
        for question in case.questions
        for text in (question.sample.response, *question.teachers)
    ]
    return Taught(ranks.share(rows), 0.4)


def group(case: Case, place: int, policy: Vlm, config: TrainConfig) -> Group:
    """A question's rows, as rollouts and a teacher cache would give them."""
    question = case.questions[place]
    sample = question.sample
    prompt = encode_prompt(policy, sample.conversation)
    rows = []
    for index, text in enumerate(question.students):
        token_ids = encode_response(policy, text, stopped=index % 2 == 0)
        logprobs = tuple(-0.1 * (1 + (token + index) % 5) for token in range(len(token_ids)))
        rows.append(Row("student", "student", text, token_ids, "stop", sampling_logprobs=logprobs))
    in_policy = config.algorithm.teacher_rows != "off"
    for text in question.teachers if config.algorithm.uses_teachers else ():
        token_ids = encode_response(policy, text, stopped=True)
        rows.append(Row("teacher", "teacher", text, token_ids, "stop", in_policy))
    return Group(place, sample, prompt, tuple(rows), teacher_prompt=prompt if config.algorithm.distils else None)


@cache
def _loaded() -> Vlm:
    return load_vlm(ModelConfig(model="pocket-student"), base_dir=Path(), device=torch.device("cpu"), trainable=True)


def role(name: str, *, lora: bool, checkpointing: bool = False, scale: float = 1.0) -> Vlm:
    """A copy of the model, all weights scaled; or with an adapter that makes a difference."""
    vlm = replace(_loaded(), model=copy.deepcopy(_loaded().model))
    with torch.no_grad():
        for parameter in vlm.model.parameters():
            parameter *= scale
    if checkpointing:
        enable_checkpointing(vlm)
    return adapted(vlm, name) if lora else vlm


def adapted(vlm: Vlm, name: str) -> Vlm:
    """With an adapter of its own; half of a new one's weights are 0."""
    vlm = with_adapter(vlm, LORA, adapter=name, seed=0)
    dice = torch.Generator().manual_seed(1)
    for key, parameter in vlm.trained_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.02, generator=dice)
    return vlm


def discriminator(sees: Any, loss: Any, case: Case, checkpointing: bool, policy: Vlm | None = None) -> Discriminator:
    """With weights of its own, or with an adapter, on the policy's weights where there is a policy."""
    if case.lora and policy is not None:
        vlm = adapted(replace(policy, adapter=None), "discriminator")
    else:
        vlm = role("discriminator", lora=case.lora, checkpointing=checkpointing)
    card = DiscriminatorCard(input=sees, loss=loss, base_digest="", lora=LORA if case.lora else None)
    return Discriminator(vlm, card)


def state_of(engines: Mapping[str, TrainingEngine], scratch: Path, ranks: Ranks) -> dict[str, Tensor]:
    """By engine, kind and parameter: weights after the step, and both moments. Collective; whole on rank 0."""
    found = {}
    for name, engine in engines.items():
        save_now(engine, scratch / name, ranks)
        with ranks.together():
            if ranks.is_main:
                for file in (scratch / name).glob("*.safetensors"):
                    found |= {f"{name}/{key}": tensor for key, tensor in load_file(file).items()}
                shutil.rmtree(scratch / name)
    return found


def gradient_errors(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Of each of Adam's moments, gradients and their squares: how far it is from the expected one, and its size."""
    return {
        key: [float((state[key].double() - moment.double()).norm()), float(moment.double().norm())]
        for key, moment in expected.items()
        if "/exp_avg" in key and key in state
    }


def weight_errors(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """Of each weight after at most one update: how far an element may be from the expected one, in learning rates.

    Where the gradient is but rounding (a bias of attention's keys has none), Adam makes a step of it all the same, so
    these elements are left out. After two updates nobody can tell any more which they are.
    """
    found = {}
    for key, weight in expected.items():
        name, _, kind = key.partition("/")
        if kind.startswith("weight.") and expected[f"{name}/steps_done"] <= 1:
            errors = (state[key] - weight).abs() / LR
            moment = expected.get(key.replace("/weight.", "/exp_avg."))
            if moment is not None:  # else it never took a step
                errors *= moment.abs() > max(1e-7, 1e-2 * float(moment.abs().max()))
            found[key] = float(errors.max())
    return found


def compare(case: Case, ranks: Ranks, scratch: Path) -> dict[str, Any]:
    """What rank 0 finds. Collective."""
    expected: Any = None
    with ranks.together():
        if ranks.is_main:
            metrics, engines = run(case, Ranks(), {"type": "torch"})
            expected = metrics, state_of(engines, scratch, Ranks())
    metrics, engines = run(case, ranks, {"type": "deepspeed", "zero_stage": case.stage})
    state = state_of(engines, scratch, ranks)
    if not ranks.is_main:
        return {}
    return {
        "expected": expected[0],
        "found": metrics,
        "only_in_one": sorted(state.keys() ^ expected[1].keys()),
        "gradients": gradient_errors(state, expected[1]),
        "weights": weight_errors(state, expected[1]),
    }


def fill_many_buckets() -> None:
    """Let DeepSpeed send gradients and weights in many parts, as it does those of a large model."""
    usual = zero.settings_of

    def settings(*arguments: Any, **options: Any) -> dict[str, Any]:
        found = usual(*arguments, **options)
        found["zero_optimization"] |= SMALL_BUCKETS
        return found

    zero.settings_of = settings


def main() -> None:
    torch.set_num_threads(1)
    fill_many_buckets()
    out, numbers = Path(sys.argv[1]), [int(text) for text in sys.argv[2:]]
    with open_ranks(find_world(os.environ), grouped=True) as ranks:
        for number in numbers:
            if ranks.is_main:
                (out / "started").write_text(str(number))
            report = compare(draw(number), ranks, out / "scratch")
            if ranks.is_main:
                (out / f"{number}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
    leave(0)
