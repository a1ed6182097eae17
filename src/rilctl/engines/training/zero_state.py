"""A parameter's whole state out of ZeRO's partitions, and back into them. Collective.

DeepSpeed's own checkpoints fit one number of ranks and are pickled; its accessors (`deepspeed.utils.safe_get_full_*`)
give what any engine can read. Three gaps in 0.19.8 are closed here: moments exist only after a first step, of several
groups only the first one's are linked to its parameters, and in bfloat16 with offload the gradients of a step that was
left out stay.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rilctl.engines.training.state import MOMENTS, STEP, WEIGHT, ParameterState, state_tensors
from rilctl.engines.training.zero import import_deepspeed
from rilctl.private.deepspeed import forget_gradients, link_moments, masters, own_part


class ZeroState:
    """Reads and writes the state of parameters that an engine trains.

    Args:
        engine: DeepSpeed's.
        adamw: its optimizer.
        stage: of ZeRO.
        rank: this process's.
    """

    def __init__(self, engine: Any, adamw: torch.optim.AdamW, *, stage: int, rank: int) -> None:
        self._engine, self._adamw, self._stage, self._rank = engine, adamw, stage, rank
        self._utils = import_deepspeed().utils

    def has_moments(self, parameter: nn.Parameter) -> bool:
        """Whether a step has been taken with it."""
        return any(self._adamw.state.values()) if self._stage > 0 else bool(self._adamw.state.get(parameter))

    def read(self, parameter: nn.Parameter) -> Iterator[tuple[str, Tensor]]:
        """What belongs to a parameter, by kind, as `state_tensors` does: each tensor whole, on every rank, in turn."""
        if self._stage == 0:
            yield from state_tensors(parameter, self._adamw.state.get(parameter) or {})
            return
        yield WEIGHT, self._utils.safe_get_full_fp32_param(parameter)
        if self.has_moments(parameter):
            self._link()
            for key in MOMENTS:
                yield key, self._utils.safe_get_full_optimizer_state(parameter, key)
            yield STEP, self._steps()[0]

    def write(self, parameter: nn.Parameter, state: ParameterState) -> None:
        """Keep this rank's part; without moments, they are zero."""
        values = {"exp_avg": state.exp_avg, "exp_avg_sq": state.exp_avg_sq}
        if self._stage == 0:
            parameter.copy_(state.weight)
            moments = {key: torch.zeros_like(parameter) if value is None else value for key, value in values.items()}
            device = parameter.device
            self._adamw.state[parameter] = {
                "step": torch.tensor(state.step, device=device),
                **{key: value.to(device) for key, value in moments.items()},
            }
            return
        for step in self._steps():
            step.fill_(state.step)
        for key, value in values.items():
            if value is not None:
                self._put(parameter, value, key)
        self._put(parameter, state.weight, None)
        if self._stage == 3:
            own_part(parameter).copy_(self._part(parameter, state.weight))
        if self._stage < 3 or parameter.numel():  # whole, or one that is on every rank
            parameter.data.copy_(state.weight)

    def make_moments(self) -> None:
        """Zero moments, where no step has been taken."""
        if self._stage == 0:
            return
        for flat in masters(self._engine.optimizer):
            if not self._adamw.state[flat]:
                zeros = {key: torch.zeros_like(flat) for key in MOMENTS}
                self._adamw.state[flat] = {"step": torch.zeros((), device=flat.device), **zeros}
        self._link()

    def forget_gradients(self) -> None:
        """Of a step that was left out."""
        if self._stage in (1, 2):
            forget_gradients(self._engine.optimizer)

    def _put(self, parameter: nn.Parameter, value: Tensor, key: str | None) -> None:
        if self._stage == 3:
            part = self._part(parameter, value)
            if key is None:
                self._utils.safe_set_local_fp32_param(parameter, part)
            else:
                self._utils.safe_set_local_optimizer_state(parameter, part, key)
        elif key is None:
            self._utils.safe_set_full_fp32_param(parameter, value)
        else:
            self._utils.safe_set_full_optimizer_state(parameter, value, key)

    def _part(self, parameter: nn.Parameter, value: Tensor) -> Tensor:
        """This rank's part of a value, zeros behind the end."""
        size = own_part(parameter).numel()
        part = value.flatten()[size * self._rank :][:size]
        return nn.functional.pad(part, (0, size - len(part)))

    def _steps(self) -> list[Tensor]:
        return [moments["step"] for moments in self._adamw.state.values() if moments]

    def _link(self) -> None:
        if self._stage < 3:
            link_moments(self._engine.optimizer, self._adamw.state)
