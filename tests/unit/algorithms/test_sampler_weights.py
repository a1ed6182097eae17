import math
from itertools import product

import pytest
import torch

from rilctl.algorithms.sampler_weights import sampler_metrics, sampler_weights

from . import reference


def mean_metrics(policy_BR, sampler_BR, mask_BR, student_B, weights_BR, *, level="token", cap, **_):
    """Means over student tokens, as they are logged."""
    counts_BR = mask_BR & student_B[:, None]
    values = sampler_metrics(policy_BR, sampler_BR, mask_BR, student_B, weights_BR, level=level, cap=cap)
    return {name: values_BR[counts_BR].double().mean().item() for name, values_BR in values.items()}


ALL_OPTIONS = pytest.mark.parametrize(
    "options",
    [
        {"level": level, "mode": mode, "cap": cap}
        for level, mode, cap in product(("token", "sequence"), ("truncate", "mask"), (1.2, 3.0))
    ],
    ids=lambda options: "-".join(str(value) for value in options.values()),
)


def test_by_hand():
    policy_BR = torch.tensor([[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]], dtype=torch.float64)
    sampler_BR = torch.tensor([[-1.0, -1.0 + math.log(2), -1.0 - math.log(4)], [0.0, 0.0, 0.0]], dtype=torch.float64)
    mask_BR = torch.tensor([[True, True, True], [True, True, False]])
    student_B = torch.tensor([True, False])
    weights_BR = sampler_weights(policy_BR, sampler_BR, mask_BR, student_B, cap=2.0)
    means = mean_metrics(policy_BR, sampler_BR, mask_BR, student_B, weights_BR, cap=2.0)
    torch.testing.assert_close(weights_BR, torch.tensor([[1.0, 0.5, 2.0], [1.0, 1.0, 1.0]], dtype=torch.float64))
    expected = {
        "mismatch_kl": ((0.5 - math.log(0.5) - 1) + (4 - math.log(4) - 1)) / 3,
        "weight": 3.5 / 3,
        "squared_weight": 5.25 / 3,
        "cut_share": 1 / 3,
    }
    assert means == pytest.approx(expected, rel=1e-12)
    masked_BR = sampler_weights(policy_BR, sampler_BR, mask_BR, student_B, cap=2.0, mode="mask")
    assert masked_BR[0].tolist() == pytest.approx([1.0, 0.5, 0.0], rel=1e-12)
    of_rows_BR = sampler_weights(policy_BR, sampler_BR, mask_BR, student_B, cap=9.0, level="sequence")
    assert of_rows_BR[0].tolist() == pytest.approx([2.0] * 3, rel=1e-12)  # 1 x 1/2 x 4


@ALL_OPTIONS
def test_equals_the_reference(options):
    generator = torch.Generator().manual_seed(1)
    policy_BR = -2 * torch.rand(10, 6, generator=generator, dtype=torch.float64)
    sampler_BR = policy_BR + 0.5 * torch.randn(10, 6, generator=generator, dtype=torch.float64)
    lengths_B = torch.randint(0, 7, (10,), generator=generator)
    mask_BR = torch.arange(6) < lengths_B[:, None]
    student_B = torch.arange(10) % 3 != 0
    weights_BR = sampler_weights(policy_BR, sampler_BR, mask_BR, student_B, **options)
    means = mean_metrics(policy_BR, sampler_BR, mask_BR, student_B, weights_BR, **options)
    expected, cut = [], []
    for b in student_B.nonzero()[:, 0].tolist():
        length = lengths_B[b]
        row, is_cut = reference.sampler_weights(
            policy_BR[b, :length].tolist(), sampler_BR[b, :length].tolist(), **options
        )
        assert weights_BR[b, :length].tolist() == pytest.approx(row, rel=1e-12)
        expected += row
        cut += is_cut
    assert means["weight"] == pytest.approx(math.fsum(expected) / len(expected), rel=1e-12)
    assert means["cut_share"] == pytest.approx(sum(cut) / len(cut), rel=1e-12)
    assert (weights_BR[~student_B] == 1).all()


def test_the_weights_of_teacher_rows_are_1():
    ones_BR = torch.ones(2, 3)
    weights_BR = sampler_weights(-ones_BR, -2 * ones_BR, ones_BR.bool(), torch.tensor([False, False]))
    assert (weights_BR == 1).all()


def test_no_gradient_flows_through_a_weight():
    policy_BR = torch.zeros(1, 2, requires_grad=True)
    weights_BR = sampler_weights(policy_BR, policy_BR.detach() - 0.1, torch.ones(1, 2).bool(), torch.tensor([True]))
    assert not weights_BR.requires_grad


@pytest.mark.parametrize("cap", [0.0, -1.0, math.nan])
def test_a_cap_that_cuts_everything_is_refused(cap):
    with pytest.raises(ValueError, match="cap must be > 0"):
        sampler_weights(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1).bool(), torch.tensor([True]), cap=cap)
