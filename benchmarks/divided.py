"""Memory of each rank under ZeRO-3 while three models are read, and while a checkpoint is written.

Several processes on a CPU, where device and host memory are one.

    python benchmarks/divided.py [--ranks 3] [--hidden 1024] [--json]

A figure is the most that a process has beyond what it had before, pages of files included (Linux). Weights are random,
in bfloat16.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path

import torch

from rilctl.cli.failures import leave
from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.config.fields import ModelConfig, OptimConfig
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.placing import HOST, load_role, place_role
from rilctl.engines.training.ranks import Ranks, open_ranks
from rilctl.engines.training.world import find_world
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.encode import collate_responses
from rilctl.private.deepspeed import whole_shape
from rilctl.testing.peaks import give_back_freed, peak_bytes, write_sized_workspace
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ranks import run_ranks
from rilctl.testing.saved import save_now

ENGINE = DeepspeedEngineConfig(zero_stage=3)
NUM_ROLES = 3


def main() -> None:
    """Measure and print; started again as each of the ranks."""
    if len(sys.argv) == 3 and Path(sys.argv[1]).is_dir():
        _rank(Path(sys.argv[1]), Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=3, help="processes")
    parser.add_argument("--hidden", type=int, default=1024, help="width of the language model, a multiple of 64")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), num_ranks=arguments.ranks, hidden=arguments.hidden)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"three models of {found[0]['model_bytes'] / 1e6:,.0f} MB, {arguments.ranks} ranks\n")
    print("| rank | reading the models | writing a checkpoint |\n| --- | ---: | ---: |")
    for rank, report in enumerate(found):
        print(f"| {rank} | {report['loading_bytes'] / 1e6:,.0f} MB | {report['saving_bytes'] / 1e6:,.0f} MB |")


def measure(directory: Path, *, num_ranks: int, hidden: int) -> list[dict[str, int]]:
    """By rank: bytes of a model, and the peaks."""
    write_sized_workspace(directory / "sized", hidden=hidden)
    model, out = directory / "sized" / "student", directory / "out"
    out.mkdir()
    config = ModelConfig(model=str(model), dtype="bfloat16", random_weights=True)
    load_vlm(config, base_dir=Path(), device=HOST).model.save_pretrained(model)
    for rank, done in enumerate(run_ranks(Path(__file__), str(model), str(out), num_ranks=num_ranks)):
        if done.returncode:
            sys.exit(f"rank {rank}: {done.stderr[-4000:]}")
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(num_ranks)]


def _rank(model: Path, out: Path) -> None:
    torch.set_num_threads(1)
    give_back_freed()
    with open_ranks(find_world(os.environ), grouped=True) as ranks:
        small = ModelConfig(model="pocket-student", dtype="bfloat16")
        first = _train(_read(small, ranks), ranks)
        save_now(first, out / "small", ranks)  # after it, what libraries load late is there
        config = ModelConfig(model=str(model), dtype="bfloat16")
        kept: list[Vlm] = []
        loading = peak_bytes(lambda: kept.extend(_read(config, ranks) for _ in range(NUM_ROLES)))
        parameters = sum(math.prod(whole_shape(parameter)) for parameter in kept[0].model.parameters())
        engine = _train(kept[0], ranks)
        open_frozen([kept[2]], ENGINE, ranks=ranks)
        saving = peak_bytes(lambda: save_now(engine, out / "large", ranks))
        report = {"model_bytes": 2 * parameters, "loading_bytes": loading, "saving_bytes": saving}
    (out / f"{ranks.rank}.json").write_text(json.dumps(report))


def _read(config: ModelConfig, ranks: Ranks) -> Vlm:
    with ranks.together():
        vlm = load_role(config, engine=ENGINE, base_dir=Path(), device=HOST, all_train=True, ranks=ranks)
    place_role(vlm, ENGINE, device=HOST, ranks=ranks)
    return vlm


def _train(vlm: Vlm, ranks: Ranks) -> TrainingEngine:
    """An engine that has taken a step."""
    engine = open_training(vlm, OptimConfig(lr=1e-5), ENGINE, num_steps=1, ranks=ranks)
    prompt, responses = drawn_prompt(vlm, "what?", []), collate_responses(vlm, [[5, 6, 7]])
    loss, _, _ = response_loss(vlm, [prompt], torch.zeros(1, dtype=torch.long), *responses, lambda part, _: -part.sum())
    engine.backward(loss)
    engine.step()
    return engine


if __name__ == "__main__":
    main()
    leave(0)
