"""What a training engine remembers: weights that train and AdamW's moments, by name, in safetensors.

Any engine on any number of processes reads what another wrote. The files are private scratch of a run; each rank writes
one, with some of the parameters, whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rilctl.errors import ArtifactError

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Of AdamW."""
_HINT = "delete the `resume` directory to start over"


@dataclass(frozen=True)
class ParameterState:
    """One parameter, whole, in float32.

    Args:
        weight: the parameter.
        exp_avg: AdamW's first moment; None: it has not been stepped yet.
        exp_avg_sq: second moment.
        step: steps that made them.
    """

    weight: Tensor
    exp_avg: Tensor | None = None
    exp_avg_sq: Tensor | None = None
    step: float = 0.0

    def on_host(self) -> "ParameterState":
        """The same in host memory."""
        exp_avg, exp_avg_sq = (moment if moment is None else moment.cpu() for moment in (self.exp_avg, self.exp_avg_sq))
        return ParameterState(self.weight.cpu(), exp_avg, exp_avg_sq, self.step)


def write_state(directory: Path, steps_done: int, states: Mapping[str, ParameterState], *, rank: int = 0) -> None:
    """Write one rank's parameters.

    Args:
        directory: made if need be; holds nothing else.
        steps_done: optimizer steps.
        states: by the parameter's name.
        rank: names the file.
    """
    tensors = {"steps_done": torch.tensor(steps_done)}
    for name, state in states.items():
        tensors[f"weight.{name}"] = state.weight
        if state.exp_avg is not None and state.exp_avg_sq is not None:
            tensors |= {f"exp_avg.{name}": state.exp_avg, f"exp_avg_sq.{name}": state.exp_avg_sq}
            tensors[f"step.{name}"] = torch.tensor(state.step)
    directory.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(copies, directory / f"training-{rank:05d}.safetensors")


class StateFiles:
    """What `write_state` wrote on all ranks; a parameter is read when it is asked for.

    Args:
        directory: of the files.
        shapes: of every parameter that trains, by name.

    Raises:
        ArtifactError: the files are damaged, or hold other parameters.
    """

    def __init__(self, directory: Path, shapes: Mapping[str, Iterable[int]]) -> None:
        self._places: dict[str, Path] = {}
        steps_done: set[int] = set()
        found: dict[str, tuple[int, ...]] = {}
        for file in sorted(directory.glob("training-*.safetensors")):
            try:
                with safe_open(file, framework="pt") as tensors:
                    steps_done.add(int(tensors.get_tensor("steps_done")))
                    self._places |= dict.fromkeys(tensors.keys(), file)
                    for key in tensors.keys():  # noqa: SIM118 (it is no mapping)
                        if key.startswith("weight."):
                            found[key.removeprefix("weight.")] = tuple(tensors.get_slice(key).get_shape())
            except (OSError, SafetensorError) as error:
                raise ArtifactError(f"{file} can't be read: {error}", hint=_HINT) from None
        if found != {name: tuple(shape) for name, shape in shapes.items()}:
            raise ArtifactError(f"{directory} belongs to another model", hint=_HINT)
        if len(steps_done) != 1:
            raise ArtifactError(f"{directory} holds files of different steps", hint=_HINT)
        self.steps_done = steps_done.pop()

    def read(self, name: str) -> ParameterState:
        """A parameter's state, in this process's memory. Raises `ArtifactError`."""
        file = self._places[f"weight.{name}"]
        try:
            with safe_open(file, framework="pt") as tensors:
                weight = tensors.get_tensor(f"weight.{name}")
                if f"exp_avg.{name}" not in self._places:
                    return ParameterState(weight)
                exp_avg, exp_avg_sq, step = (tensors.get_tensor(f"{key}.{name}") for key in (*MOMENTS, "step"))
                return ParameterState(weight, exp_avg, exp_avg_sq, float(step))
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{file} can't be read: {error}", hint=_HINT) from None
