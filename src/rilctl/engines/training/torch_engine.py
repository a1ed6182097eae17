"""Torch training: AdamW on weights that are whole in every process, exact checkpoints in safetensors."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import StepReport
from rilctl.engines.training.disk import Disk
from rilctl.engines.training.optimizer import Schedule, make_adamw, told
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.state import StateFiles, state_file, state_layouts, state_tensors


class TorchTraining:
    """A `TrainingEngine` for the parameters that require gradients.

    Args:
        named_parameters: all parameters of the module; frozen ones are left alone.
        optim: optimizer and schedule.
        num_steps: optimizer steps of the whole run, for the schedule.
        ranks: whose gradients are added up; every one takes the same steps.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        optim: OptimConfig,
        *,
        num_steps: int,
        ranks: Ranks | None = None,
    ) -> None:
        self.parameters = {name: parameter for name, parameter in named_parameters if parameter.requires_grad}
        self.optimizer = make_adamw(self.parameters, optim)
        self.schedule = Schedule(self.optimizer, optim, num_steps)
        self._max_grad_norm = optim.max_grad_norm
        self._ranks = ranks or Ranks()

    def backward(self, loss: Tensor) -> None:
        """See `TrainingEngine`."""
        told(loss).backward()  # type: ignore[no-untyped-call]

    def step(self) -> StepReport:
        """See `TrainingEngine`."""
        lr = self.schedule.prepare()
        for parameter in self.parameters.values():
            if parameter.grad is None:  # a vision tower's without pictures, say: ZeRO and other ranks know zeros
                parameter.grad = torch.zeros_like(parameter)
        self._ranks.add_gradients([p.grad for p in self.parameters.values() if p.grad is not None])
        grad_norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self._max_grad_norm))
        report = self.schedule.report(grad_norm, lr)
        if report.grad_norm is not None:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return report

    def save(self, directory: Path, disk: Disk) -> None:
        """See `TrainingEngine`."""
        with self._ranks.together():
            if self._ranks.is_main:
                self._write(directory, disk)

    def load(self, directory: Path) -> None:
        """See `TrainingEngine`."""
        files = StateFiles(directory, {name: parameter.shape for name, parameter in self.parameters.items()})
        self.schedule.go_on(files.counts)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                state = files.read(name)
                parameter.copy_(state.weight)
                if state.exp_avg is not None and state.exp_avg_sq is not None:
                    self.optimizer.state[parameter] = {
                        "step": torch.tensor(state.step, device=parameter.device),
                        "exp_avg": state.exp_avg.to(parameter.device),
                        "exp_avg_sq": state.exp_avg_sq.to(parameter.device),
                    }

    def _write(self, directory: Path, disk: Disk) -> None:
        moments = {name: self.optimizer.state.get(parameter) or {} for name, parameter in self.parameters.items()}
        shapes = {name: parameter.shape for name, parameter in self.parameters.items()}
        layouts = state_layouts(shapes, [name for name in shapes if moments[name]])
        file = state_file(directory, layouts, self.schedule.counts, disk)
        for name, parameter in self.parameters.items():
            for key, tensor in state_tensors(parameter, moments[name]):
                file.put(f"{key}.{name}", tensor)
        file.close()
