"""What is a row's fault, and what is ours."""

import pytest
from PIL import Image

from rilctl.errors import RowError
from rilctl.models.prompts.encode import encode_text

from ..conftest import LoadVlm

PICTURE = Image.new("RGB", (64, 64))


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError])
def test_a_mistake_of_ours_is_no_picture_that_is_refused(load: LoadVlm, monkeypatch, error: type[Exception]) -> None:
    vlm = load("pocket-student")

    def broken(*_: object, **__: object) -> None:
        raise error("an argument that this release doesn't know")

    monkeypatch.setattr(type(vlm.processor), "__call__", broken)
    with pytest.raises(error, match="this release"):
        encode_text(vlm, "what is it?", [PICTURE])


def test_a_shape_that_the_library_refuses_is_the_pictures(load: LoadVlm, monkeypatch) -> None:
    vlm = load("pocket-student")

    def refuses(*_: object, **__: object) -> None:
        raise ValueError("absolute aspect ratio must be smaller than 200")

    monkeypatch.setattr(type(vlm.processor), "__call__", refuses)
    with pytest.raises(RowError, match="refuses the picture: absolute aspect ratio"):
        encode_text(vlm, "what is it?", [PICTURE])


def test_a_tokenizer_that_fails_is_no_picture(load: LoadVlm, monkeypatch) -> None:
    vlm = load("pocket-student")

    def broken(*_: object, **__: object) -> None:
        raise ValueError("not a text")

    monkeypatch.setattr(type(vlm.tokenizer), "__call__", broken)
    with pytest.raises(ValueError, match="not a text"):
        encode_text(vlm, "what is it?", [])
