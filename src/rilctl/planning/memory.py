"""Memory of one device, phase by phase; pure arithmetic in bytes.

What is counted: weights, gradients, the optimizer's moments (and float32 masters), activations, keys and values, and
the chunk of logits that is alive. What isn't: the device's own context and libraries, and what an allocator wastes.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from rilctl.models.loaded.anatomy import Anatomy
from rilctl.models.loaded.vlm import SHARD_BYTES
from rilctl.planning.activations import (
    FLOAT32,
    Batch,
    Layout,
    Precision,
    cache_per_token,
    kept_bytes,
    working_bytes,
)

MOMENTS = 2 * FLOAT32
"""Bytes of Adam's two moments of a parameter."""
Device = Literal["cpu", "cuda"]
CHUNK_LOGITS: dict[Device, int] = {"cpu": 2**24, "cuda": 2**27}
"""Logits that are alive at a time: `algorithms/head.py`."""


@dataclass(frozen=True)
class Held:
    """What a model and its optimizer hold on one device.

    Args:
        weights: bytes that stay.
        gradients: bytes while it learns, and none otherwise.
        standing: buffers for gradients that are there always.
        optimizer: moments, and masters where the weights themselves are of a lower precision.
        host: what waits in host memory instead.
        gathered: weights that come together for a forward pass; of several models one at a time.
    """

    weights: int = 0
    gradients: int = 0
    standing: int = 0
    optimizer: int = 0
    host: int = 0
    gathered: int = 0

    def __add__(self, other: "Held") -> "Held":
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Held(**sums | {"gathered": max(self.gathered, other.gathered)})

    @property
    def idle(self) -> "Held":
        """The same while it doesn't learn."""
        return replace(self, gradients=0)

    @property
    def at_work(self) -> "Phase":
        """What is there in a forward pass, besides what the pass makes."""
        return Phase(self.weights + self.gathered, self.standing, self.optimizer, host=self.host)

    @property
    def at_rest(self) -> "Phase":
        """What is there when nothing is computed."""
        return Phase(self.weights, self.standing, self.optimizer, host=self.host)


