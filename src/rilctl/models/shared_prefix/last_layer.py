"""The last layer of the language model, for the only tokens whose hidden states are wanted.

Nobody reads the prompt's hidden states but at its last token, nor a discriminator a response's but at its last one:
what follows the attention in the last layer need not be computed for the others. Shapes: N rows, T tokens, H hidden.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.attention import is_plain


@contextmanager
def last_layer_at(vlm: Vlm, token_N: Tensor | None = None) -> Iterator[None]:
    """Forward passes in it give the right hidden state at one token of each row; at others, what it is nobody knows.

    In the layers of `plain_language_models` two linear parts are added to the residual stream. Each gets the wanted
    token alone, and what it gives is added to all of them. For other models this changes nothing.

    Args:
        vlm: the model.
        token_N: index of each row's token; None: the last.
    """

    def at(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        values_NTH = arguments[0]
        if token_N is None:
            return (values_NTH[:, -1:], *arguments[1:])
        index_N1H = token_N[:, None, None].expand(-1, 1, values_NTH.shape[-1])
        return (values_NTH.gather(1, index_N1H), *arguments[1:])

    parts = []
    if is_plain(vlm):
        layer = vlm.model.get_decoder().layers[-1]
        parts = [layer.self_attn.o_proj, layer.mlp]
    hooks = [part.register_forward_pre_hook(at) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
