"""Which of how many processes this one is, as whoever started it says in the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HOST = re.compile(r"(?P<prefix>[^,\[]+)(?:\[(?P<first>\d+)[^\]]*\])?(?P<suffix>[^,]*)")
_SLURM_PORTS = 20_000
"""The rendezvous port of a Slurm step is this plus a part of the job's number, so that jobs don't meet."""


@dataclass(frozen=True)
class World:
    """A process among those that train together.

    Args:
        rank: counted from 0 over all hosts; rank 0 writes.
        size: processes on all hosts.
        local_rank: counted from 0 on this host: which GPU.
        address: host of rank 0; None: this process is alone.
        port: where rank 0 listens.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    address: str | None = None
    port: int = 0


def find_world(environment: Mapping[str, str]) -> World:
    """What torchrun, DeepSpeed's launcher or Slurm's `srun` say; alone where none of them started this process."""
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= environment.keys():
        rank, size, local_rank = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return World(rank, size, local_rank, environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))
    # In an allocation without `srun`, SLURM_NTASKS is there but nobody else was started.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and "SLURM_PROCID" in environment:
        return World(
            rank=int(environment["SLURM_PROCID"]),
            size=int(environment["SLURM_STEP_NUM_TASKS"]),
            local_rank=int(environment["SLURM_LOCALID"]),
            address=first_host(environment["SLURM_STEP_NODELIST"]),
            port=_SLURM_PORTS + int(environment["SLURM_JOB_ID"]) % 20_000,
        )
    return World()


def first_host(node_list: str) -> str:
    """The first host of a Slurm node list such as `gpu[07-09,12],login1`.

    Raises:
        ValueError: the list is empty.
    """
    found = _HOST.match(node_list)
    if found is None:
        raise ValueError(f"no host in {node_list!r}")
    return f"{found['prefix']}{found['first'] or ''}{found['suffix']}"
