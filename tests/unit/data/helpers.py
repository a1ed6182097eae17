"""Pictures, files and configs, made where a test needs them."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from rilctl.config.data import DataConfig
from rilctl.config.recipe import Recipe


def png(color: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    """A JSON Lines file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(**fields: object) -> DataConfig:
    """A `[data]` table, validated as a recipe's is."""
    config = Recipe.model_validate_json(json.dumps({"data": fields})).data
    assert config is not None
    return config
