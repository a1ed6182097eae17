"""The base class of everything that is written to disk or in a recipe."""

from pydantic import BaseModel, ConfigDict, ValidationError


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no NaN or infinity, no coercion (`true` is no number), inputs hidden in errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def first_problem(error: ValidationError) -> str:
    """One line about a file that doesn't fit its model: the key, and what is wrong with it."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"`{key}`: {message}" if key else message
