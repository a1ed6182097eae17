"""DeepSpeed training of all weights: ZeRO 0-3, with checkpoints that any engine on any number of ranks reads."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.config.fields import OptimConfig
from rilctl.engines.training.base import StepReport
from rilctl.engines.training.disk import Disk
from rilctl.engines.training.optimizer import Schedule, make_adamw, told
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.state import StateFiles, state_file, state_layouts
from rilctl.engines.training.zero import initialize
from rilctl.engines.training.zero_state import ZeroState
from rilctl.private.deepspeed import whole_shape


class DeepspeedTraining:
    """A `TrainingEngine` whose every call is collective: all ranks, in the same order, with equally many backwards.

    Where the forward pass is bfloat16, DeepSpeed keeps the weights in it, and float32 masters beside the moments;
    under stage 0 they are float32 as with torch.

    Args:
        model: holds the parameters; its `sharding` is for who runs it.
        head: weights that a forward pass reads without running their module.
        beside: see `initialize`.
        named_parameters: those that train.
        optim: optimizer and schedule.
        config: stage and offload.
        num_steps: optimizer steps of the whole run, for the schedule.
        ranks: this process among the others.
    """

    def __init__(
        self,
        model: nn.Module,
        head: nn.Parameter | None,
        beside: Iterable[nn.Parameter],
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        optim: OptimConfig,
        config: DeepspeedEngineConfig,
        *,
        num_steps: int,
        ranks: Ranks,
    ) -> None:
        self.parameters = dict(named_parameters)
        self._ranks, self._stage = ranks, config.zero_stage
        self._shapes = {name: whole_shape(parameter) for name, parameter in self.parameters.items()}
        self._clip = optim.max_grad_norm
        self._adamw = make_adamw(self.parameters, optim)
        model.requires_grad_(False)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        if self._stage == 0:  # DeepSpeed would clip, but keep the norm to itself, and leave no step out
            self._adamw.register_step_pre_hook(self._clip_gradients)
        clip_there = self._clip if self._stage > 0 else 0.0
        self._engine, self.sharding = initialize(model, head, config, self._adamw, clip_there, beside)
        self._state = ZeroState(self._engine, self._adamw, stage=self._stage, rank=ranks.rank)
        self._grad_norm = 0.0
        self.schedule = Schedule(self._adamw, optim, num_steps)

    def backward(self, loss: Tensor) -> None:
        """See `TrainingEngine`."""
        self._engine.backward(told(loss) * self._ranks.size)  # the ranks' gradients are averaged

    def step(self) -> StepReport:
        """See `TrainingEngine`."""
        lr = self.schedule.prepare()
        self._engine.step()
        grad_norm = self._grad_norm if self._stage == 0 else float(self._engine.get_global_grad_norm())
        report = self.schedule.report(grad_norm, lr)
        if report.grad_norm is None:
            self._state.forget_gradients()
        return report

    @torch.no_grad()
    def save(self, directory: Path, disk: Disk) -> None:
        """See `TrainingEngine`. Each rank writes a part of the parameters, as they come together one by one."""
        own = dict(list(self._shapes.items())[self._ranks.rank :: self._ranks.size])
        layouts = state_layouts(own, [name for name in own if self._state.has_moments(self.parameters[name])])
        with self._ranks.together():
            file = state_file(directory, layouts, self.schedule.counts, disk, rank=self._ranks.rank)
        for name, parameter in self.parameters.items():
            for key, tensor in self._state.read(parameter):
                if name in own:
                    file.put(f"{key}.{name}", tensor)
        file.close()

    @torch.no_grad()
    def load(self, directory: Path) -> None:
        """See `TrainingEngine`."""
        files = StateFiles(directory, self._shapes)
        self.schedule.go_on(files.counts)
        self._state.make_moments()
        for name, parameter in self.parameters.items():
            self._state.write(parameter, files.read(name))

    def _clip_gradients(self, *_: Any) -> None:
        self._grad_norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self._clip))
        if not math.isfinite(self._grad_norm):
            for parameter in self.parameters.values():
                parameter.grad = None  # AdamW leaves it alone
