"""The length of a prompt from the size of its picture is the length that the processor makes."""

import pytest
from PIL import Image

from rilctl.data.sample import ImageRef, Sample
from rilctl.models.prompts.encode import encode_prompt
from rilctl.models.prompts.sizes import PromptSize, prompt_sizes

from ..conftest import LoadVlm

SIZES = [(56, 56), (300, 40), (37, 211), (640, 480)]


def sample(number: int, question: str, *sizes: tuple[int, int]) -> Sample:
    pictures = [Image.new("RGB", size, "red") for size in sizes]
    images = tuple(ImageRef(picture.copy, f"picture {number}") for picture in pictures)
    return Sample(str(number), images, question, "", "")


@pytest.mark.parametrize("family", ["pocket-student", "pocket-teacher-internvl", "qwen3_vl", "llava"])
def test_sizes_are_those_of_the_encoded_prompt(load: LoadVlm, family: str) -> None:
    vlm = load(family)
    samples = [sample(number, f"what is {number} plus 1?", size) for number, size in enumerate(SIZES)]
    samples += [sample(8, "which is larger?", *SIZES[:2]), sample(9, "no picture?")]
    for each, size in zip(samples, prompt_sizes(vlm, samples), strict=True):
        prompt = encode_prompt(vlm, each.question, [image.load() for image in each.images])
        assert size is not None
        assert size.tokens == len(prompt.token_ids_P)
        if family != "pocket-teacher-internvl":  # it counts the marks around a picture as well
            assert size.image_tokens == int((prompt.type_ids_P == 1).sum()) or family == "llava"


def test_a_text_model_has_no_image_tokens(load: LoadVlm) -> None:
    vlm = load("text")
    (size,) = prompt_sizes(vlm, [sample(0, "what is 1 plus 1?")])
    assert size == PromptSize(len(encode_prompt(vlm, "what is 1 plus 1?", []).token_ids_P), 0)


def test_a_picture_that_can_not_be_read_has_no_size(load: LoadVlm) -> None:
    broken = Sample("0", (ImageRef(b"no picture", "0"),), "why?", "", "")
    assert prompt_sizes(load("pocket-student"), [broken]) == [None]
