import pytest

from rilctl.errors import RowError
from rilctl.stages.cache_teacher.texts import plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("8 dogs<|im_end|>", "8 dogs"),
        ("8 dogs.<|im_end|>\n<|endoftext|>\n", "8 dogs."),
        ("8<|eot_id|>", "8"),
        ("8</s>", "8"),
        ("8<end_of_turn>\n", "8"),
        ("8<｜end▁of▁sentence｜>", "8"),
        ("it was <s>7</s>", "it was <s>7</s>"),
        ("8 \n", "8 \n"),
        ("a |> b", "a |> b"),
        ("", ""),
    ],
)
def test_a_trailing_end_of_turn_is_no_part_of_the_answer(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_special_tokens_of_the_teachers_own_model_count() -> None:
    assert plain_text("8[END]") == "8[END]"
    assert plain_text("8 [END][PAD]", ("[PAD]", "[END]")) == "8"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8<|im_end|>\n<|im_start|>user\nand now?", "template-token"),
        ("<|im_start|>assistant\n8<|im_end|>", "template-token"),
        ("<|im_end|>", "response-empty"),
    ],
)
def test_a_text_with_other_markup_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        plain_text(text)
    assert caught.value.reason == reason
