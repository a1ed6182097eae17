"""One of two ranks that save two checkpoints; its disk has no room for the second: `full_disk_worker.py OUT`."""

import os
import resource
import sys
from pathlib import Path

import torch

from rilctl.cli.failures import leave
from rilctl.config.engines import DeepspeedEngineConfig
from rilctl.config.fields import ModelConfig, OptimConfig
from rilctl.engines.training.open import open_training
from rilctl.engines.training.placing import HOST, load_role, place_role
from rilctl.engines.training.ranks import open_ranks
from rilctl.engines.training.world import find_world
from rilctl.testing.saved import save_now

ENGINE = DeepspeedEngineConfig(zero_stage=3)


def main() -> None:
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with open_ranks(find_world(os.environ), grouped=True) as ranks:
        config = ModelConfig(model="pocket-student")
        vlm = load_role(config, engine=ENGINE, base_dir=Path(), device=HOST, all_train=True, ranks=ranks)
        place_role(vlm, ENGINE, device=HOST, ranks=ranks)
        engine = open_training(vlm, OptimConfig(lr=1e-3), ENGINE, num_steps=1, ranks=ranks)
        save_now(engine, out / "first", ranks)
        if not ranks.is_main:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        save_now(engine, out / "second", ranks)


if __name__ == "__main__":
    main()
    leave(0)
