"""The processes of a run: how they divide work, tell each other numbers, and end together.

Every rank goes through the same calls in the same order. What one rank alone does (write a file, say) stands between
them, inside `together`, so that its failure ends all and none waits for one that is gone.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from rilctl.engines.training.world import World
from rilctl.errors import FailedElsewhereError, InterruptedByUser, RilctlError

T = TypeVar("T")
_PATIENCE = timedelta(hours=2)
"""How long ranks wait for one another: one may sample, or wait for a judge, that much longer than the others."""


class Ranks:
    """This process among those of a run; alone, it waits for nobody.

    Args:
        rank: which of them.
        size: how many.
        store: where the first failure is noted; None: alone.
    """

    def __init__(self, rank: int = 0, size: int = 1, store: Store | None = None) -> None:
        self.rank = rank
        self.size = size
        self._store = store

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """This rank's part of what all have the same list of; see `share`."""
        return share(items, self.rank, self.size)

    def gather(self, value: T) -> list[T]:
        """Every rank's value, of what JSON can say, in order of rank. Collective."""
        if self.size == 1:
            return [value]
        own = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.long) for _ in range(self.size)]
        distributed.all_gather(lengths, torch.tensor([len(own)]))
        longest = max(int(length) for length in lengths)
        texts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.size)]
        distributed.all_gather(texts, torch.nn.functional.pad(own, (0, longest - len(own))))
        return [json.loads(text[: int(n)].numpy().tobytes()) for text, n in zip(texts, lengths, strict=True)]

    def gather_lists(self, items: Sequence[T]) -> list[T]:
        """The items of all ranks, those of rank 0 first. Collective."""
        return [item for part in self.gather(list(items)) for item in part]

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers. Collective."""
        return max(self.gather(number))

    def total(self, number: int) -> int:
        """The sum of the ranks' numbers. Collective."""
        return sum(self.gather(number))

    def add_up(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The sums over ranks; a name is there if any rank has it. Collective."""
        return add_up(self.gather(dict(numbers)))

    def padded(self, items: Sequence[T], empty: T, *, least: int = 0) -> list[T]:
        """The items, and `empty` as often as it takes for all ranks to have equally many. Collective."""
        return [*items, *[empty] * (max(least, self.largest(len(items))) - len(items))]

    def add_gradients(self, gradients: Sequence[Tensor]) -> None:
        """Sum over ranks, in place. Collective."""
        if self.size > 1:
            for gradient in gradients:
                distributed.all_reduce(gradient)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What fails inside, on any rank, ends the block on all; no collective call may stand inside.

        Raises:
            FailedElsewhereError: another rank failed, and says why.
        """
        if self.size == 1:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        codes = self.gather(None if failure is None else _exit_code(failure))
        failed = [rank for rank, code in enumerate(codes) if code is not None]
        if not failed:
            return
        if failure is not None and failed[0] == self.rank:
            raise failure
        raise FailedElsewhereError(failed[0], codes[failed[0]] or 1) from failure

    def note_failure(self, error: Exception) -> Exception:
        """What this rank should raise: the first of all ranks' failures is the cause, the others follow from it."""
        if self._store is None or isinstance(error, FailedElsewhereError | InterruptedByUser):
            return error
        try:
            is_first = self._store.add("failures", 1) == 1
            if is_first:
                self._store.set("failure", json.dumps([self.rank, _exit_code(error)]))
            first, code = json.loads(self._store.get("failure"))
        except (RuntimeError, ValueError):  # who kept the store is gone
            is_first, first, code = False, 0, 1
        if not is_first:
            return FailedElsewhereError(first, code)
        if _is_lost_contact(error):
            return RilctlError(
                "another rank ended without a word",
                hint="it was killed, for want of memory perhaps; the same command goes on from the last checkpoint",
            )
        return error


@contextmanager
def open_ranks(world: World, *, grouped: bool) -> Iterator[Ranks]:
    """Join the other processes, if there are any.

    Args:
        world: which of how many this one is.
        grouped: whether a process group is needed, also by a process that is alone (DeepSpeed).

    Raises:
        FailedElsewhereError: another rank failed.
    """
    if world.address is None and not grouped:
        yield Ranks()
        return
    backend, gpu = "gloo", world.local_rank
    if torch.cuda.is_available():
        gpu %= torch.cuda.device_count()  # Slurm may show each process its own GPU only
        torch.cuda.set_device(gpu)
        backend = "cpu:gloo,cuda:nccl"
    # What DeepSpeed asks the environment for, where Slurm or nobody started this process.
    os.environ.update(RANK=str(world.rank), WORLD_SIZE=str(world.size), LOCAL_RANK=str(gpu))
    store: Store = distributed.HashStore()  # type: ignore[attr-defined]
    if world.address is not None:
        os.environ.update(MASTER_ADDR=world.address, MASTER_PORT=str(world.port))
        store = next(rendezvous("env://", world.rank, world.size))[0]
    distributed.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=_PATIENCE)
    ranks = Ranks(world.rank, world.size, store if world.size > 1 else None)
    try:
        yield ranks
    except Exception as error:  # the group is left as it is: taking it down would wait for ranks that are gone
        cause = ranks.note_failure(error)
        if cause is error:
            raise
        raise cause from error
    distributed.barrier()
    _take_down()


def _take_down() -> None:
    """End the group, and what DeepSpeed remembers of it: the next verb of a walk has a group of its own."""
    deepspeed = sys.modules.get("deepspeed.comm")
    if deepspeed is not None and deepspeed.is_initialized():
        deepspeed.destroy_process_group()
    else:
        distributed.destroy_process_group()


def share(items: Sequence[T], rank: int, size: int) -> list[T]:
    """Every `size`-th item, beginning with that of number `rank`."""
    return list(items[rank::size])


def add_up(parts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Sums by name, taken in the order of the parts; what no part has is absent."""
    sums: dict[str, float] = {}
    for part in parts:
        for name, number in part.items():
            sums[name] = sums.get(name, 0.0) + number
    return sums


def _exit_code(error: Exception) -> int:
    if isinstance(error, InterruptedByUser):
        return error.interrupted_exit_code
    return error.exit_code if isinstance(error, RilctlError) else 1


def _is_lost_contact(error: Exception) -> bool:
    """Whether the backend says that another process is gone; gloo has no exception of its own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
