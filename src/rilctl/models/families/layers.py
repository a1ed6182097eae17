"""Kinds of layers, by what they keep of earlier tokens, as configurations name them. Shapes: B groups, L tokens."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from rilctl.models.families.record import Family

FULL, WINDOW = "full_attention", "sliding_attention"


def with_layers(family: Family, layer_types: Sequence[object] | None) -> Family:
    """The family of a model with these layers; None: all see all earlier tokens, or a window.

    A recurrent layer's state is no key or value that rows could go on from, and knows no mask that keeps rows apart:
    then no prompt is shared.
    """
    is_known = all(kind in (FULL, WINDOW) for kind in layer_types or ())
    return family if is_known else replace(family, shares_prompts=False)


def seen_by_layers(sees_BLL: Tensor, place_BL: Tensor, text: Any) -> dict[str, Tensor]:
    """Which tokens see which, for each kind of layer that there is: a window ends what lies too far behind.

    Args:
        sees_BLL: without windows.
        place_BL: of each token in its own text: the prompt and one row.
        text: the language model's configuration. One without `layer_types` has layers of one kind, with a window if it
            has `sliding_window`, as the library's `create_masks_for_generate` reads it.
    """
    window: Any = getattr(text, "sliding_window", None)
    kinds = set(getattr(text, "layer_types", None) or (FULL if window is None else WINDOW,))
    seen = {FULL: sees_BLL} if FULL in kinds else {}
    if WINDOW in kinds:
        seen[WINDOW] = sees_BLL & (place_BL[:, None, :] > place_BL[:, :, None] - window)
    return seen
