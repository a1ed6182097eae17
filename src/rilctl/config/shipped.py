"""Recipes that come with rilctl."""

from pathlib import Path

import rilctl

PACKAGE = Path(rilctl.__file__).parent


def recipes_dir() -> Path:
    """The folder of the shipped recipes: inside an installed package, beside `src` in a checkout."""
    installed = PACKAGE / "recipes"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "recipes"
