"""Turns with pictures between them, against plain transformers with the same chat template."""

from dataclasses import replace

import pytest
import torch
import transformers

from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.sharding import Unsharded
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_prompt, encode_response
from rilctl.testing.families import SEEING
from rilctl.testing.ragged import FAMILIES, EachModuleOnce, noise

TEXTS = ("what is the sum of ", "and of ", " and that one?")
RESPONSES = ("it is 8", "the largest one is 9")
PICTURES = (noise(0), noise(1).resize((84, 56)))


def conversation(*, sees: bool, system: str | None) -> Conversation:
    """Two questions, a picture after the words of the first, and one between those of the second."""
    first, second = (ImageRef(picture.copy, "drawn") for picture in PICTURES) if sees else (None, None)
    parts = (TEXTS[0], first), (TEXTS[1], second, TEXTS[2])
    asked, last = (Turn("user", tuple(part for part in each if part is not None)) for each in parts)
    if not sees:
        last = Turn("user", ("".join(TEXTS[1:]),))
    return Conversation(last, (asked, Turn("assistant", ("it is 3",))), system)


def messages(*, sees: bool, system: str | None) -> list[dict]:
    """The same, written for transformers."""
    text = [{"type": "text", "text": each} for each in (*TEXTS, "it is 3", system)]
    picture = {"type": "image"}
    turns = [("user", [text[0], picture]), ("assistant", [text[3]]), ("user", [text[1], picture, text[2]])]
    if system is not None:
        turns.insert(0, ("system", [text[4]]))
    if sees:
        return [{"role": role, "content": parts} for role, parts in turns]
    return [
        {"role": role, "content": "".join(part["text"] for part in parts if part is not picture)}
        for role, parts in turns
    ]


def plain_model(vlm):
    """The library's own model."""
    auto = transformers.AutoModelForImageTextToText if vlm.family.sees_pictures else transformers.AutoModelForCausalLM
    return auto.from_pretrained(vlm.source.path, dtype=torch.float32).eval()


@torch.no_grad()
def plain_logprobs(model, vlm, said: list[dict], response: tuple[int, ...]) -> torch.Tensor:
    """Of one response, in one sequence."""
    text = vlm.processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    own = {"return_tensors": "pt", "add_special_tokens": False}
    pictures = {"images": [list(PICTURES)]} if vlm.family.sees_pictures else {}
    inputs = dict(vlm.processor(text=[text], **pictures, **own))
    num_prompt = inputs["input_ids"].shape[1]
    for name in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
        if name in inputs:
            more = {"input_ids": list(response), "attention_mask": [1] * len(response)}.get(name, [0] * len(response))
            inputs[name] = torch.cat([inputs[name], torch.tensor([more])], 1)
    logits_TV = model(**inputs).logits[0, num_prompt - 1 : -1].float()
    return logits_TV.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_has_the_log_probabilities_of_plain_transformers(family, load):
    vlm = load(family)
    sees = family in SEEING
    asked = [{"sees": sees, "system": None}, {"sees": sees, "system": "say little"}]
    prompts = [encode_prompt(vlm, conversation(**each)) for each in asked]
    rows = [encode_response(vlm, text, stopped=True) for _ in prompts for text in RESPONSES]
    prompt_of_row = torch.arange(len(rows)) // len(RESPONSES)
    model = plain_model(vlm)
    expected = [
        plain_logprobs(model, vlm, messages(**asked[prompt_of_row[row]]), each) for row, each in enumerate(rows)
    ]
    for form in (Unsharded(), EachModuleOnce()):  # from the prompts' cache; packed in one sequence
        vlm.sharding = form
        found, _ = response_logprobs(vlm, prompts, prompt_of_row, *collate_responses(vlm, rows))
        for ours, theirs in zip(found.detach(), expected, strict=True):
            torch.testing.assert_close(ours[: len(theirs)], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", SEEING)
def test_where_a_picture_stands_is_seen(family, load):
    """Else the test above would say nothing of it."""
    vlm = load(family)
    asked = conversation(sees=True, system=None)
    moved = replace(asked, last=replace(asked.last, parts=(asked.last.parts[1], "".join(TEXTS[1:]))))
    prompts = [encode_prompt(vlm, each) for each in (asked, moved, replace(asked, earlier=()))]
    rows = [encode_response(vlm, "it is 8", stopped=True)] * 3
    found, _ = response_logprobs(vlm, prompts, torch.arange(3), *collate_responses(vlm, rows))
    assert (found[0] - found[1]).abs().max() > 1e-4 and (found[0] - found[2]).abs().max() > 1e-4