@dataclass(frozen=True)
class Phase:
    """Bytes on one device when a phase needs most of it, and in host memory beside it."""

    weights: int = 0
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    cache: int = 0
    logits: int = 0
    host: int = 0

    @property
    def total(self) -> int:
        """All of it on the device."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.cache + self.logits

    def columns(self) -> dict[str, int]:
        """The cells of a table."""
        names = {"cache": "keys and values"}
        on_device = {names.get(f.name, f.name): getattr(self, f.name) for f in fields(self) if f.name != "host"}
        return on_device | {"total": self.total, "host": self.host}


def torch_state(trained: int, frozen: int = 0, frozen_bytes: int = FLOAT32) -> Held:
    """Torch in one process: weights that train are float32.

    Args:
        trained: parameters that train.
        frozen: parameters that don't.
        frozen_bytes: of one of those.
    """
    return Held(FLOAT32 * trained + frozen_bytes * frozen, FLOAT32 * trained, optimizer=MOMENTS * trained)


def update_phase(
    anatomy: Anatomy,
    held: Held,
    trained: Held,
    batch: Batch,
    precision: Precision,
    layout: Layout,
    *,
    num_micro_batches: int,
    logits: int,
) -> Phase:
    """Forward, backward and optimizer step of a model.

    Before the last micro-batch all gradients are there already, and stay beside its activations. With a single one
    they come as the activations go, so only the larger of the two counts.

    Args:
        anatomy: of the model.
        held: everything that is on the device, without gradients.
        trained: the part of it that learns.
        batch: the largest micro-batch.
        precision: of what learns.
        layout: how its rows meet their prompts.
        num_micro_batches: of one optimizer step.
        logits: bytes of the head; 0 for a discriminator.
    """
    activations = kept_bytes(anatomy, batch, precision, layout) + weight_copies(anatomy, precision)
    gradients = trained.gradients
    if num_micro_batches == 1:
        kept_head = FLOAT32 * anatomy.head if logits and precision.trains == "all" else 0
        if activations + logits + kept_head > gradients:
            gradients = kept_head
        else:
            activations = logits = 0
    there = held.at_work
    return replace(there, gradients=there.gradients + gradients, activations=activations, logits=logits)


def forward_phase(
    anatomy: Anatomy, held: Held, batch: Batch, precision: Precision, layout: Layout, *, logits: int
) -> Phase:
    """A forward pass without gradient: scoring, the reference."""
    activations = working_bytes(anatomy, batch, precision, layout) + weight_copies(anatomy, precision)
    return replace(held.at_work, activations=activations, logits=logits)


def decoding_phase(anatomy: Anatomy, held: Held, batch: Batch, precision: Precision) -> Phase:
    """Sampling `batch.rows` responses of at most `batch.row_tokens` tokens at once, in this process."""
    keys = batch.prompts * batch.prompt_tokens + batch.rows * batch.row_tokens
    prompts = Batch(batch.prompts, batch.prompt_tokens, 0, 0, batch.patches)
    cache = keys * cache_per_token(anatomy, precision)
    working = working_bytes(anatomy, prompts, precision, "shared")
    activations = max(0, working - batch.prompts * batch.prompt_tokens * cache_per_token(anatomy, precision))
    logits = batch.rows * anatomy.vocabulary * (precision.products + 3 * FLOAT32 + 2 * 8)  # two of them in float64
    activations += weight_copies(anatomy, precision)
    return replace(held.at_work, activations=activations, cache=cache, logits=logits)


def pool_phase(anatomy: Anatomy, held: Held, weight_bytes: int, pool_bytes: int, *, num_gpus: int = 1) -> Phase:
    """An engine that takes a fixed part of the device: its weights, and keys and values in the rest of it.

    Args:
        anatomy: of the model.
        held: what is on the device besides.
        weight_bytes: of one of the engine's weights.
        pool_bytes: what it takes, on each GPU.
        num_gpus: GPUs that share its weights.
    """
    own = -(-anatomy.parameters // num_gpus) * weight_bytes
    there = held.at_work
    return replace(there, weights=there.weights + own, cache=max(0, pool_bytes - own))


def cached_tokens(anatomy: Anatomy, cache_bytes: int, element_bytes: int, *, num_gpus: int = 1) -> int:
    """Tokens whose keys and values fit on each of so many GPUs, which share the heads."""
    a_token = 2 * anatomy.language.layers * anatomy.language.key_width * element_bytes
    return cache_bytes * num_gpus // a_token


def writing_phase(held: Held, whole: int, merged: int, written: int, device: Device) -> Phase:
    """Writing a model, or sending it: divided weights come together, merged ones are there beside what they were.

    Args:
        held: on the device.
        whole: bytes of all weights, where they are divided; 0: they are there.
        merged: bytes of the weights that an adapter adds to.
        written: bytes that go to the disk, one file after another; 0: none.
        device: where.
    """
    there = replace(held, gathered=whole).at_work
    return replace(
        there, weights=there.weights + merged, host=there.host + (0 if device == "cpu" else min(written, SHARD_BYTES))
    )


def logits_bytes(anatomy: Anatomy, num_tokens: int, precision: Precision, device: Device) -> int:
    """The chunk of logits that is alive, the head's own copy, and the gradient of the head that is being summed."""
    elements = min(max(CHUNK_LOGITS[device], anatomy.vocabulary), num_tokens * anatomy.vocabulary)
    low = precision.products < FLOAT32
    chunk = elements * (3 * FLOAT32 if low else 2 * FLOAT32)
    copy = anatomy.head * precision.products if precision.weights != precision.products else 0
    return chunk + copy


def weight_copies(anatomy: Anatomy, precision: Precision) -> int:
    """Under autocast, float32 weights have a copy in the precision of the matrix products."""
    in_layers = anatomy.parameters - anatomy.head - (0 if anatomy.tied else anatomy.embedding)
    return in_layers * precision.products if precision.weights != precision.products else 0
