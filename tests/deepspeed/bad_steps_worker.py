"""One rank of runs in which a loss isn't finite, on one rank alone: `bad_steps_worker.py OUT CASE ...`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from worker import CASES, DEVICE, Case, Rows, read

from rilctl.cli.failures import leave
from rilctl.config.fields import LoraConfig, ModelConfig, OptimConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.placing import place_role
from rilctl.engines.training.ranks import Ranks, open_ranks
from rilctl.engines.training.world import find_world
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.policy import response_logprobs, response_loss
from rilctl.testing.saved import save_now

OPTIM = OptimConfig(lr=1e-4, weight_decay=0.1)
PROMPTS = [0, 1, 2, 3]


def start(case: Case, ranks: Ranks) -> tuple[Rows, TrainingEngine]:
    """A model and what trains it."""
    config = ModelConfig(model="pocket-student", dtype="bfloat16" if case.bfloat16 else "float32")
    base = vlm = read(config, case, ranks)
    if case.lora:
        vlm = with_adapter(base, LoraConfig(rank=4), adapter="policy", seed=0)
    place_role(vlm, case.engine, device=DEVICE, ranks=ranks)
    if case.lora:
        open_frozen([vlm, base], case.engine, ranks=ranks)
    return Rows(vlm), open_training(vlm, OPTIM, case.engine, num_steps=10, ranks=ranks)


def train(case: Case, ranks: Ranks, factors: list[float], scratch: Path) -> dict[str, Any]:
    """A step for each factor, by which the last micro-batch's loss of the last rank is multiplied."""
    rows, engine = start(case, ranks)
    reports = []
    for factor in factors:
        own = ranks.share(PROMPTS)
        for number, pick in enumerate(own):
            loss, _, _ = response_loss(rows.vlm, *rows.batch([pick]), rows.loss)
            is_last = number == len(own) - 1 and ranks.rank == ranks.size - 1
            engine.backward(loss * factor if is_last else loss)
        reports.append(engine.step())
    with torch.no_grad():
        logprobs_NR = response_logprobs(rows.vlm, *rows.batch([0, 3]))[0]
    save_now(engine, scratch, ranks)
    again, resumed = start(case, ranks)
    resumed.load(scratch)
    loss, _, _ = response_loss(again.vlm, *again.batch([1]), again.loss)
    resumed.backward(loss * torch.nan)
    return {
        "bad": [report.grad_norm is None for report in reports],
        "num_bad": reports[-1].num_bad,
        "num_bad_resumed": resumed.step().num_bad,
        "norms": [report.grad_norm for report in reports if report.grad_norm is not None],
        "logprobs": logprobs_NR.float().tolist(),
    }


def main() -> None:
    torch.set_num_threads(1)
    out, names = Path(sys.argv[1]), sys.argv[2:]
    with open_ranks(find_world(os.environ), grouped=True) as ranks:
        for name in names:
            found = {
                kind: train(CASES[name], ranks, factors, out / name / kind)
                for kind, factors in (("good", [1, 1]), ("bad", [1, torch.nan, torch.inf, 1]))
            }
            (out / f"{name}-{ranks.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
    leave(0)
