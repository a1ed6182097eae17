"""The learning rate of each step, by schedule."""

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.optimizer import learning_rate

NUM_STEPS = 21


def rates(**keys: Any) -> list[float]:
    optim = OptimConfig(lr=1.0, **keys)
    return [learning_rate(optim, done, NUM_STEPS) for done in range(NUM_STEPS)]


def test_absent_is_linear_where_there_is_an_end_and_else_constant():
    assert rates() == rates(schedule="constant") == [1.0] * NUM_STEPS
    assert rates(lr_end=0.1) == rates(lr_end=0.1, schedule="linear")
    assert OptimConfig(lr=1.0, lr_end=0.1).model_dump().keys() == OptimConfig(lr=1.0).model_dump().keys()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "wsd"])
def test_all_end_at_lr_end_in_the_last_step_after_the_warm_up(schedule: str):
    found = rates(schedule=schedule, lr_end=0.25, warmup_steps=4)
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0] and found[-1] == pytest.approx(0.25)
    assert found[4:] == sorted(found[4:], reverse=True)
    assert rates(schedule=schedule)[-1] == pytest.approx(0.0, abs=1e-12)


def test_linear_and_cosine_are_torchs():
    weight = torch.nn.Parameter(torch.zeros(1))
    for schedule, make in (
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.1, NUM_STEPS - 1)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, NUM_STEPS - 1, 0.1)),
    ):
        optimizer = torch.optim.SGD([weight], lr=1.0)
        scheduler, expected = make(optimizer), []
        for _ in range(NUM_STEPS):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert rates(schedule=schedule, lr_end=0.1) == pytest.approx(expected)


def test_wsd_is_constant_until_it_goes_down_over_the_last_share():
    found = rates(schedule="wsd", lr_end=0.0, decay_share=0.2)
    assert found[:17] == [1.0] * 17 and found[17:] == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert rates(schedule="wsd", decay_share=0.0)[:-1] == [1.0] * 20
    assert math.isclose(rates(schedule="wsd", decay_share=1.0)[10], 0.5)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"schedule": "constant", "lr_end": 0.1}, "leave lr_end out"),
        ({"schedule": "cosine", "decay_share": 0.1}, 'for schedule = "wsd"'),
        ({"schedule": "step"}, "'constant', 'linear', 'cosine' or 'wsd'"),
    ],
)
def test_what_does_not_fit_is_refused(keys: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        OptimConfig(lr=1.0, **keys)
