"""What the discriminator sees, and that it comes back as it was saved."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow, read_card
from rilctl.models.loaded.vlm import load_vlm
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import EachModuleOnce

PICTURES = [ImageRef(lambda n=n: Image.new("RGB", (56, 56), (n, 0, 200)), f"picture {n}") for n in (10, 240)]


def build(load, sees: str, family: str = "pocket-student", prompt: str | None = None) -> Discriminator:
    vlm = load(family)
    return Discriminator(vlm, DiscriminatorCard(input=sees, prompt=prompt, loss="bce", base_digest=vlm.digest))


def row(text: str = "answer 8", question: str = "the sum?", picture: int = 0) -> DiscriminatorRow:
    return DiscriminatorRow(Conversation.of(question, (PICTURES[picture],)), text)


@pytest.mark.parametrize("family", ["pocket-student", "pocket-teacher-internvl"])
@pytest.mark.parametrize("sees", ["response", "question+response", "image+question+response"])
def test_it_sees_what_it_should_and_nothing_else(sees, family, load):
    disc = build(load, sees, family)
    with torch.no_grad():
        base, text, question, picture = disc([row(), row(text="answer 9"), row(question="the gap?"), row(picture=1)])
    assert abs(base - text) > 1e-5
    assert (abs(base - question) > 1e-5) == ("question" in sees)
    assert (abs(base - picture) > 1e-5) == ("image" in sees)


@pytest.mark.parametrize("sees", ["response", "question+response", "image+question+response"])
def test_what_it_is_asked_stands_below_the_question(sees, load):
    asked, plain = build(load, sees, prompt="who said it?"), build(load, sees)
    question = "the sum?" if "question" in sees else ""
    assert plain.shown(row()).question == question
    assert asked.shown(row()).question == (f"{question}\n\nwho said it?" if question else "who said it?")
    assert asked.shown(row()).images == plain.shown(row()).images
    with torch.no_grad():
        assert abs(asked([row()]) - plain([row()])) > 1e-5


def test_a_card_without_a_prompt_is_as_ever(load, tmp_path):
    disc = build(load, "response", prompt="who said it?")
    disc.save(tmp_path)
    assert read_card(tmp_path).prompt == "who said it?"
    assert "prompt" not in DiscriminatorCard(input="response", loss="bce", base_digest="d").model_dump_json()


def test_a_row_doesn_t_depend_on_its_neighbours(load):
    disc = build(load, "image+question+response")
    rows = [row(), row(text="i see 4 + 4 = 8. answer 8", picture=1), row(question="a longer question than that?")]
    with torch.no_grad():
        together, alone = disc(rows), torch.cat([disc([each]) for each in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sees", ["response", "image+question+response"])
@pytest.mark.parametrize("one_sequence", [False, True])
def test_no_rows_are_no_logits_and_a_gradient_of_0_for_every_weight(sees, one_sequence, load):
    """What a rank computes while another one has a micro-batch more."""
    disc = build(load, sees)
    disc.vlm.stand_in = drawn_prompt(disc.vlm, "", [PICTURES[0].load()] if disc.sees_pictures else [])
    if one_sequence:
        disc.vlm.sharding = EachModuleOnce()
    logits_N = disc([])
    assert logits_N.shape == (0,)
    logits_N.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for _, p in disc.trained_parameters())


def test_white_space_doesn_t_tell(load):
    disc = build(load, "response")
    with torch.no_grad():
        logits = disc([row(text="answer 8"), row(text=" answer 8\r\n")])
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=1e-6)


def test_it_comes_back_as_it_was_saved(load, tmp_path):
    disc = build(load, "question+response")
    with torch.no_grad():
        disc.head.bias += 0.5
    disc.save(tmp_path)
    vlm = load_vlm(ModelConfig(model=str(tmp_path)), base_dir=Path(), device=torch.device("cpu"), trainable=True)
    again = Discriminator(vlm, read_card(tmp_path))
    again.load_head(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again([row()]), disc([row()]), rtol=0, atol=1e-6)
    assert again.card == disc.card


def test_backbone_and_head_train(load):
    disc = build(load, "response")
    disc([row()]).sum().backward()
    named = dict(disc.trained_parameters())
    assert {"head.weight", "head.bias"} < named.keys()
    with_gradient = [name for name, p in named.items() if p.grad is not None and p.grad.abs().sum() > 0]
    assert any(name.startswith("backbone.language_model.layers.0") for name in with_gradient)
