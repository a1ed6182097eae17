"""Bounds of image tokens in a recipe: what they go with, and that a recipe without them is what it was."""

import pytest
from pydantic import ValidationError

from rilctl.config.cache_teacher import TeacherConfig
from rilctl.config.fields import ModelConfig, PictureBounds, semantic_config
from rilctl.config.judge import LlmJudgeConfig

ENDPOINT = {"url": "http://localhost:8000/v1"}


def test_a_table_without_bounds_has_no_trace_of_them() -> None:
    assert semantic_config(ModelConfig(model="m")) == {"dtype": None, "random_weights": False, "seed": 0}
    assert semantic_config(TeacherConfig(model="m")) == {"dtype": None, "endpoint": None, "sampling": None}
    assert ModelConfig(model="m").picture_bounds is None


def test_a_bound_is_part_of_what_an_artifact_means() -> None:
    bounded = semantic_config(ModelConfig(model="m", max_image_tokens=64))
    assert bounded == {"dtype": None, "random_weights": False, "seed": 0, "max_image_tokens": 64}
    assert ModelConfig(model="m", max_image_tokens=64).picture_bounds == PictureBounds(None, 64)


def test_a_teacher_s_and_a_judge_s_model_have_theirs() -> None:
    teacher = TeacherConfig(model="m", min_image_tokens=4, max_image_tokens=64)
    assert teacher.loaded_here.picture_bounds == PictureBounds(4, 64)
    judge = LlmJudgeConfig(type="llm", model="m", sees_images=True, max_image_tokens=64)
    assert judge.loaded_here.picture_bounds == PictureBounds(None, 64)


@pytest.mark.parametrize(
    ("table", "keys", "said"),
    [
        (ModelConfig, {"min_image_tokens": 65}, "min_image_tokens is over max_image_tokens"),
        (TeacherConfig, {"endpoint": ENDPOINT}, "an endpoint sizes pictures by its own rule"),
        (
            LlmJudgeConfig,
            {"type": "llm", "sees_images": True, "endpoint": ENDPOINT},
            "an endpoint sizes pictures by its own rule",
        ),
        (LlmJudgeConfig, {"type": "llm"}, "for a judge that sees_images"),
    ],
)
def test_what_a_bound_does_not_go_with(table: type, keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        table(model="m", max_image_tokens=64, **keys)
