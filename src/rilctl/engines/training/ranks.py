"""The processes of a run: how they divide work, tell each other numbers, and end together.

Every rank goes through the same calls in the same order. What one rank alone does (write a file, say) stands between
them, inside `together`, so that its failure ends all at once, and so that a person's word to stop does.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed import Store  # type: ignore[attr-defined]

from rilctl.engines.meanwhile import meanwhile
from rilctl.engines.training.watch import USUAL_PATIENCE, Leave, Patience, Watch, exit_code
from rilctl.engines.training.world import World
from rilctl.errors import FailedElsewhereError, InterruptedByUser, RankLostError
from rilctl.foreign import printable
from rilctl.private.deepspeed import end_group
from rilctl.private.torch import meet
from rilctl.threads import LINGERING

T = TypeVar("T")
_PATIENCE = timedelta(hours=2)
"""How long ranks wait for one another in a collective call: one may sample that much longer than the others."""
_ARRIVAL = timedelta(minutes=10)
"""How long ranks wait for one another to come."""


class Ranks:
    """This process among those of a run; alone, it waits for nobody.

    Args:
        rank: which of them.
        size: how many.
        watch: looks after the others; None: alone.
    """

    def __init__(self, rank: int = 0, size: int = 1, watch: Watch | None = None) -> None:
        self.rank = rank
        self.size = size
        self._watch = watch

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

    def exchange(self, parts: Sequence[T]) -> list[T]:
        """Hand each rank its part, of what JSON can say; what each had for this one, in order of rank. Collective.

        No rank reads what is meant for another.
        """
        if self.size == 1:
            return list(parts)
        own = [json.dumps(part).encode() for part in parts]
        sent, coming = torch.tensor([len(text) for text in own]), torch.zeros(self.size, dtype=torch.long)
        distributed.all_to_all_single(coming, sent)
        lengths: list[int] = coming.tolist()
        texts = torch.zeros(sum(lengths), dtype=torch.uint8)
        joined = torch.frombuffer(bytearray(b"".join(own)), dtype=torch.uint8)
        distributed.all_to_all_single(texts, joined, lengths, sent.tolist())
        return [json.loads(text.numpy().tobytes()) for text in torch.split(texts, lengths)]

    def at_main(self, value: T) -> list[T]:
        """On rank 0 every rank's value, in order of rank; elsewhere nothing. Collective."""
        found = self.exchange([value, *[None] * (self.size - 1)])
        return [each for each in found if each is not None] if self.is_main else []

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
        """What fails inside, on any rank, ends all; no collective call may stand inside.

        Raises:
            FailedElsewhereError: another rank failed, and says why; or was interrupted.
        """
        if self.size == 1:
            yield
            return
        stop: InterruptedByUser | None = None
        with self.noted(), self._moving(must=False):
            try:
                yield
            except InterruptedByUser as error:
                stop = error
        codes = self.gather(None if stop is None else exit_code(stop))
        stopped = [rank for rank, code in enumerate(codes) if code is not None]
        if not stopped:
            return
        if stop is not None and stopped[0] == self.rank:
            raise stop
        raise FailedElsewhereError(stopped[0], codes[stopped[0]] or 1) from stop

    @contextmanager
    def training(self) -> Iterator[None]:
        """Inside, ranks only compute, and meet; what fails is told to the others at once. See `Watch.moving`."""
        with self.noted(), self._moving(must=True):
            yield

    def _moving(self, *, must: bool) -> AbstractContextManager[None]:
        return self._watch.moving(must=must) if self._watch else nullcontext()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What fails inside is told to the other ranks at once, before anything around the block is put away.

        Raises:
            FailedElsewhereError: another rank failed before.
            RankLostError: what failed here did because another rank is gone.
        """
        try:
            yield
        except Exception as error:
            cause = self._watch.explain(error) if self._watch else error
            if cause is error:
                raise
            raise cause from error


def end_process(error: Exception) -> None:
    """End this process at once, with the error's exit code."""
    if not isinstance(error, FailedElsewhereError):
        os.write(2, f"error: {printable(str(error))}\n".encode())
    os._exit(error.code if isinstance(error, FailedElsewhereError) else exit_code(error))


@contextmanager
def open_ranks(
    world: World,
    *,
    grouped: bool,
    leave: Leave = end_process,
    check_stop: Callable[[], object] = lambda: None,
    waits_s: float = 0.0,
    patience: Patience = USUAL_PATIENCE,
) -> Iterator[Ranks]:
    """Join the other processes, if there are any.

    Args:
        world: which of how many this one is.
        grouped: whether a process group is needed, also by a process that is alone (DeepSpeed).
        leave: ends this process where another failed while the main thread waits for it.
        check_stop: called while the others are waited for; may raise to stop.
        waits_s: how long a rank may wait for something outside, while the others wait for it.
        patience: how long to wait for signs of the others.

    Raises:
        FailedElsewhereError: another rank failed.
        RankLostError: another rank was killed, or is frozen.
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
        store = _meet(world, check_stop)
    timeout = _PATIENCE + timedelta(seconds=waits_s)
    distributed.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=timeout)
    LINGERING.add("process group")  # what refers to it, DeepSpeed's engine say, keeps its threads until Python ends
    watch = None
    if world.size > 1:
        watch = Watch(store, world.rank, world.size, keeper=_keeper(world), leave=leave, patience=patience)
    ranks = Ranks(world.rank, world.size, watch)
    try:
        # Where something fails, the group is left as it is: taking it down would wait for ranks that are gone.
        with ranks.noted():
            yield ranks
            if watch:
                watch.finish()
            distributed.barrier()
    finally:
        if watch:
            watch.end()
    _take_down()


def _meet(world: World, check_stop: Callable[[], object]) -> Store:
    """The store that all ranks have, once all have come; meanwhile signals are heard, as they aren't in the backend."""

    def join() -> Store:
        store: Store = meet(world.rank, world.size, _ARRIVAL)
        return store

    with meanwhile(join, stop=lambda: None, name="rendezvous") as store:
        while not wait([store], timeout=0.2).done:
            check_stop()
    try:
        return store.result()
    except RuntimeError as error:
        minutes = _ARRIVAL.total_seconds() / 60
        raise RankLostError(
            f"{world.size} ranks were to meet at {world.address}:{world.port}, and not all came within {minutes:g} min",
            hint="did one fail at its start, or can't it reach that address?",
        ) from error


def _keeper(world: World) -> str | None:
    """Who keeps the rendezvous store: torchrun itself; None: rank 0."""
    is_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return f"torchrun on {world.address}" if is_torchrun else None


def _take_down() -> None:
    """End the group, and what DeepSpeed remembers of it: the next verb of a walk has a group of its own."""
    if not end_group():
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
