"""What a forward pass keeps for backward, and what it needs while it runs; bytes, from sizes alone.

The terms are those of the library's decoder layer: two norms computed in float32, four attention projections, a gated
feed-forward layer. H hidden, Q query width, K key width, I feed-forward width; b bytes of the precision of the matrix
products. They are compared with what autograd really keeps, tensor by tensor, in `tests/unit/planning`.
"""

from dataclasses import dataclass
from typing import Literal

from rilctl.models.loaded.anatomy import Anatomy, Tower

FLOAT32 = 4
Layout = Literal["shared", "expanded", "packed", "sequence"]
"""How rows and prompts meet: one copy of the prompt's keys, a copy for each row (float32 on a GPU), a group as one
sequence (under gradient checkpointing), or a sequence for each row (`sft`)."""


@dataclass(frozen=True)
class Precision:
    """How a model trains, or only answers.

    Args:
        weights: bytes of a weight in memory.
        products: bytes of an element of the matrix products (b).
        trains: all weights, an adapter on frozen ones, or nothing.
        rank: of the adapter.
        recomputes: gradient checkpointing: activations are computed again in backward.
    """

    weights: int
    products: int
    trains: Literal["all", "adapter", "nothing"] = "all"
    rank: int = 0
    recomputes: bool = False

    @property
    def casts(self) -> bool:
        """Whether weights are float32 and the matrix products are not: each needs a copy of its input."""
        return self.products < FLOAT32 and (self.trains == "adapter" or self.weights == FLOAT32)


@dataclass(frozen=True)
class Batch:
    """What goes through a model at once.

    Args:
        prompts: their number.
        prompt_tokens: of each, padding included.
        rows: responses.
        row_tokens: of each, padding included.
        patches: of the pictures of all prompts, as the vision tower sees them.
    """

    prompts: int
    prompt_tokens: int
    rows: int
    row_tokens: int
    patches: int

    @property
    def tokens(self) -> int:
        """Tokens that the language model sees, each prompt once."""
        return self.prompts * self.prompt_tokens + self.rows * self.row_tokens

    def per_row(self) -> "Batch":
        """The same with a copy of prompt and pictures for each row."""
        copies = self.rows // max(1, self.prompts)
        return Batch(self.rows, self.prompt_tokens, self.rows, self.row_tokens, self.patches * copies)


def kept_per_token(tower: Tower, precision: Precision) -> int:
    """Bytes that one layer of the language model keeps for one token."""
    hidden, wide, b = tower.hidden, tower.intermediate, precision.products
    attention = 2 * (tower.query_width + tower.key_width) * b
    middle = 3 * wide * b
    copies = 5 if precision.casts else 2
    if precision.trains == "adapter":
        inputs = (copies * hidden + tower.query_width + wide) * FLOAT32
        return 2 * hidden * FLOAT32 + inputs + 7 * precision.rank * FLOAT32 + attention + middle
    norms = 2 * hidden * (FLOAT32 + precision.weights)
    return norms + (copies * hidden + tower.query_width + wide) * b + attention + middle


def kept_per_patch(tower: Tower, precision: Precision) -> int:
    """Bytes that one layer of the vision tower keeps for one patch; nothing where it is frozen."""
    if precision.trains != "all":
        return 0
    hidden, wide, b = tower.hidden, tower.intermediate, precision.products
    if not tower.gated:
        return 4 * hidden * FLOAT32 + (9 * hidden + 2 * wide) * b
    copies = 3 if precision.casts else 2
    return 2 * hidden * (FLOAT32 + b) + ((copies + 7) * hidden + 4 * wide) * b


def kept_bytes(anatomy: Anatomy, batch: Batch, precision: Precision, layout: Layout) -> int:
    """Bytes that are alive when backward begins, without weights, gradients and the head's chunk of logits."""
    tower, vision = anatomy.language, anatomy.tower
    batch = batch.per_row() if layout == "sequence" else batch
    tokens, b = batch.tokens, precision.products
    a_layer = tokens * kept_per_token(tower, precision)
    if layout == "expanded":
        keys = batch.rows * (batch.prompt_tokens + batch.row_tokens)
        a_layer += 2 * keys * (tower.query_width + tower.key_width) * b
    if layout == "packed":
        length = batch.prompt_tokens + batch.rows // max(1, batch.prompts) * batch.row_tokens
        mask = batch.prompts * length**2 * precision.weights
    else:
        mask = 0
    layers, pictures, a_picture = tower.layers * a_layer, 0, 0
    if vision is not None and precision.trains == "all":
        a_picture = batch.patches * kept_per_patch(vision, precision)
        pictures = vision.layers * a_picture + batch.patches * (3 * vision.hidden + anatomy.patch_values) * b
    if precision.recomputes:  # only each layer's input is kept, and one layer at a time is computed again
        residual = FLOAT32 if precision.weights == FLOAT32 else b
        layers = tower.layers * tokens * tower.hidden * residual
        if vision is not None and pictures:
            pictures = batch.patches * (vision.layers * vision.hidden + anatomy.patch_values) * b
        layers += max(a_layer, a_picture)
    last = (2 * tokens + 3 * batch.rows * batch.row_tokens) * tower.hidden * FLOAT32
    return layers + pictures + mask + last


def working_bytes(anatomy: Anatomy, batch: Batch, precision: Precision, layout: Layout) -> int:
    """Bytes of a forward pass without gradient: one layer's tensors and the prompt's keys and values."""
    tower, vision, b = anatomy.language, anatomy.tower, precision.products
    if layout == "sequence":
        batch = batch.per_row()
    keys = batch.prompts * batch.prompt_tokens
    if layout == "expanded":
        keys += batch.rows * (batch.prompt_tokens + batch.row_tokens)
    cache = keys * cache_per_token(anatomy, precision)
    a_token = (3 * tower.hidden) * FLOAT32 + (2 * tower.query_width + 2 * tower.key_width + 3 * tower.intermediate) * b
    pictures = 0
    if vision is not None:
        a_patch = 3 * vision.hidden * FLOAT32 + (5 * vision.hidden + 3 * vision.intermediate) * b
        pictures = batch.patches * (a_patch + anatomy.patch_values * b)
    rows = batch.rows * batch.row_tokens
    return max(pictures, cache + max(keys, rows) * a_token) + 2 * rows * tower.hidden * FLOAT32


def cache_per_token(anatomy: Anatomy, precision: Precision) -> int:
    """Bytes of one token's keys and values in all layers."""
    return 2 * anatomy.language.layers * anatomy.language.key_width * precision.products
