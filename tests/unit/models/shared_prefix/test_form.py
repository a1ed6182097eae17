"""Which form is used where."""

from types import SimpleNamespace

import pytest
import torch

from rilctl.models.loaded.sharding import Unsharded
from rilctl.models.shared_prefix import form
from rilctl.models.shared_prefix.form import response_hidden, response_last_hidden
from rilctl.testing.ragged import EachModuleOnce, ragged_groups


@pytest.mark.parametrize(
    ("device", "row_tokens", "packs"),
    [("cpu", 10, False), ("cuda", 10, True), ("cuda", 730, True), ("cuda", 731, False)],
)
def test_a_gpu_packs_groups_that_keep_it_waiting(device, row_tokens, packs):
    model = torch.nn.Module()
    vlm = SimpleNamespace(device=torch.device(device), model=model, sharding=Unsharded())
    prompts = [SimpleNamespace(token_ids_P=torch.zeros(num)) for num in (1100, 500)]
    rows_N, ids_NR = torch.tensor([0, 1, 1]), torch.zeros((3, row_tokens))
    assert form._is_one_sequence(vlm, prompts, rows_N, ids_NR) == packs


@pytest.mark.parametrize("hidden", [response_hidden, response_last_hidden])
def test_both_forms_agree(hidden, load):
    vlm = load("pocket-student")
    group = hidden(vlm, *ragged_groups(vlm))
    vlm.sharding = EachModuleOnce()
    packed = hidden(vlm, *ragged_groups(vlm))
    mask_NR = ragged_groups(vlm)[-1]
    real_NS = torch.nn.functional.pad(mask_NR, (1, 0), value=True) if group.ndim == 3 else slice(None)
    torch.testing.assert_close(packed[real_NS], group[real_NS], rtol=0, atol=1e-5)
