"""A discriminator that only measures length is called that before it rewards anything."""

import pytest

from rilctl.stages.pretrain_disc.loop import length_warning


@pytest.mark.parametrize(
    ("by_length", "balanced", "warns"),
    [(1.0, 1.0, True), (0.95, 0.96, True), (0.95, 0.99, False), (0.7, 0.7, False), (None, 0.9, False)],
)
def test_a_rule_that_sees_only_length_is_as_good(by_length: float | None, balanced: float, warns: bool) -> None:
    metrics = {"held_out/balanced_accuracy": balanced}
    if by_length is not None:
        metrics["held_out/length_only_accuracy"] = by_length
    warning = length_warning(metrics)
    assert (warning is not None) == warns
    assert warning is None or f"{by_length:.1%}" in warning
