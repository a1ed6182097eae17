"""DeepSpeed with the settings of a GPU, on the CPU: `settings_worker.py OUT`; what happened to each combination.

A layer is trained for two steps under each stage, offload and precision that a recipe can ask for.
"""

import json
import os
import sys
from itertools import product
from pathlib import Path

import torch
from torch import nn

from rilctl.cli.failures import leave
from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.engines.training.ranks import open_ranks
from rilctl.engines.training.world import find_world
from rilctl.engines.training.zero import ForwardPass, import_deepspeed, settings_of

OFFLOADS = {"none": (0, 1, 2, 3), "optimizer": (1, 2, 3), "all": (3,)}


def two_steps(config: DeepspeedEngineConfig, dtype: torch.dtype) -> bool:
    """Whether they changed the weights."""
    layer = nn.Linear(4, 4, dtype=dtype)
    before = layer.weight.detach().clone()
    adamw = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    settings = settings_of(config, dtype, 1.0, num_trained=20, num_hidden=4, on_gpu=True)
    arguments = {"model": ForwardPass(layer), "optimizer": adamw, "dist_init_required": False}
    deepspeed = import_deepspeed()
    engine = deepspeed.initialize(**arguments, config=settings)[0]
    for _ in range(2):
        engine.backward(engine(lambda: layer(torch.ones(1, 4, dtype=dtype)).float().square().sum()))
        engine.step()
    with deepspeed.zero.GatheredParameters([layer.weight], enabled=config.zero_stage == 3):
        return not torch.equal(layer.weight, before)


def main() -> None:
    found = {}
    with open_ranks(find_world(os.environ), grouped=True):
        for (offload, stages), dtype in product(OFFLOADS.items(), (torch.float32, torch.bfloat16)):
            if dtype == torch.bfloat16:
                stages = tuple(stage for stage in stages if stage > 0)  # under 0 the weights are float32
            for stage in stages:
                config = DeepspeedEngineConfig.model_validate({"zero_stage": stage, "offload": offload})
                try:
                    trains = "trains" if two_steps(config, dtype) else "stands still"
                except Exception as error:
                    trains = f"{type(error).__name__}: {error}"
                found[f"zero-{stage}, offload {offload}, {dtype}"] = trains
    (Path(sys.argv[1]) / "settings.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
    leave(0)
