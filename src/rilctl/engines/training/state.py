"""What a training engine remembers: weights that train and AdamW's moments, by name, in safetensors.

Any engine on any number of processes reads what another wrote. The files are private scratch of a run; each rank writes
one, with some of the parameters, whole.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rilctl.engines.training.disk import Disk
from rilctl.engines.training.tensor_file import Layout, TensorFile
from rilctl.errors import ArtifactError
from rilctl.models.loaded.saving import saving

WEIGHT, STEP = "weight", "step"
"""Names of a parameter itself, and of the number of its steps, among what belongs to it."""
COUNTS = ("steps_done", "num_bad_in_a_row")
"""Of optimizer steps: all, and the bad ones at the end."""
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


def state_layouts(shapes: Mapping[str, Sequence[int]], stepped: Container[str]) -> dict[str, Layout]:
    """What a file with these parameters holds, in order.

    Args:
        shapes: by the parameter's name.
        stepped: those that AdamW has moments of.
    """
    layouts: dict[str, Layout] = dict.fromkeys(COUNTS, (torch.int64, ()))
    for name, shape in shapes.items():
        layouts[f"{WEIGHT}.{name}"] = (torch.float32, shape)
        if name in stepped:
            layouts |= {f"{key}.{name}": (torch.float32, shape) for key in MOMENTS}
            layouts[f"{STEP}.{name}"] = (torch.float32, ())
    return layouts


def state_tensors(parameter: Tensor, moments: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What belongs to a parameter that is whole in this process, by kind, in the order of `state_layouts`.

    Args:
        parameter: itself.
        moments: AdamW's state of it; empty: it has not been stepped.
    """
    yield WEIGHT, parameter
    yield from ((key, moments[key]) for key in ((*MOMENTS, STEP) if moments else ()))


def state_file(
    directory: Path, layouts: Mapping[str, Layout], counts: Mapping[str, int], disk: Disk, *, rank: int = 0
) -> TensorFile:
    """One rank's file, begun.

    Args:
        directory: made if need be; holds nothing else.
        layouts: see `state_layouts`.
        counts: of `COUNTS`.
        disk: writes.
        rank: names the file.

    Raises:
        OSError: the directory can't be made.
    """
    with saving(directory):
        directory.mkdir(parents=True, exist_ok=True)
    file = TensorFile(directory / f"training-{rank:05d}.safetensors", layouts, disk)
    for name in COUNTS:
        file.put(name, torch.tensor(counts[name]))
    return file


class StateFiles:
    """What all ranks wrote; a parameter is read when it is asked for.

    Args:
        directory: of the files.
        shapes: of every parameter that trains, by name.

    Raises:
        ArtifactError: the files are damaged, or hold other parameters.
    """

    def __init__(self, directory: Path, shapes: Mapping[str, Iterable[int]]) -> None:
        self._places: dict[str, Path] = {}
        counts = dict.fromkeys(COUNTS, 0)
        steps_done: set[int] = set()
        found: dict[str, tuple[int, ...]] = {}
        for file in sorted(directory.glob("training-*.safetensors")):
            try:
                with safe_open(file, framework="pt") as tensors:
                    self._places |= dict.fromkeys(tensors.keys(), file)
                    steps_done.add(int(tensors.get_tensor("steps_done")))
                    if "num_bad_in_a_row" in self._places:  # not in what older versions wrote
                        counts["num_bad_in_a_row"] = int(tensors.get_tensor("num_bad_in_a_row"))
                    for key in tensors.keys():  # noqa: SIM118 (it is no mapping)
                        if key.startswith("weight."):
                            found[key.removeprefix("weight.")] = tuple(tensors.get_slice(key).get_shape())
            except (OSError, SafetensorError) as error:
                raise ArtifactError(f"{file} can't be read: {error}", hint=_HINT) from None
        if found != {name: tuple(shape) for name, shape in shapes.items()}:
            raise ArtifactError(f"{directory} belongs to another model", hint=_HINT)
        if len(steps_done) != 1:
            raise ArtifactError(f"{directory} holds files of different steps", hint=_HINT)
        self.counts = counts | {"steps_done": steps_done.pop()}

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
