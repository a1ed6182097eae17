"""Preferring one answer to another: the prompt computed once for the two, against formulas on whole sequences."""

from math import log

import pytest
import torch
from torch import Tensor

from rilctl.config.fields import LoraConfig
from rilctl.config.preference import PreferenceConfig
from rilctl.models.loaded.adapters import with_adapter, without_adapter
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.models.shared_prefix.sequence import sequence_hidden
from rilctl.stages.sft.lessons import Prefer
from rilctl.stages.sft.passes import EncodedRow
from rilctl.testing.families import load_to_train
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import EachModuleOnce, noise
from rilctl.testing.small_vlms import build_small_vlm

PAIRS = (
    ("what is the sum?", "i see 4 + 4 = 8. answer 8", "answer 7"),
    ("which digit of the top row is the largest one of all?", "9", "the largest is 3"),
    ("is it 4?", "no", "yes"),
)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("model")
    build_small_vlm(directory, "pocket-student", seed=0)
    return str(directory)


def load(model_dir: str, scale: float = 1.0) -> Vlm:
    vlm = load_to_train(model_dir, torch.device("cpu"))
    with torch.no_grad():
        for parameter in vlm.model.parameters():
            parameter *= scale
    return vlm


def encoded(vlm: Vlm) -> list[list[EncodedRow]]:
    """Of each pair both rows; the second prompt has two pictures, the last none."""
    pictures = ([noise(0)], [noise(1), noise(2)], [])
    rows = []
    for (question, *texts), shown in zip(PAIRS, pictures, strict=True):
        prompt = drawn_prompt(vlm, question, shown)
        rows.append([(prompt, encode_response(vlm, text, stopped=True)) for text in texts])
    return rows


def sequence_logprobs(vlm: Vlm, rows: list[EncodedRow]) -> tuple[Tensor, Tensor]:
    """Of each row's response, its prompt repeated, by the whole model's softmax: summed, and on average."""
    ids_NR, mask_NR = collate_responses(vlm, [ids for _, ids in rows])
    with vlm.forward_pass():
        hidden_NSH = sequence_hidden(vlm, [prompt for prompt, _ in rows], ids_NR, mask_NR)
        logits_NRV = vlm.lm_head(hidden_NSH[:, :-1]).float()
    logprobs_NR = logits_NRV.log_softmax(-1).gather(-1, ids_NR[..., None])[..., 0].masked_fill(~mask_NR, 0.0)
    return logprobs_NR.sum(1), logprobs_NR.sum(1) / mask_NR.sum(1)


def by_hand(vlm: Vlm, reference: Vlm | None, config: PreferenceConfig) -> Tensor:
    """The loss of `PAIRS`, summed, as the papers write it."""
    rows = [row for pair in encoded(vlm) for row in pair]
    sums_N, means_N = sequence_logprobs(vlm, rows)
    if reference is None:
        logits_N = config.beta * (means_N[0::2] - means_N[1::2]) - config.margin
    else:
        with torch.no_grad():
            ref_N = sequence_logprobs(reference, rows)[0]
        logits_N = config.beta * ((sums_N[0::2] - sums_N[1::2]) - (ref_N[0::2] - ref_N[1::2]))
    return -torch.nn.functional.logsigmoid(logits_N).sum()


def gradient(vlm: Vlm, loss: Tensor) -> Tensor:
    vlm.model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("form", ["shared", "packed", "recomputed"])
@pytest.mark.parametrize("name", ["dpo", "simpo"])
def test_a_shared_prompt_has_the_loss_and_gradient_of_a_repeated_one(name: str, form: str, model_dir: str) -> None:
    config = PreferenceConfig(loss=name)
    vlm, reference = load(model_dir), load(model_dir, 1.01) if name == "dpo" else None
    expected = by_hand(vlm, reference, config)
    expected_gradient = gradient(vlm, expected)
    if form == "packed":
        vlm.sharding = EachModuleOnce()
    elif form == "recomputed":
        enable_checkpointing(vlm)
    lesson = Prefer(vlm, reference, config)
    passes = [each for pair in encoded(vlm) for each in lesson.passes(pair)]
    loss, sums = lesson.loss(passes, 1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (gradient(vlm, loss) - expected_gradient).norm() / expected_gradient.norm() < 1e-5
    assert sums["preference_accuracy"] in range(4)
    assert sums["preferred_logprob"].item() == pytest.approx(
        sequence_logprobs(vlm, [pair[0] for pair in encoded(vlm)])[0].sum().item(), rel=1e-5
    )


def test_micro_batches_add_up_to_one_large_batch(model_dir: str) -> None:
    vlm = load(model_dir)
    lesson = Prefer(vlm, load(model_dir, 1.01), PreferenceConfig())
    passes = [each for pair in encoded(vlm) for each in lesson.passes(pair)]
    whole, sums = lesson.loss(passes, lesson.count(passes))
    parts = [lesson.loss([each], lesson.count(passes)) for each in passes]
    assert sum(loss.item() for loss, _ in parts) == pytest.approx(whole.item(), rel=1e-6)
    for name, number in sums.items():
        assert sum(measured[name].item() for _, measured in parts) == pytest.approx(number.item(), rel=1e-5), name


def test_below_an_adapter_is_its_own_reference(model_dir: str) -> None:
    """A new adapter changes nothing, one that has learned does; the reference stays, and so does what trains."""
    vlm = with_adapter(load(model_dir), LoraConfig(rank=2), adapter="student", seed=0)
    lesson = Prefer(vlm, without_adapter(vlm), PreferenceConfig())
    passes = [each for pair in encoded(vlm) for each in lesson.passes(pair)]
    loss, sums = lesson.loss(passes, len(passes))
    assert loss.item() == pytest.approx(log(2), rel=1e-6) and sums["reward_margin"].item() == 0
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for _, parameter in vlm.trained_parameters():
            assert parameter.requires_grad
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    learned, sums = lesson.loss(passes, len(passes))
    assert learned.item() < loss.item() and sums["reward_margin"].item() > 0


def test_a_unit_of_which_a_row_is_bad_is_no_pair(model_dir: str) -> None:
    vlm = load(model_dir)
    assert Prefer(vlm, None, PreferenceConfig(loss="simpo")).passes(encoded(vlm)[0][:1]) == []
