"""Torch training in one process: AdamW, linear schedule, exact checkpoints in safetensors."""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import StepReport
from rilctl.errors import ArtifactError, RilctlError


class TorchTraining:
    """A `TrainingEngine` for the parameters that require gradients.

    Args:
        named_parameters: all parameters of the module; frozen ones are left alone.
        optim: optimizer and schedule.
        num_steps: optimizer steps of the whole run, for the schedule.
    """

    def __init__(
        self, named_parameters: Iterable[tuple[str, nn.Parameter]], optim: OptimConfig, *, num_steps: int
    ) -> None:
        self.parameters = {name: parameter for name, parameter in named_parameters if parameter.requires_grad}
        self.optim = optim
        self.num_steps = num_steps
        self.steps_done = 0
        decayed = [p for name, p in self.parameters.items() if p.ndim >= 2 and "embed" not in name]
        exempt = [p for name, p in self.parameters.items() if p.ndim < 2 or "embed" in name]
        groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": exempt, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=optim.lr, betas=optim.betas)

    def backward(self, loss: Tensor) -> None:
        """See `TrainingEngine`."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> StepReport:
        """See `TrainingEngine`."""
        lr = learning_rate(self.optim, self.steps_done, self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        grad_norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.optim.max_grad_norm))
        if not torch.isfinite(torch.tensor(grad_norm)):
            raise RilctlError(
                f"the gradient is not finite at optimizer step {self.steps_done + 1}",
                hint="lower `optim.lr`, or use dtype = `float32`; the last checkpoint is intact",
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps_done += 1
        return StepReport(grad_norm=grad_norm, lr=lr)

    def move(self, device: torch.device) -> None:
        """See `TrainingEngine`."""
        for moments in self.optimizer.state.values():
            moments |= {key: value.to(device) for key, value in moments.items() if key != "step"}

    def save(self, directory: Path) -> None:
        """See `TrainingEngine`."""
        directory.mkdir(parents=True, exist_ok=True)
        state: dict[str, Tensor] = {"steps_done": torch.tensor(self.steps_done)}
        for name, parameter in self.parameters.items():
            state[f"weight.{name}"] = parameter.detach()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                state[f"{key}.{name}"] = value
        save_file(
            {name: tensor.contiguous().clone() for name, tensor in state.items()}, directory / "training.safetensors"
        )

    def load(self, directory: Path) -> None:
        """See `TrainingEngine`."""
        file = directory / "training.safetensors"
        try:
            state = load_file(file)
        except (OSError, SafetensorError) as error:
            raise ArtifactError(
                f"{file} can't be read: {error}", hint="delete the `resume` directory to start over"
            ) from None
        weights = {name.removeprefix("weight."): tensor for name, tensor in state.items() if name.startswith("weight.")}
        shapes = {name: tensor.shape for name, tensor in weights.items()}
        if shapes != {name: parameter.shape for name, parameter in self.parameters.items()}:
            raise ArtifactError(f"{file} belongs to another model", hint="delete the `resume` directory to start over")
        self.steps_done = int(state["steps_done"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])
                if f"exp_avg.{name}" in state:
                    moments = {key: state[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                    device = parameter.device
                    self.optimizer.state[parameter] = {
                        key: value if key == "step" else value.to(device) for key, value in moments.items()
                    }


def learning_rate(optim: OptimConfig, steps_done: int, num_steps: int) -> float:
    """Linear from 0 over `warmup_steps`, then linear from `lr` to `lr_end` at the last step."""
    if steps_done < optim.warmup_steps:
        return optim.lr * (steps_done + 1) / optim.warmup_steps
    if optim.lr_end is None:
        return optim.lr
    span = max(1, num_steps - 1 - optim.warmup_steps)
    return optim.lr + (optim.lr_end - optim.lr) * min(1.0, (steps_done - optim.warmup_steps) / span)
