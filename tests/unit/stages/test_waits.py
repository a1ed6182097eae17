"""How often an update waits for the device: a number that grows neither with chunks nor with micro-batches."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from rilctl.algorithms import head
from rilctl.config.fields import ModelConfig, OptimConfig
from rilctl.config.pretrain_disc import DiscLossName
from rilctl.config.sft import SftConfig
from rilctl.config.train import TrainConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.stages.sft.rows import SftRow
from rilctl.stages.shared.disc_update import update_discriminator
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.rows import Group, Row
from rilctl.testing.learners import sft_trainer
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import EachModuleOnce
from rilctl.testing.small_vlms import build_small_vlm

NUM_GROUPS = 6
OPTIM = OptimConfig(lr=1e-4)
WHOLE, SMALL = 10**6, 40
"""Budgets: all groups in one micro-batch, each in one of its own."""
READS = (torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.numpy)
VARIANTS = [
    {},
    {"algorithm": {"policy_updates": 2, "kl_rows": "all"}},
    {"sampler_correction": {"enabled": True}},
]


class _Scalars(TorchDispatchMode):
    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.note()
        return func(*args, **(kwargs or {}))


class _Transfers(TorchFunctionMode):
    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            self.note()
        return func(*args, **(kwargs or {}))


class Waits:
    """Counts reads of a tensor's values, each of which would wait for a GPU, by the file of ours that asks for them."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._modes = ExitStack()

    def __enter__(self) -> "Waits":
        self._modes.enter_context(_Scalars(self._note))
        self._modes.enter_context(_Transfers(self._note))
        return self

    def __exit__(self, *_: object) -> None:
        self._modes.close()

    def of(self, *folders: str) -> int:
        """Those that stages or algorithms, say, asked for."""
        return sum(place in folders for place in self.places)

    def _note(self) -> None:
        frame = sys._getframe(1)
        while frame.f_back is not None:
            parts = Path(frame.f_code.co_filename).parts
            if "rilctl" in parts and "tests" not in parts:
                self.places.append(parts[parts.index("rilctl") + 1])
                return
            frame = frame.f_back


@pytest.fixture
def vlm(tmp_path: Path) -> Vlm:
    config = ModelConfig(model=str(build_small_vlm(tmp_path / "model")))
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)


def engine(module: Any) -> TorchTraining:
    return TorchTraining(module.trained_parameters(), OPTIM, num_steps=100)


def groups(vlm: Vlm) -> list[Group]:
    """Two rows each, one of them a teacher's."""
    picture = Image.linear_gradient("L").resize((56, 56)).convert("RGB")
    found = []
    for index in range(NUM_GROUPS):
        question = f"question {index}"
        sample = Sample(id=question, conversation=Conversation.of(question), answer="8", response="8")
        rows = []
        for side, advantage in (("student", 0.75), ("teacher", -0.5)):
            token_ids = encode_response(vlm, f"{side} {index} says {index}", stopped=True)
            sampled = (-0.5,) * len(token_ids) if side == "student" else None
            row = Row(side, side, "", token_ids, "stop", sampling_logprobs=sampled, reward=1.0, advantage=advantage)  # type: ignore[arg-type]
            rows.append(row)
        found.append(Group(index, sample, drawn_prompt(vlm, question, [picture]), tuple(rows)))
    return found


def policy_waits(vlm: Vlm, budget: int, settings: dict[str, Any]) -> tuple[Waits, dict[str, float | None]]:
    config = TrainConfig.model_validate({**settings, "engine": {"tokens_per_micro_batch": budget}})
    update = PolicyUpdate(config, vlm, engine(vlm), vlm, Ranks())
    with Waits() as waits:
        return waits, update.update(groups(vlm))


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_chunks_of_the_head_wait_for_nothing(
    vlm: Vlm, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: parameter.detach().clone() for name, parameter in vlm.model.named_parameters()}
    num_tokens = sum(len(row.token_ids) for group in groups(vlm) for row in group.rows)
    found = []
    for tokens_at_once in (10**6, 7):
        vlm.model.load_state_dict(before, strict=False)
        elements = tokens_at_once * len(vlm.lm_head.weight)
        monkeypatch.setattr(head, "CHUNK_ELEMENTS", {"cpu": elements})
        found.append(policy_waits(vlm, WHOLE, settings))
    assert num_tokens > 10 * 7
    (one, metrics), (many, same) = found
    assert len(many.places) == len(one.places)
    assert same == pytest.approx(metrics, rel=1e-5)  # a sum over tokens in another order


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_a_policy_update_reads_its_metrics_once(vlm: Vlm, settings: dict[str, Any]) -> None:
    one, many = policy_waits(vlm, WHOLE, settings)[0], policy_waits(vlm, SMALL, settings)[0]
    assert many.of("models") > one.of("models") > 0, "there are more micro-batches, which are laid out one by one"
    assert many.of("stages", "algorithms", "engines") == one.of("stages", "algorithms", "engines") > 0


@pytest.mark.parametrize("loss", ["bce", "bradley-terry"])
def test_a_discriminators_update_reads_its_loss_and_logits_once(vlm: Vlm, loss: DiscLossName) -> None:
    rows = [
        DiscriminatorRow(Conversation.of(f"question {index // 2}"), f"answer {index}")
        for index in range(2 * NUM_GROUPS)
    ]
    batch = LabelledRows(rows, [True, False] * NUM_GROUPS, [index // 2 for index in range(2 * NUM_GROUPS)])
    disc = Discriminator(vlm, DiscriminatorCard(input="question+response", loss=loss, base_digest=""))
    found = []
    for budget in (WHOLE, SMALL):
        with Waits() as waits:
            update_discriminator(disc, engine(disc), batch, optim=OPTIM, budget_tokens=budget, ranks=Ranks())
        found.append(waits.of("stages", "algorithms", "engines"))
    assert found[0] == found[1] > 0


def test_a_step_of_sft_reads_its_loss_once(vlm: Vlm) -> None:
    rows = [
        SftRow(str(index), Conversation.of(f"question {index}"), f"answer {index}", True) for index in range(NUM_GROUPS)
    ]
    found = []
    for budget in (WHOLE, SMALL):
        config = SftConfig.model_validate({"engine": {"tokens_per_micro_batch": budget}})
        trainer = sft_trainer(config, vlm, rows, rows)
        with Waits() as waits:
            trainer._step(engine(vlm), trainer.inputs.units)
            trainer._validate()
        found.append(waits.of("stages", "algorithms", "engines"))
    assert found[0] == found[1] > 0


@pytest.mark.parametrize("one_sequence", [False, True])
def test_rows_of_a_micro_batch_are_laid_out_at_once(vlm: Vlm, one_sequence: bool) -> None:
    found = []
    vlm.sharding = EachModuleOnce()
    for num_rows in (4, 12):
        responses = [[5, 6, 7][: 1 + index % 3] for index in range(num_rows)]
        prompts = [drawn_prompt(vlm, "how many?", [])] * (2 if one_sequence else num_rows)
        rows_N = torch.arange(num_rows) % len(prompts)
        with Waits() as waits:
            response_logprobs(vlm, prompts, rows_N, *collate_responses(vlm, responses))
        found.append(len(waits.places))
    assert found[0] == found[1] > 0
