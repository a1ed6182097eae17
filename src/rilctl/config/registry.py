"""Names that stand for models: the paper's teachers and students, and the pocket models that ship with rilctl."""

from rilctl.config.fields import Dtype
from rilctl.schemas.base import StrictModel


class RegisteredModel(StrictModel):
    """What a built-in name stands for."""

    model: str
    """Hub id, or `package:NAME` for a checkpoint inside rilctl."""
    family: str
    """Architecture family: a name in `models/families`."""
    dtype: Dtype
    """Precision that the model was released in."""
    about: str
    """One line for a person."""


MODELS: dict[str, RegisteredModel] = {
    "qwen72b": RegisteredModel(
        model="Qwen/Qwen2.5-VL-72B-Instruct", family="qwen2_5_vl", dtype="bfloat16", about="teacher of the paper"
    ),
    "internvl78b": RegisteredModel(
        model="OpenGVLab/InternVL3-78B-hf", family="internvl", dtype="bfloat16", about="teacher of the paper"
    ),
    "qwen7b": RegisteredModel(
        model="Qwen/Qwen2.5-VL-7B-Instruct", family="qwen2_5_vl", dtype="bfloat16", about="student of the paper"
    ),
    "qwen3b": RegisteredModel(
        model="Qwen/Qwen2.5-VL-3B-Instruct", family="qwen2_5_vl", dtype="bfloat16", about="student of the paper"
    ),
    "internvl8b": RegisteredModel(
        model="OpenGVLab/InternVL3-8B-hf", family="internvl", dtype="bfloat16", about="student of the paper"
    ),
    "internvl2b": RegisteredModel(
        model="OpenGVLab/InternVL3-2B-hf", family="internvl", dtype="bfloat16", about="student of the paper"
    ),
    "internvl1b": RegisteredModel(
        model="OpenGVLab/InternVL3-1B-hf", family="internvl", dtype="bfloat16", about="student of the paper"
    ),
    "pocket-student": RegisteredModel(
        model="package:pocket-student", family="qwen2_5_vl", dtype="float32", about="reads digits, computes badly"
    ),
    "pocket-teacher-qwen": RegisteredModel(
        model="package:pocket-teacher-qwen", family="qwen2_5_vl", dtype="float32", about="pocket teacher"
    ),
    "pocket-teacher-internvl": RegisteredModel(
        model="package:pocket-teacher-internvl", family="internvl", dtype="float32", about="pocket teacher"
    ),
}
"""Built-in names."""


def default_dtype(model: str) -> Dtype:
    """The precision that a built-in name's model was released in; float32 for any other model."""
    return MODELS[model].dtype if model in MODELS else "float32"
