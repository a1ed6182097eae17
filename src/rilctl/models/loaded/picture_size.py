"""The size of pictures, written where a model's image processor reads it: whoever loads the files sizes alike."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rilctl.config.fields import PictureBounds
from rilctl.errors import ConfigError, ModelError
from rilctl.models.families.record import Family

_FILES = ("preprocessor_config.json", "processor_config.json")
_MOST_PX = 1 << 26
_NESTED = "image_processor"
"""Where the second of them holds what else stands in the first."""


def with_bounds(texts: Mapping[str, bytes], family: Family, bounds: PictureBounds, name: str) -> dict[str, bytes]:
    """A model's texts with other settings of its image processor; texts that say it already keep their bytes.

    Args:
        texts: see `read_texts`.
        family: whose rule it is.
        bounds: tokens of a picture.
        name: the model's, for messages.

    Raises:
        ConfigError: the family's rule can't keep the bounds.
        ModelError: a damaged file.
    """
    files = {file: _parsed(texts[file], f"{name}: {file}") for file in _FILES if file in texts}
    own = {key: value for content in files.values() for key, value in content.items() if key != _NESTED}
    changed = dict(texts)
    for file, content, pixels in _settings(files):
        try:
            settings = {**pixels, **family.bound_pictures(pixels, own, bounds)}
        except ValueError as error:
            hint = "leave the bound out, or take one that its rule can keep; see docs/data.md"
            raise ConfigError(f"{_said(bounds)}: {name} can't keep that: {error}", hint=hint) from error
        except (TypeError, AttributeError, ZeroDivisionError) as error:
            raise ModelError(f"{name}: {file} is damaged: {error}", hint="copy the model again") from error
        if settings != pixels:
            whole = settings if pixels is content else {**content, _NESTED: settings}
            changed[file] = (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode()
    return changed


def check_sizes(texts: Mapping[str, bytes], name: str) -> None:
    """See that pictures may have a size that is one: a library may draw the largest before it is shown any.

    Args:
        texts: see `read_texts`.
        name: the model's, for messages.

    Raises:
        ModelError: a size of no pixels, or of more than any model sees; a damaged file.
    """
    for file, _, pixels in _settings(
        {file: _parsed(texts[file], f"{name}/{file}") for file in _FILES if file in texts}
    ):
        for key in ("size", "crop_size", "max_image_size", "min_pixels", "max_pixels"):
            value = pixels.get(key)
            for num in value.values() if isinstance(value, dict) else [value]:
                if isinstance(num, int | float) and not 0 < num <= _MOST_PX:
                    raise ModelError(f"{name}/{file}: `{key}` has {num!r} pixels", hint="copy the model again")


def _settings(files: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """File, its content, and the image processor's settings in it; once without any where no file has them."""
    first, second = _FILES
    found = [(first, files[first], files[first])] if first in files else []
    if isinstance(nested := files.get(second, {}).get(_NESTED), dict):
        found.append((second, files[second], nested))
    yield from found or [(first, {}, {})]


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is no valid JSON: {error}", hint="copy the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{name} holds no JSON object", hint="copy the model again")
    return content


def _said(bounds: PictureBounds) -> str:
    """As the recipe has it."""
    said = {"max_image_tokens": bounds.max_tokens, "min_image_tokens": bounds.min_tokens}
    return ", ".join(f"{key} = {value}" for key, value in said.items() if value is not None)
