"""All answers of a conversation in one pass, against a row for each."""

from dataclasses import replace

import pytest
import torch

from rilctl.config.sft import SftConfig
from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_prompt, encode_response
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.stages.sft.loop import Trainer
from rilctl.stages.sft.passes import in_one, one_by_one, passes_loss
from rilctl.stages.sft.rows import SftRow, to_units
from rilctl.testing.families import SEEING, SHARING
from rilctl.testing.learners import sft_trainer
from rilctl.testing.ragged import noise

ANSWERS = ("it is 3", "the largest one is 9", "no")


def rows_of(name: str, *, sees: bool, num: int = 3) -> list[SftRow]:
    """A conversation's: a picture in the first turn, one in the second, none in the third."""
    pictures = [ImageRef(noise(seed).copy, "drawn") for seed in (0, 1)] if sees else []
    asked = [
        Turn("user", (*pictures[:1], f"what is the sum, {name}?")),
        Turn("user", ("and of ", *pictures[1:], "?") if sees else ("and of it?",)),
        Turn("user", ("sure?",)),
    ]
    rows, said = [], list[Turn]()
    for number, (turn, answer) in enumerate(zip(asked[:num], ANSWERS, strict=False), start=1):
        rows.append(SftRow(f"{name}#{number}", Conversation(turn, tuple(said)), answer, True))
        said += [turn, Turn("assistant", (answer,))]
    return rows


def loss_and_gradient(vlm: Vlm, passes) -> tuple[float, torch.Tensor]:
    vlm.model.zero_grad()
    loss = passes_loss(vlm, passes)
    loss.backward()
    grads = [p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None]
    return loss.item(), torch.cat(grads)


@pytest.mark.parametrize("family", SHARING)
def test_one_pass_has_the_loss_and_gradient_of_a_row_for_each_answer(family, load) -> None:
    vlm = load(family)
    sees = family in SEEING
    units = [rows_of("a", sees=sees), rows_of("b", sees=False), rows_of("c", sees=sees, num=1)]
    encoded = [
        [(encode_prompt(vlm, row.conversation), encode_response(vlm, row.text, stopped=True)) for row in unit]
        for unit in units
    ]
    together = [each for unit in encoded[:2] if (each := in_one(unit)) is not None]
    assert len(together) == 2
    whole = [*together, *one_by_one(encoded[2])]
    alone = [each for unit in encoded for each in one_by_one(unit)]
    expected, expected_gradient = loss_and_gradient(vlm, alone)
    for prepare in (lambda _: None, enable_checkpointing):
        prepare(vlm)
        loss, gradient = loss_and_gradient(vlm, whole)
        assert loss == pytest.approx(expected, rel=1e-5)
        assert (gradient - expected_gradient).norm() / expected_gradient.norm() < 1e-5


def trainer(vlm: Vlm, rows: list[SftRow], said: list[str], *, whole: bool) -> Trainer:
    config = SftConfig(whole_conversations=whole, rows_per_step=2)
    return sft_trainer(config, vlm, rows, rows, warn=said.append)


def validation_loss(vlm: Vlm, rows: list[SftRow], said: list[str], *, whole: bool) -> float:
    return trainer(vlm, rows, said, whole=whole)._validate()["validation/loss"]


def test_a_template_that_changes_earlier_answers_gets_a_pass_for_each(load) -> None:
    vlm, said = load("pocket-student"), list[str]()
    rows = [*rows_of("a", sees=True), *rows_of("b", sees=True)]
    by_rows = validation_loss(vlm, rows, said, whole=False)
    assert validation_loss(vlm, rows, said, whole=True) == pytest.approx(by_rows, rel=1e-6) and not said
    vlm.processor.chat_template = vlm.processor.chat_template.replace("<|im_end|>", " <|im_end|>")
    changed = validation_loss(vlm, rows, said, whole=False)
    assert changed != pytest.approx(by_rows, rel=1e-4) and not said
    assert validation_loss(vlm, rows, said, whole=True) == changed
    assert said == ["the chat template shows earlier answers otherwise than they are learned: a pass for each answer"]


def test_a_rejected_answer_leaves_the_others_of_its_conversation(load) -> None:
    vlm = load("pocket-student")
    rows = rows_of("a", sees=True)
    rows[1] = replace(rows[1], said="long " * 500)
    whole = trainer(vlm, rows, [], whole=True)
    (together,) = whole._encode_together(whole.inputs.units)
    assert len(together.answers) == 2 and [row.sample_id for row in whole.rejected.values()] == ["a#2"]


def test_units_are_conversations() -> None:
    rows = [*rows_of("a", sees=False), *rows_of("b", sees=False, num=1)]
    plain = [replace(rows[0], sample_id=name) for name in ("a", "b", "c#d")]
    whole = to_units([*rows, *plain], whole_conversations=True)
    assert [len(unit) for unit in whole] == [3, 1, 1, 1, 1]
    assert [len(unit) for unit in to_units(rows, whole_conversations=False)] == [1] * 4
