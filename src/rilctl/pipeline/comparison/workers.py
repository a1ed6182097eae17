"""How many commands run at the same time, and what each of them may use."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rilctl.pipeline.jobs import JobSettings

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def job_settings(num_jobs: int | None, logs: Path, cwd: Path, environment: Mapping[str, str]) -> JobSettings:
    """What the commands of a comparison share.

    Args:
        num_jobs: commands at the same time; None: one for each GPU, or on CPUs two where there are two cores.
        logs: folder of what they write.
        cwd: where they run.
        environment: of this process. Where several run at once, each has its share of the cores, unless
            `OMP_NUM_THREADS` says otherwise, and one of the GPUs.
    """
    gpus, cores = visible_gpus(environment), num_cores()
    workers = num_jobs or len(gpus) or min(2, cores)
    shared = {"OMP_NUM_THREADS": str(max(1, cores // workers))} if workers > 1 else {}
    slots = tuple({_VISIBLE: gpu} for gpu in gpus) if workers > 1 else ()
    return JobSettings(workers=workers, logs=logs, cwd=cwd, environment={**shared, **environment}, slots=slots)


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = environment.get(_VISIBLE)
    if named is not None:
        return [each.strip() for each in named.split(",") if each.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
