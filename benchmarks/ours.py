"""Our side of a comparison: a training step as `rilctl train` makes it, with a clock around each phase."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import torch
from clock import PhaseClock, Seconds
from shapes import Shape, is_right, load, teacher_texts

from rilctl.config.engines import HfEngineConfig, TorchEngineConfig
from rilctl.config.fields import LoraConfig, OptimConfig, SamplingConfig
from rilctl.config.train import AlgorithmConfig, DiscriminatorConfig, TrainConfig
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.hf import shared_engine
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.models.discriminator import Discriminator, DiscriminatorCard
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_prompt, encode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.shared_prefix import form as form_of
from rilctl.models.shared_prefix import prefix as shared_form
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.stages.train.groups import student_row
from rilctl.stages.train.opening import make_learner
from rilctl.stages.train.roles import Roles
from rilctl.stages.train.rows import Group, Row
from rilctl.stages.train.verdicts import JudgeAsker

UpdateForm = Literal["shared", "copied", "packed", "repeated"]
"""How rows meet their prompt: over one copy of its keys, over a copy for each row, in one sequence with it, or with a
prompt for each row."""
NUM_STEPS = 1000
"""Of the learning rate's schedule, which is constant here."""


class TextJudge:
    """A `JudgeEngine` that calls half of random texts right."""

    name = "text"
    rows_at_once = 1024

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        return [Verdict(is_right(request.response), None, "") for request in requests]

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`."""
        return {}

    def close(self) -> None:
        """See `JudgeEngine`."""


class OurSide:
    """Dr.GRPO, or RIL: teacher rows, discriminator that sees the image, reference, both rewards.

    Args:
        directory: of the model.
        shape: what is measured.
        algorithm: `dr_grpo` has no reference, as the peer has none.
        device: where everything is.
    """

    def __init__(
        self,
        directory: Path,
        shape: Shape,
        algorithm: Literal["dr_grpo", "ril"],
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        self.shape, self.clock = shape, PhaseClock()
        self.config = _config(shape, algorithm)
        roles = _roles(directory, shape, self.config, device)
        self.vlm = roles.policy
        self.prompts = roles.prompts
        judge = JudgeAsker(TextJudge(), Ranks())
        self.learner = make_learner(self.config, roles, judge, {}, {}, Ranks())
        kept = self.learner.policy_update.kept
        self.generation = shared_engine(self.vlm, self.prompts, self.config.generation, kept)
        self.metrics: dict[str, float] = {}
        self._steps_done = 0
        self._watch()

    def step(self, samples: Sequence[Sample], teachers: dict[str, list[str]]) -> dict[str, Seconds]:
        """One training step; what each phase took. Raises `AssertionError` where it didn't do the work."""
        with self.clock.phase("other"):
            with self.learner.policy_update.rolling_out(len(samples)):
                rollouts = self.roll_out(samples)
            groups = []
            for place, (sample, responses) in enumerate(zip(samples, rollouts, strict=True)):
                rows = [student_row(response) for response in responses]
                if self.learner.disc is not None:
                    rows += [self._teacher_row(text) for text in teachers[sample.id]]
                groups.append(Group(place, sample, self.prompts.get(sample.conversation), tuple(rows)))
            groups, self.metrics = self.learner.learn(groups, samples)
        rows = [row for group in groups for row in group.policy_rows]
        num_sides = 1 if self.learner.disc is None else 2
        assert len(rows) == num_sides * self.shape.num_rows * len(samples)
        assert all(len(row.token_ids) == self.shape.new_tokens for row in rows)
        has_signal = any(row.advantage for row in rows)  # a few random answers may all be right
        assert (self.metrics["policy/grad_norm"] > 0) == has_signal
        return self.clock.take()

    def roll_out(self, samples: Sequence[Sample]) -> list[tuple[Response, ...]]:
        """Fresh rollouts of the current policy."""
        self._steps_done += 1
        requests = [
            GenerationRequest(
                sample.id,
                sample.conversation,
                tuple(row_seed(self._steps_done, sample.id, index) for index in range(self.shape.num_rows)),
            )
            for sample in samples
        ]
        answers = self.generation.generate(requests, self.config.sampling)
        return [answer for answer in answers if isinstance(answer, tuple)]

    @contextmanager
    def of_length(self, new_tokens: int) -> Iterator[None]:
        """Rollouts have so many tokens inside."""
        kept = self.config
        sampling = kept.sampling.model_copy(update={"max_new_tokens": new_tokens})
        self.config = kept.model_copy(update={"sampling": sampling})
        yield
        self.config = kept

    def teachers(self, samples: Sequence[Sample]) -> dict[str, list[str]]:
        """Teachers' answers by question."""
        return teacher_texts(self.vlm, self.shape, samples)

    def _teacher_row(self, text: str) -> Row:
        return Row("teacher", "teacher", text, encode_response(self.vlm, text, stopped=False), "length")

    def _watch(self) -> None:
        """A clock around each phase."""
        self.clock.watch(self.generation, "generate", "rollout")
        self.clock.watch(self.learner.policy_update, "update", "policy update")
        self.clock.watch(self.learner.policy_update.rewards, "reference_logprobs", "reference")
        if self.learner.disc is not None:
            self.clock.watch(self.learner.disc, "forward", _disc_phase)
            for method in ("backward", "step"):
                self.clock.watch(self.learner.disc_engine, method, "discriminator update")


def _disc_phase() -> str:
    return "discriminator update" if torch.is_grad_enabled() else "score"


def _config(shape: Shape, algorithm: Literal["dr_grpo", "ril"]) -> TrainConfig:
    optim, lora = OptimConfig(lr=1e-5), LoraConfig() if shape.lora else None
    num_rows = shape.num_questions * shape.num_rows
    return TrainConfig(
        algorithm=AlgorithmConfig(name=algorithm, kl_beta=0.01 if algorithm == "ril" else 0.0),
        num_steps=NUM_STEPS,
        questions_per_step=shape.num_questions,
        num_student_rows=shape.num_rows,
        num_teacher_rows=shape.num_rows if algorithm == "ril" else 0,
        sampling=SamplingConfig(max_new_tokens=shape.new_tokens),
        optim=optim,
        discriminator=DiscriminatorConfig(optim=optim, lora=lora),
        lora=lora,
        generation=HfEngineConfig(rows_per_batch=num_rows),
        engine=TorchEngineConfig(
            tokens_per_micro_batch=2**20, gradient_checkpointing=shape.gradient_checkpointing and algorithm == "ril"
        ),
    )


def _roles(directory: Path, shape: Shape, config: TrainConfig, device: Literal["cpu", "cuda"]) -> Roles:
    """As `load_roles` loads them without turns on the device, with a discriminator that sees the image."""
    student, lora = load(directory, shape, device, trainable=not shape.lora), config.lora
    disc = None
    if config.algorithm.uses_discriminator:
        own = with_adapter(student, lora, adapter="discriminator", seed=1) if lora else load(directory, shape, device)
        card = DiscriminatorCard(input="image+question+response", loss="bce", base_digest=own.digest, lora=lora)
        disc = Discriminator(own, card)
    reference = None
    if config.algorithm.kl_beta > 0:
        reference = student if lora else load(directory, shape, device, trainable=False)
    policy = with_adapter(student, lora, adapter="policy", seed=0) if lora else student
    if config.engine.gradient_checkpointing:
        for trained in (policy, disc.vlm) if disc else (policy,):
            enable_checkpointing(trained)
    return Roles(policy, reference, disc, KeptPrompts(policy), disc_waits=False)


def prompt_update(side: OurSide, samples: Sequence[Sample], form: UpdateForm = "shared") -> Callable[[], None]:
    """Forward and backward of the log-probabilities of `num_rows` answers to each question; no optimizer."""
    vlm, num_rows = side.vlm, side.shape.num_rows
    prompts = [side.prompts.get(sample.conversation) for sample in samples]
    prompt_of_row_N = torch.arange(len(prompts), device=vlm.device).repeat_interleave(num_rows)
    texts = side.teachers(samples)
    rows = [encode_response(vlm, text, stopped=False) for sample in samples for text in texts[sample.id]]
    ids_NR, mask_NR = collate_responses(vlm, rows)
    if form == "repeated":
        prompts = [prompt for prompt in prompts for _ in range(num_rows)]
        prompt_of_row_N = torch.arange(len(prompts), device=vlm.device)

    def update() -> None:
        copies = patch.object(shared_form, "can_learn_shared", lambda *_: False) if form == "copied" else nullcontext()
        with copies, patch.object(form_of, "_is_one_sequence", lambda *_: form == "packed"):
            logprobs_NR, _ = response_logprobs(
                vlm, prompts, prompt_of_row_N, ids_NR, mask_NR, banned_ids=vlm.banned_ids
            )
        logprobs_NR.sum().backward()
        vlm.model.zero_grad(set_to_none=True)

    return update


def lora_fine_tuning_step(directory: Path, shape: Shape, samples: Sequence[Sample]) -> Callable[[], None]:
    """What a step of `rilctl sft` with LoRA does to `num_rows` teacher rows of each question, prompts repeated."""
    vlm = with_adapter(load(directory, shape, trainable=False), LoraConfig(), adapter="student", seed=0)
    engine = TorchTraining(vlm.trained_parameters(), OptimConfig(lr=1e-5), num_steps=NUM_STEPS)
    texts = teacher_texts(vlm, shape, samples)
    encoded = {sample.id: encode_prompt(vlm, sample.conversation) for sample in samples}
    prompts = [encoded[sample.id] for sample in samples for _ in texts[sample.id]]
    responses = [encode_response(vlm, text, stopped=False) for sample in samples for text in texts[sample.id]]
    ids_NR, mask_NR = collate_responses(vlm, responses)

    def step() -> None:
        logprobs_NR, _ = response_logprobs(vlm, prompts, torch.arange(len(prompts)), ids_NR, mask_NR)
        engine.backward(-logprobs_NR.sum() / mask_NR.sum())
        assert engine.step().grad_norm > 0

    return step
