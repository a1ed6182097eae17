"""Looks after the other processes of a run, so that none waits for one that failed, was killed, is frozen or hangs.

A thread looks at the signs that the others give: one has failed, or has been silent for too long. Then the main thread
has a few seconds to end by itself, as a collective call that it waits in may fail as well; else the process is ended
under it. What is on disk is whole at any moment.

How long a rank works is nobody's affair: as long as its process runs, its signs of life come. They say as well whether
it stands still: if all do, and nobody is waiting for something outside (see `Ranks.together`), nothing will ever move.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, RLock, Thread

import torch
from torch.distributed import Store  # type: ignore[attr-defined]

from rilctl.engines.training.signs import Signs
from rilctl.engines.training.standstill import Standstill
from rilctl.engines.training.twins import is_twin, kill_twin
from rilctl.errors import FailedElsewhereError, InterruptedByUser, RankLostError, RilctlError

Leave = Callable[[Exception], object]
"""Says why, and ends the process at once."""
_AGAIN = "the same command goes on from the last checkpoint"


@dataclass(frozen=True)
class Patience:
    """How long ranks wait for a sign of one another.

    Args:
        beat_s: between two signs of life.
        silent_s: without one, and a rank is taken for gone.
        suspect_s: the same where a collective call has failed, so that somebody probably is.
        still_s: for all ranks to stand still, before that is taken for a hang.
        grace_s: for the main thread to end by itself.
        end_s: for it to put things away once it knows why.
    """

    beat_s: float = 1.0
    silent_s: float = 30.0
    suspect_s: float = 10.0
    still_s: float = 300.0
    grace_s: float = 3.0
    end_s: float = 20.0


USUAL_PATIENCE = Patience()


class Watch:
    """This process's part, from now on to `end`.

    Args:
        store: the rendezvous store.
        rank: of this process.
        size: processes.
        keeper: who keeps the store, for a person; None: rank 0.
        leave: called by the thread that looks.
        patience: how long to wait.
    """

    def __init__(
        self, store: Store, rank: int, size: int, *, keeper: str | None, leave: Leave, patience: Patience
    ) -> None:
        self._rank, self._keeper, self._leave, self._patience = rank, keeper, leave, patience
        self._lock = RLock()
        self._cause: Exception | None = None
        self._main_knows, self._is_finished = Event(), Event()
        self._standstill, self._must_move = Standstill(), False
        self._signs = Signs(store, rank, size, beat_s=patience.beat_s, own=self._own_sign)
        host = self._signs.peers[rank].host
        self._twins = {r: p.pid for r, p in self._signs.others.items() if p.host == host and is_twin(p.pid)}
        self._missed_at: dict[int, float] = {}
        Thread(target=self._look, daemon=True, name="watch").start()

    @contextmanager
    def moving(self, *, must: bool) -> Iterator[None]:
        """Inside, a rank that stands still hangs (`must`), or waits for something outside (not `must`)."""
        before, self._must_move = self._must_move, must
        try:
            yield
        finally:
            self._must_move = before

    def finish(self) -> None:
        """Nothing is looked for any more; signs go on until `end`."""
        self._is_finished.set()

    def end(self) -> None:
        """No more signs."""
        self._is_finished.set()
        self._signs.end()

    def explain(self, error: Exception) -> Exception:
        """What the main thread should raise: the first of all ranks' failures is the cause, the others follow from it.

        An error that the backend may have raised because a rank is gone is only taken for that if a rank is silent.
        """
        with self._lock:
            if self._cause is None:
                self._cause = self._decide(error)
            elif error.__cause__ is self._cause:
                self._cause = error  # the same in better words
        self._main_knows.set()
        self._signs.hurry()
        self._linger()
        return self._cause

    def _own_sign(self) -> tuple[bool, float]:
        if not self._must_move:
            self._standstill = Standstill()
        return self._cause is not None or self._is_finished.is_set(), self._standstill.look()

    def _decide(self, error: Exception) -> Exception:
        if isinstance(error, FailedElsewhereError | InterruptedByUser):
            return error
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError):
            error = self._who_is_silent(error) or error
        return self._claim(error)

    def _who_is_silent(self, error: Exception) -> RilctlError | None:
        """Wait until every other rank has given two signs since the error, or one has given none for some time."""
        began, limit_s = time.monotonic(), self._patience.suspect_s
        before = {rank: peer.beat for rank, peer in self._signs.others.items()}
        while (found := self._finding()) is None:
            now = time.monotonic()
            silent = [rank for rank, peer in self._signs.others.items() if peer.beat == before[rank]]
            if silent and now - began > limit_s:
                if now - self._signs.read_at > limit_s / 2:
                    return self._cut_off(_silent(limit_s / 2))
                return self._gone(silent[0], _silent(limit_s), error)
            if all(peer.beat >= before[rank] + 2 for rank, peer in self._signs.others.items()):
                return None
            time.sleep(self._patience.beat_s / 5)
        return found

    def _claim(self, error: Exception) -> Exception:
        """The error if it is the first of all ranks', which is noted; else that another one failed first."""
        if isinstance(error, FailedElsewhereError) or self._signs.is_closed:
            return error
        try:
            return self._signs.claim(exit_code(error)) or error
        except RuntimeError:  # who kept the store is gone
            return error

    def _finding(self) -> RilctlError | None:
        """Why this process should end: another rank has failed, or has been silent for too long, or all hang."""
        if self._signs.failure is not None and self._signs.failure[0] != self._rank:
            return FailedElsewhereError(*self._signs.failure)
        now, limit_s, peers = time.monotonic(), self._patience.silent_s, self._signs.peers
        if self._signs.is_closed:
            return self._cut_off("its connection is closed")
        if now - self._signs.read_at > limit_s:
            return self._cut_off(_silent(limit_s))
        for rank, pid in self._twins.items():
            if peers[rank].is_over or is_twin(pid):
                self._missed_at.pop(rank, None)
            elif now - self._missed_at.setdefault(rank, now) > 2 * self._patience.beat_s:  # it had time to say why
                return self._gone(rank, "its process has ended without a word")
        for rank, peer in self._signs.others.items():
            if not peer.is_over and now - peer.seen_at > limit_s:
                return self._gone(rank, _silent(limit_s))
        if all(peer.still_s > self._patience.still_s for peer in peers):
            places = ", ".join(f"rank {rank} on {peer.host} at {peer.place}" for rank, peer in enumerate(peers))
            return RankLostError(
                f"nothing has moved for {self._patience.still_s:g} s: {places}",
                hint=f"one of these places hangs, and the others wait for it; {_AGAIN}",
            )
        return None

    def _gone(self, rank: int, why: str, error: Exception | None = None) -> RilctlError:
        peer = self._signs.peers[rank]
        if rank in self._twins:
            kill_twin(peer.pid)  # frozen, it would write to the same files once it goes on
        also = f", and the backend says: {str(error).splitlines()[0].split('. ')[0]}" if error else ""
        return RankLostError(
            f"rank {rank} on {peer.host} is gone: {why}{also}",
            hint="it was killed, for want of memory perhaps, or is frozen: that host's kernel log (`dmesg`) may say; "
            f"{_AGAIN}",
        )

    def _cut_off(self, why: str) -> RilctlError:
        """The store can't be reached any more, so nothing can be agreed on, and one rank of each host says so."""
        self._signs.is_closed = True
        host = self._signs.peers[self._rank].host
        first = next(
            rank for rank, peer in enumerate(self._signs.peers) if peer.host == host and (rank or self._keeper)
        )
        if first != self._rank:
            return FailedElsewhereError(0, 1)
        if self._keeper is None:
            return self._gone(0, why)
        return RankLostError(f"{self._keeper}, over which the ranks meet, is gone: {why}", hint=_AGAIN)

    def _linger(self) -> None:
        """Rank 0 keeps the store until the others have read why all end."""
        if self._rank or self._keeper:
            return
        deadline, silent_s = time.monotonic() + self._patience.suspect_s, 3 * self._patience.beat_s
        while (now := time.monotonic()) < deadline and not self._signs.is_closed:
            if all(peer.is_over or now - peer.seen_at > silent_s for peer in self._signs.others.values()):
                return
            self._signs.hurry()
            time.sleep(self._patience.beat_s / 5)

    def _look(self) -> None:
        """The thread that ends the process where the main thread doesn't."""
        before = time.monotonic()
        while not self._is_finished.wait(self._patience.beat_s / 2) and not self._main_knows.is_set():
            now = time.monotonic()
            if now - before > self._patience.silent_s / 2:
                self._signs.forgive()  # it was this process that stood still
            before = now
            if (found := self._finding()) is not None:
                with self._lock:
                    self._cause = self._cause or self._claim(found)
                if not self._main_knows.wait(self._patience.grace_s):
                    self._go()
                break
        if self._cause is not None and not self._is_finished.wait(self._patience.end_s):
            self._go()

    def _go(self) -> None:
        assert self._cause is not None
        self._linger()
        self._leave(self._cause)


def exit_code(error: Exception) -> int:
    """What a process ends with because of an error."""
    if isinstance(error, InterruptedByUser):
        return error.interrupted_exit_code
    return error.exit_code if isinstance(error, RilctlError) else 1


def _silent(seconds: float) -> str:
    return f"it has given no sign of life for {seconds:g} s"
