"""All families, by name: every file beside this one that has a `FAMILY`."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rilctl.models.families import other, text
from rilctl.models.families.layers import with_layers
from rilctl.models.families.record import Family


def _all() -> Iterator[Family]:
    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        family = getattr(importlib.import_module(f"{__package__}.{file.name}"), "FAMILY", None)
        if family is not None:
            yield family


FAMILIES: Mapping[str, Family] = {family.name: family for family in _all()}
BY_MODEL_TYPE: Mapping[str, Family] = {each: family for family in FAMILIES.values() for each in family.model_types}


def family_of(config: Mapping[str, Any]) -> Family:
    """The family that a configuration names; `text` for language models, `other` for unknown ones that see.

    Args:
        config: as `config.json` has it.
    """
    fallback = other.FAMILY if "vision_config" in config else text.FAMILY
    family = BY_MODEL_TYPE.get(str(config.get("model_type")), fallback)
    language = config.get("text_config", config)
    layers = language.get("layer_types") if isinstance(language, dict) else None
    return with_layers(family, layers if isinstance(layers, list) else None)
