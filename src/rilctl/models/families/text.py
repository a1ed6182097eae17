"""Language models without a vision tower, whatever their `model_type`."""

from collections.abc import Mapping
from typing import Any

from rilctl.config.fields import PictureBounds
from rilctl.models.families.record import Family


def _no_pictures(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    raise ValueError("it is a text model")


FAMILY = Family(name="text", model_types=(), sees_pictures=False, bound_pictures=_no_pictures)
