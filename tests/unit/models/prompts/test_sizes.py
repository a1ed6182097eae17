"""The length of a prompt from the size of its picture is the length that the processor makes."""

import pytest
from PIL import Image
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample
from rilctl.models.prompts.encode import chat_text, encode_prompt, encode_response
from rilctl.models.prompts.lengths import PromptSize
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.testing.families import SEEING
from rilctl.testing.prompts import drawn_prompt

from ..conftest import LoadVlm

SIZES = [(56, 56), (300, 40), (37, 211), (640, 480)]


def sample(number: int, question: str, *sizes: tuple[int, int]) -> Sample:
    pictures = [Image.new("RGB", size, "red") for size in sizes]
    images = tuple(ImageRef(picture.copy, f"picture {number}") for picture in pictures)
    return Sample(str(number), Conversation.of(question, images), "", "")


@pytest.mark.parametrize("family", SEEING)
def test_sizes_are_those_of_the_encoded_prompt(load: LoadVlm, family: str) -> None:
    vlm = load(family)
    samples = [sample(number, f"what is {number} plus 1?", size) for number, size in enumerate(SIZES)]
    samples += [sample(8, "which is larger?", *SIZES[:2]), sample(9, "no picture?")]
    for each, size in zip(samples, prompt_sizes(vlm, samples), strict=True):
        prompt = encode_prompt(vlm, each.conversation)
        assert size is not None
        assert size.tokens == len(prompt.token_ids_P)
        if family not in ("pocket-teacher-internvl", "smolvlm"):  # they count the marks around a picture as well
            assert size.image_tokens == int((prompt.type_ids_P == 1).sum()) or family == "llava"


def test_smolvlm_s_prompt_is_that_of_its_own_processor(load: LoadVlm) -> None:
    """Which the tests can't make: it wants packages for videos. Its text for a picture is a function of its own."""
    vlm = load("smolvlm")
    picture = Image.new("RGB", (640, 480), "red")
    pixels = vlm.processor.image_processor([picture], return_row_col_info=True)
    (rows, columns), marks = (pixels[name][0][0] for name in ("rows", "cols")), ("<image>", "<global-img>")
    text = get_image_prompt_string(rows, columns, 4, "<fake_token_around_image>", *marks)
    assert (rows, columns) == (2, 2)
    asked = chat_text(vlm, sample(0, "why?", (640, 480)).conversation).replace("<image>", text)
    assert drawn_prompt(vlm, "why?", [picture]).token_ids_P.tolist() == vlm.tokenizer(asked)["input_ids"]


def test_gemma_s_text_begins_once(load: LoadVlm) -> None:
    vlm = load("gemma3")
    for pictures in ([], [Image.new("RGB", (56, 56), "red")]):
        ids = drawn_prompt(vlm, "why?", pictures).token_ids_P.tolist()
        assert ids.count(vlm.tokenizer.bos_token_id) == 1 and ids[0] == vlm.tokenizer.bos_token_id
    assert vlm.tokenizer("why?")["input_ids"][0] == vlm.tokenizer.bos_token_id  # it would add another


@pytest.mark.parametrize(("family", "token"), [("gemma3", "<end_of_turn>"), ("smolvlm", "<end_of_utterance>")])
def test_an_answer_ends_as_the_family_s_do(load: LoadVlm, family: str, token: str) -> None:
    vlm = load(family)
    end = encode_response(vlm, "8", stopped=True)[-1]
    assert vlm.tokenizer.convert_ids_to_tokens(end) == token and end in vlm.stop_ids
    assert end not in encode_response(vlm, "8", stopped=False)


def test_a_text_model_has_no_image_tokens(load: LoadVlm) -> None:
    vlm = load("text")
    (size,) = prompt_sizes(vlm, [sample(0, "what is 1 plus 1?")])
    assert size == PromptSize(len(drawn_prompt(vlm, "what is 1 plus 1?", []).token_ids_P), 0)


def test_a_picture_that_can_not_be_read_has_no_size(load: LoadVlm) -> None:
    broken = Sample("0", Conversation.of("why?", (ImageRef(b"no picture", "0"),)), "", "")
    assert prompt_sizes(load("pocket-student"), [broken]) == [None]
