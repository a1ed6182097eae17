"""A step whose loss or gradient isn't finite isn't taken, and is counted."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.errors import RilctlError
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.testing.saved import save_now

OPTIM = OptimConfig(lr=0.1, weight_decay=0.1)


def start() -> tuple[nn.Linear, TorchTraining]:
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
        model.bias.zero_()
    return model, TorchTraining(model.named_parameters(), OPTIM, num_steps=10)


def bad_loss(kind: str, model: nn.Linear) -> Tensor:
    """Losses of each kind; in those that are masked, autograd gives a gradient that is finite."""
    out = model(torch.ones(3)).square().sum()
    if kind == "gradient":
        return out + (0 * model.weight.square().sum()).sqrt()  # the derivative of a root at 0
    if kind == "nan":
        return out * torch.nan
    if kind == "masked inf":
        return out + torch.tensor(torch.inf)
    return out + (torch.tensor(torch.nan) * model.bias.detach()).sum()


@pytest.mark.parametrize("kind", ["gradient", "nan", "masked inf", "masked nan"])
def test_a_bad_step_is_as_if_it_had_not_been(kind: str) -> None:
    found = []
    for kinds in (["good", kind, "good"], ["good", "good"]):
        model, training = start()
        reports = []
        for each in kinds:
            training.backward(model(torch.ones(3)).square().sum())  # a micro-batch that is good
            if each != "good":
                training.backward(bad_loss(each, model))
            reports.append(training.step())
        found.append((model.weight.tolist(), training.optimizer.state[model.weight]["exp_avg"].tolist()))
        bad = [report.grad_norm is None for report in reports]
        assert bad == [each != "good" for each in kinds]
        assert [report.num_bad for report in reports] == [sum(bad[: i + 1]) for i in range(len(bad))]
        assert [report.number for report in reports] == list(range(1, len(kinds) + 1))
    assert found[0] == found[1]


def test_the_counts_outlive_the_process(tmp_path: Path) -> None:
    model, training = start()
    for kind in ("good", "nan", "nan"):
        training.backward(bad_loss(kind, model) if kind == "nan" else model(torch.ones(3)).sum())
        report = training.step()
    assert (report.num_bad, report.num_bad_in_a_row) == (2, 2)
    save_now(training, tmp_path / "state", Ranks())
    model, training = start()
    training.load(tmp_path / "state")
    training.backward(bad_loss("nan", model))
    report = training.step()
    assert (report.number, report.num_bad, report.num_bad_in_a_row) == (4, 3, 3)


def test_so_many_in_a_row_end_the_run() -> None:
    optim = OPTIM.model_copy(update={"max_bad_steps": 2})
    model, training = start()
    for kind in ("nan", "good", "nan"):
        training.backward(bad_loss(kind, model) if kind == "nan" else model(torch.ones(3)).sum())
        metrics = step_metrics("policy", torch.nan if kind == "nan" else 0.5, training.step(), optim)
        assert ("loss" in metrics) == ("grad_norm" in metrics) == (kind == "good")
    assert metrics == {"num_bad_steps": 2.0, "lr": 0.1}
    training.backward(bad_loss("nan", model))
    with pytest.raises(
        RilctlError, match="policy, optimizer step 4: the loss is nan, .* `optim.max_bad_steps` = 2"
    ) as e:
        step_metrics("policy", torch.nan, training.step(), optim)
    assert "the last checkpoint is intact" in str(e.value.hint)


def test_a_good_loss_and_its_gradient_are_not_touched() -> None:
    model, training = start()
    training.backward(model(torch.ones(3)).square().sum())
    other, _ = start()
    other(torch.ones(3)).square().sum().backward()
    assert torch.equal(model.weight.grad, other.weight.grad)
