"""The arms of a comparison: overlays, found by name or by path, laid over a recipe."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import JsonValue

from rilctl.config.arm import ArmConfig
from rilctl.config.layers import read_layers
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe
from rilctl.config.shipped import recipes_dir
from rilctl.config.suggest import did_you_mean, nearest, nearest_file
from rilctl.errors import ConfigError, UsageError

_NO_FLAGS: Mapping[str, JsonValue] = MappingProxyType({})


_NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Arm:
    """One way to make a student.

    Args:
        name: the overlay's file name without `.toml`.
        overlay: the file.
        table: what it says of itself.
        recipe: the whole recipe, the overlay included.
        said: the tables of the overlay alone.
    """

    name: str
    overlay: Path
    table: ArmConfig
    recipe: Recipe
    said: Mapping[str, JsonValue]

    def says(self, table: str, key: str) -> bool:
        """Whether the overlay itself sets a key."""
        found = self.said.get(table)
        return isinstance(found, dict) and key in found


def arms_dir() -> Path:
    """The folder of the shipped overlays."""
    return recipes_dir() / "arms"


def shipped_arms() -> tuple[str, ...]:
    """Their names, sorted."""
    return tuple(sorted(path.stem for path in arms_dir().glob("*.toml")))


def find_overlay(text: str) -> Path:
    """The overlay that a person names: a path that ends in `.toml`, or the name of a shipped one.

    Raises:
        UsageError: there is none of that name; names the nearest.
    """
    names = shipped_arms()
    hint = f"shipped are {', '.join(names)}; an overlay of your own is named by its path, which ends in .toml"
    if text.endswith(".toml"):
        if not Path(text).exists():
            near = nearest_file(Path(text), Path(text).parent.glob("*.toml")) or nearest(Path(text).stem, names)
            guess = f"; did you mean `{near}`?" if near else ""
            raise UsageError(f"no arm `{text}`: there is no such file{guess}", hint=hint)
        return Path(text)
    if text not in names:
        raise UsageError(f"no arm `{text}`{did_you_mean(text, names)}", hint=hint)
    return arms_dir() / f"{text}.toml"


def read_arm(
    recipes: Sequence[Path], overlay: Path, overrides: Sequence[str] = (), flags: Mapping[str, JsonValue] = _NO_FLAGS
) -> Arm:
    """Lay an overlay over a recipe: defaults < recipe files < the overlay < `--set` < flags.

    Args:
        recipes: the recipe's files, left to right.
        overlay: the arm's file.
        overrides: `a.b=VALUE`.
        flags: dotted key -> value.

    Raises:
        ConfigError: the recipe isn't one with it, or it has no `[arm]` table.
    """
    recipe = load_recipe([*recipes, overlay], overrides, flags)
    if recipe.arm is None:
        hint = 'say what it is, such as `[arm]` with `about = "a smaller rate"` and `verbs = ["sft"]`'
        raise ConfigError(f"{overlay}: an arm needs an [arm] table", hint=hint)
    return Arm(overlay.stem, overlay, recipe.arm, recipe, read_layers([overlay], (), {}).tree)


def read_arms(
    recipes: Sequence[Path],
    texts: Sequence[str],
    overrides: Sequence[str] = (),
    flags: Mapping[str, JsonValue] = _NO_FLAGS,
) -> tuple[Arm, ...]:
    """Each arm that a person names, in that order.

    Raises:
        UsageError: an arm that there isn't, one of an odd name, or two of one name.
        ConfigError: as `read_arm`.
    """
    overlays = [find_overlay(text) for text in texts]
    names = [overlay.stem for overlay in overlays]
    if odd := next((name for name in names if not _NAME.fullmatch(name)), None):
        raise UsageError(f"an arm can't be named `{odd}`", hint="its file's name may have letters, digits, `-` and `_`")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and len({overlay.resolve() for overlay in overlays}) < len(overlays):
        raise UsageError(
            f"arm `{twice}` is named twice", hint="name it once; `rilctl compare --seeds K` trains each arm K times"
        )
    if twice is not None:
        raise UsageError(f"two arms are named `{twice}`", hint="an arm has its file's name: rename one of the files")
    return tuple(read_arm(recipes, overlay, overrides, flags) for overlay in overlays)
