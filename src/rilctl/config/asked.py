"""A model that only answers: it is loaded here, or is behind an endpoint."""

from typing import Annotated, Self

from pydantic import model_validator

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import EXECUTION, Dtype, ModelConfig, PictureSizeMixin


class AskedModelMixin(PictureSizeMixin):
    """Which model, and where it is: what teachers and judges have in common."""

    model: Annotated[str, EXECUTION]
    """Hub id, directory, or a built-in name; with `endpoint`, the model's name there."""
    revision: Annotated[str | None, EXECUTION] = None
    """Hub commit or tag."""
    dtype: Dtype | None = None
    """Precision of the weights in memory. Absent: a built-in name's own, else float32."""
    endpoint: EndpointConfig | None = None
    """Where it answers, if it isn't loaded here."""

    @model_validator(mode="after")
    def _here_or_there(self) -> Self:
        if self.endpoint is not None and (self.revision or self.dtype):
            raise ValueError("revision and dtype belong to a model that is loaded here, not to one at an endpoint")
        if self.endpoint is not None and self.picture_bounds is not None:
            raise ValueError("an endpoint sizes pictures by its own rule; max_image_tokens is for a model loaded here")
        return self

    @property
    def loaded_here(self) -> ModelConfig:
        """The model where there is no endpoint."""
        return ModelConfig(
            model=self.model,
            revision=self.revision,
            dtype=self.dtype,
            max_image_tokens=self.max_image_tokens,
            min_image_tokens=self.min_image_tokens,
        )
