"""Gradients come in one order, whatever a rank's share of the rows is.

ZeRO-2 puts gradients into a bucket as they come, and adds the buckets of all ranks up element by element: were the
order another on one of them, weights would learn from other weights' gradients, and nobody would be told.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow
from rilctl.models.loaded.sharding import Unsharded
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import FAMILIES, EachModuleOnce, noise

PICTURE = ImageRef(lambda: noise(3), "noise")
SHARES: dict[str, list[tuple[bool, list[str]]]] = {
    "nothing": [],
    "one row": [(True, ["answer 8"])],
    "one row, no picture": [(False, ["answer 8"])],
    "one group": [(True, ["answer 8", "no", "i see 4 + 4"])],
    "groups": [(True, ["answer 8", "no"]), (False, ["i see 4 + 4 = 8. answer 8"])],
    "no pictures": [(False, ["answer 8", "no"]), (False, ["9", "it is 8"])],
    "a row of one token": [(True, ["", "no"]), (True, ["", "1"])],
}
"""Groups: whether there is a picture, and responses."""


def order(named: Sequence[tuple[str, nn.Parameter]], loss: Callable[[], Tensor]) -> list[str]:
    """The parameters as their gradients come."""
    found: list[str] = []
    hooks = [p.register_post_accumulate_grad_hook(lambda _, name=name: found.append(name)) for name, p in named]
    loss().backward()  # type: ignore[no-untyped-call]
    for hook in hooks:
        hook.remove()
    return found


def stand_in(vlm: Vlm, *, sees_pictures: bool) -> Any:
    return drawn_prompt(vlm, "", [Image.new("RGB", (56, 56))] if sees_pictures and vlm.family.sees_pictures else [])


def in_turn(vlm: Vlm, way: str) -> Iterator[list[tuple[bool, list[str]]]]:
    """Every share; where nothing is computed again, first from the prompt's keys and values, then as one sequence."""
    if way == "checkpointing":
        enable_checkpointing(vlm)
        yield from SHARES.values()
        return
    for sharding in (Unsharded(), EachModuleOnce()):
        vlm.sharding = sharding
        yield from SHARES.values()


WAYS = pytest.mark.parametrize("way", ["plain", "checkpointing"])


@WAYS
@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_policy(family: str, way: str, load: Any) -> None:
    vlm = load(family)
    vlm.stand_in = stand_in(vlm, sees_pictures=True)
    orders, can_see = [], vlm.family.sees_pictures
    for groups in in_turn(vlm, way):
        prompts = [
            drawn_prompt(vlm, f"what is it? {index}", [noise(index)] if has_picture and can_see else [])
            for index, (has_picture, _) in enumerate(groups)
        ]
        rows = [[5 + len(text), 6, 7, 8][: max(1, len(text) % 5)] for _, texts in groups for text in texts]
        prompt_of_row_N = torch.tensor([i for i, (_, texts) in enumerate(groups) for _ in texts], dtype=torch.long)
        tensors = (prompt_of_row_N, *collate_responses(vlm, rows))
        loss = partial(response_loss, vlm, prompts, *tensors, lambda logprobs_C, _: -logprobs_C.sum())
        orders.append(order(vlm.trained_parameters(), lambda loss=loss: loss()[0]))  # type: ignore[misc]
    assert all(found == orders[0] for found in orders) and len(orders[0]) > 10


@WAYS
@pytest.mark.parametrize("sees", ["response", "image+question+response"])
@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_discriminator(family: str, sees: Any, way: str, load: Any) -> None:
    vlm = load(family)
    disc = Discriminator(vlm, DiscriminatorCard(input=sees, loss="bce", base_digest=""))
    vlm.stand_in = stand_in(vlm, sees_pictures=disc.sees_pictures)
    orders, can_see = [], vlm.family.sees_pictures
    for groups in in_turn(vlm, way):
        rows = [
            DiscriminatorRow(
                Conversation.of(f"what is it? {index}", (PICTURE,) if has_picture and can_see else ()), text
            )
            for index, (has_picture, texts) in enumerate(groups)
            for text in texts
        ]
        orders.append(order(disc.trained_parameters(), lambda rows=rows: disc(rows).sum()))  # type: ignore[misc]
    assert all(found == orders[0] for found in orders) and len(orders[0]) > 10
