"""What a step of torch training is where ZeRO might have another idea of it."""

import torch
from torch import nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.torch_engine import TorchTraining

OPTIM = OptimConfig(lr=0.1, weight_decay=0.1)


def test_weights_that_a_step_never_used_have_a_gradient_of_0_as_on_zero() -> None:
    """A vision tower in a step without pictures: AdamW's moments decay, and so do the weights."""
    found = []
    for skips in (True, False):
        model = nn.ModuleDict({"text": nn.Linear(3, 3), "vision": nn.Linear(3, 3)})
        with torch.no_grad():
            for index, parameter in enumerate(model.parameters(), start=1):
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter) * index)
        training = TorchTraining(model.named_parameters(), OPTIM, num_steps=3)
        for step in range(3):
            text, vision = (part(torch.ones(3)).square().sum() for part in model.values())
            training.backward(text + vision if step == 0 else text if skips else text + 0 * vision)
            training.step()
        found.append({name: parameter.detach() for name, parameter in model.named_parameters()})
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
