"""Short runs of the real `train` and `sft` on small models, and what is recorded: every number that training makes.

Each algorithm and each preference loss has one, on the pocket student that ships, whose answers are right now and then.
Each family has one with both rewards, on random weights. What a run is made from is written here to the last byte, so
that only the code and the kernels can change what comes out.
"""

import importlib.util
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import transformers
from torch import Tensor, nn

from rilctl.config.algorithms import ALGORITHMS, Algorithm
from rilctl.config.preference import PREFERENCE_LOSSES
from rilctl.config.recipe import Verb
from rilctl.engines.training.base import StepReport
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.quickstart.world import Row, make_rows
from rilctl.reporting.progress import SilentReporter
from rilctl.testing.families import build_models
from rilctl.testing.stages import run_stage

RECORDINGS = Path(__file__).with_name("trajectories")
NUM_QUESTIONS = 8

RECIPE = """\
[data]
type = "jsonl"
path = "pictures.jsonl"

[student]
model = "pocket-student"

[teachers.told]
model = "pocket-teacher-qwen"

[cache-teacher]
num_responses = 2
imports = ["answers.jsonl"]

[train]
num_steps = 3
questions_per_step = 4
num_student_rows = 4
num_teacher_rows = 2
sampling = { max_new_tokens = 16 }
optim = { lr = 2e-4 }
discriminator = { optim = { lr = 1e-4 }, reward = "binary" }
algorithm = { policy_updates = 2, kl_beta = 0.1 }
engine = { num_threads = 1, device = "cpu" }
generation = { device = "cpu" }
"""
PREFERS = (
    "sft.responses=teacher-cache",
    "sft.num_steps=3",
    "sft.rows_per_step=4",
    "sft.optim.lr=2e-4",
    "sft.engine={ num_threads = 1, device = 'cpu' }",
    "sft.preference.num_responses=2",
    "sft.preference.sampling.max_new_tokens=16",
    "sft.preference.generation.device=cpu",
)
"""Teachers' answers over the student's own."""


def load_part() -> ModuleType:
    """`tools/part.py`."""
    spec = importlib.util.spec_from_file_location("part_tool", Path(__file__).parents[2] / "tools/part.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


PART = load_part()


def write_workspace(directory: Path) -> dict[str, tuple[str, ...]]:
    """Everything that the runs are made from.

    Args:
        directory: created if missing.

    Returns:
        Overrides of the recipe by the trajectory's name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "recipe.toml").write_text(RECIPE)
    rows = list(make_rows("train", 0, NUM_QUESTIONS))
    for row in rows:
        row.image.save(directory / f"{row.id}.png")
    _write_lines(directory / "pictures.jsonl", [_question(row) | {"images": f"{row.id}.png"} for row in rows])
    _write_lines(directory / "texts.jsonl", map(_question, rows))
    answers = [(row.id, row.texts[style]) for row in rows for style in ("worked", "listed")]
    _write_lines(
        directory / "answers.jsonl", [{"sample_id": at, "teacher": "told", "text": text} for at, text in answers]
    )
    run_stage(directory, "cache-teacher")
    texts = ("data.path=texts.jsonl", "data.columns.images=")
    run_stage(directory, "cache-teacher", *texts, out=directory / "texts")
    runs = {name: (f"train.algorithm.name={name}", *_keys(record)) for name, record in ALGORITHMS.items()}
    runs |= {name: (*PREFERS, f"sft.preference.loss={name}") for name in PREFERENCE_LOSSES}
    for family, path in build_models(directory / "models").items():
        data = (*texts, "train.teacher_cache=texts") if family == "text" else ()
        runs[f"family-{family}"] = (f"student.model={path}", *data)
    return runs


def record(workspace: Path, overrides: Iterable[str], out: Path, verb: Verb = "train") -> dict[int, dict[str, Any]]:
    """Train, and say what each step computed: see `tools/part.py`.

    Args:
        workspace: as `write_workspace` made it.
        overrides: of its recipe.
        out: the run's directory, which doesn't exist.
        verb: which trains.
    """
    seen, take_step = GradientSpy(), TorchTraining.step

    def step(engine: TorchTraining) -> StepReport:
        seen.look(engine.parameters)
        return take_step(engine)

    with patch.object(TorchTraining, "step", step):
        run_stage(workspace, verb, *overrides, out=out, reporter=seen)
    found = PART.read(out)
    for number, gradients in seen.steps.items():
        found[number] |= gradients
    return {number: dict(sorted(values.items())) for number, values in found.items()}


class GradientSpy(SilentReporter):
    """Notes the gradients of every optimizer step, before they are clipped."""

    def __init__(self) -> None:
        self.steps: dict[int, dict[str, Any]] = {}
        """By step: norm and digest of each layer's gradient."""
        self._num_steps = 0
        self._num_updates: Counter[str] = Counter()

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`; the steps begin, or what comes before them."""
        self._num_steps = done

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """See `Reporter`; a step is over."""
        self._num_steps += num
        self._num_updates.clear()

    def look(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Note what the gradients are now."""
        role = "discriminator" if any(name.startswith("head.") for name in parameters) else "policy"
        self._num_updates[role] += 1
        layers: dict[str, list[Tensor]] = {}
        for name, parameter in sorted(parameters.items()):
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            layers.setdefault(_layer(name), []).append(gradient.detach().float().flatten())
        values = self.steps.setdefault(self._num_steps + 1, {})
        for layer, gradients in layers.items():
            flat_N = torch.cat(gradients)
            place = f"gradients/{role}/{self._num_updates[role]}/{layer}"
            values[f"{place}/norm"] = float(flat_N.double().norm())
            values[f"{place}/digest"] = PART.digest(flat_N.numpy().tobytes())


def verb_of(name: str) -> Verb:
    """Which verb makes the trajectory of that name."""
    return "sft" if name in PREFERENCE_LOSSES else "train"


def made_with() -> dict[str, str]:
    """What besides the code decides on the last bit of a number."""
    return {"torch": torch.__version__, "transformers": transformers.__version__, "kernels": kernels()}


def kernels() -> str:
    """A digest of what this machine's kernels make of fixed numbers: attention in a small network and its gradient."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    network = nn.TransformerEncoderLayer(96, 4, 192, dropout=0.0, activation="gelu", batch_first=True)
    head = nn.Linear(96, 500)
    with torch.no_grad():
        for parameter in (*network.parameters(), *head.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    inputs_BPH = torch.randn(3, 57, 96, generator=generator)
    loss = head(network(inputs_BPH)).log_softmax(-1)[..., 0].exp().sum()
    loss.backward()
    gradients = [parameter.grad for parameter in (*network.parameters(), *head.parameters())]
    content = torch.cat([loss.detach()[None], *(gradient.flatten() for gradient in gradients if gradient is not None)])
    return str(PART.digest(content.numpy().tobytes()))


def _keys(record: Algorithm) -> tuple[str, ...]:
    """What of the recipe isn't for this algorithm."""
    return () if "rewards" in record.losses else ("train.algorithm.kl_beta=0",)


def _layer(name: str) -> str:
    """The layer that a parameter belongs to: its name to the first number, or without the last part."""
    numbered = re.match(r"(.*?\.\d+)\.", name)
    return numbered[1] if numbered else name.rpartition(".")[0]


def _question(row: Row) -> dict[str, Any]:
    return {"id": row.id, "question": row.question, "answer": row.answer}


def _write_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
