"""Signs of life between the processes of a run, so that none waits for one that failed, was killed or is frozen.

Each process has two threads. One tells the rendezvous store every second that it is alive, and reads there what the
others say. The other looks at what was read: another rank has failed, or has been silent for too long. Then the main
thread has a few seconds to end by itself, as a collective call that it waits in may fail as well; else the process is
ended under it. What is on disk is whole at any moment.

How long a rank works is nobody's affair: as long as its process runs, its signs of life come.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from threading import Event, RLock, Thread

import torch
from torch.distributed.distributed_c10d import Store

from rilctl.errors import FailedElsewhereError, InterruptedByUser, RankLostError, RilctlError

Leave = Callable[[Exception], object]
"""Says why, and ends the process at once."""


@dataclass(frozen=True)
class Patience:
    """How long ranks wait for a sign of one another.

    Args:
        beat_s: between two signs of life.
        silent_s: without one, and a rank is taken for gone.
        suspect_s: the same where a collective call has failed, so that somebody probably is.
        grace_s: for the main thread to end by itself.
        end_s: for it to put things away once it knows why.
    """

    beat_s: float = 1.0
    silent_s: float = 30.0
    suspect_s: float = 10.0
    grace_s: float = 3.0
    end_s: float = 20.0


USUAL_PATIENCE = Patience()


@dataclass
class _Peer:
    """What is known of a rank: where it runs, its newest sign and when it came, whether it is about to end."""

    host: str
    pid: int
    beat: int = 0
    seen_at: float = 0.0
    is_over: bool = False


class Watch:
    """This process's part; from `begin` to `end`.

    Args:
        store: the rendezvous store, over which no call of another thread goes on meanwhile.
        rank: of this process.
        size: processes.
        keeper: who keeps the store, for a person; None: rank 0.
        leave: called by a thread of the watch.
        patience: how long to wait.
    """

    def __init__(
        self, store: Store, rank: int, size: int, *, keeper: str | None, leave: Leave, patience: Patience
    ) -> None:
        self._signs, self._notes = (store.clone() for _ in range(2))  # type: ignore[attr-defined]
        self._rank, self._keeper, self._leave, self._patience = rank, keeper, leave, patience
        self._ranks = range(size)
        self._signs.set(f"sign/{rank}", json.dumps([0, False]))
        self._signs.set(f"who/{rank}", json.dumps([socket.gethostname(), os.getpid()]))
        known = self._signs.multi_get([f"who/{each}" for each in self._ranks])
        self._peers = [_Peer(*json.loads(who)) for who in known]
        self._failure: tuple[int, int] | None = None
        self._read_at = 0.0
        self._is_cut_off = False
        self._lock = RLock()
        self._cause: Exception | None = None
        self._main_knows, self._is_finished, self._is_ended, self._has_news = Event(), Event(), Event(), Event()
        self._num_beats = 0

    def begin(self) -> None:
        """Start both threads."""
        self._forgive()
        for work, name in ((self._tell, "signs"), (self._look, "watch")):
            Thread(target=work, name=name, daemon=True).start()

    def finish(self) -> None:
        """Nothing is looked for any more; signs go on until `end`."""
        self._is_finished.set()

    def end(self) -> None:
        """No more signs."""
        self._is_finished.set()
        self._is_ended.set()
        self._has_news.set()

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
        self._has_news.set()
        if self._rank == 0 and self._keeper is None:
            self._linger()
        return self._cause

    def _decide(self, error: Exception) -> Exception:
        if isinstance(error, FailedElsewhereError | InterruptedByUser):
            return error
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError):
            error = self._who_is_silent(error) or error
        return self._claim(error)

    def _who_is_silent(self, error: Exception) -> RilctlError | None:
        """Wait until every other rank has given two signs since the error, or one has given none for some time."""
        before, began = [peer.beat for peer in self._peers], time.monotonic()
        while (found := self._finding()) is None:
            silent = [rank for rank in self._ranks if rank != self._rank and self._peers[rank].beat == before[rank]]
            if silent and time.monotonic() - began > self._patience.suspect_s:
                return self._gone(silent[0], _silent(self._patience.suspect_s), error)
            if all(self._peers[rank].beat >= before[rank] + 2 for rank in self._ranks if rank != self._rank):
                return None
            time.sleep(self._patience.beat_s / 5)
        return found

    def _claim(self, error: Exception) -> Exception:
        """The error if it is the first of all ranks', which is noted; else that another one failed first."""
        if isinstance(error, FailedElsewhereError) or self._is_cut_off:
            return error
        try:
            if self._notes.add("failures", 1) == 1:
                self._notes.set("failure", json.dumps([self._rank, exit_code(error)]))
                return error
            rank, code = json.loads(self._notes.get("failure"))
        except RuntimeError:  # who kept the store is gone
            return error
        return FailedElsewhereError(rank, code)

    def _finding(self) -> RilctlError | None:
        """Why this process should end: another rank has failed, or has been silent for too long."""
        if self._failure is not None and self._failure[0] != self._rank:
            return FailedElsewhereError(*self._failure)
        now, limit_s = time.monotonic(), self._patience.silent_s
        if self._is_cut_off or now - self._read_at > limit_s:
            return self._cut_off()
        for rank, peer in enumerate(self._peers):
            if rank != self._rank and not peer.is_over and now - peer.seen_at > limit_s:
                return self._gone(rank, _silent(limit_s))
        return None

    def _gone(self, rank: int, why: str, error: Exception | None = None) -> RilctlError:
        peer = self._peers[rank]
        if peer.host == self._peers[self._rank].host:
            _kill_twin(peer.pid)  # frozen, it would write to the same files once it goes on
        also = f", and the backend says: {str(error).splitlines()[0].split('. ')[0]}" if error else ""
        return RankLostError(
            f"rank {rank} on {peer.host} is gone: {why}{also}",
            hint="it was killed, for want of memory perhaps, or is frozen; look at that host's kernel log (`dmesg`). "
            "The same command goes on from the last checkpoint",
        )

    def _cut_off(self) -> RilctlError:
        """The store can't be reached any more, so one rank of each host says so."""
        host = self._peers[self._rank].host
        first = next(rank for rank, peer in enumerate(self._peers) if peer.host == host and (rank or self._keeper))
        if first != self._rank:
            return FailedElsewhereError(0, 1)
        if self._keeper is None:
            why = "its connection is closed" if self._is_cut_off else _silent(self._patience.silent_s)
            return self._gone(0, why)
        return RankLostError(
            f"{self._keeper} is gone, over which the ranks meet",
            hint="the same command goes on from the last checkpoint",
        )

    def _linger(self) -> None:
        """Keep the store until the others have read why all end."""
        deadline = time.monotonic() + self._patience.suspect_s
        others = [peer for rank, peer in enumerate(self._peers) if rank != self._rank]
        while (now := time.monotonic()) < deadline and not self._is_cut_off:
            if all(peer.is_over or now - peer.seen_at > 3 * self._patience.beat_s for peer in others):
                return
            self._has_news.set()
            time.sleep(self._patience.beat_s / 5)

    def _tell(self) -> None:
        """The thread that gives signs and reads the others'."""
        try:
            while not self._is_ended.is_set():
                self._exchange()
                self._has_news.wait(self._patience.beat_s)
                self._has_news.clear()
        except RuntimeError:
            self._is_cut_off = True

    def _exchange(self) -> None:
        self._num_beats += 1
        is_over = self._cause is not None or self._is_finished.is_set()
        self._signs.set(f"sign/{self._rank}", json.dumps([self._num_beats, is_over]))
        signs = self._signs.multi_get([f"sign/{rank}" for rank in self._ranks])
        if self._failure is None and self._signs.check(["failure"]):
            self._failure = tuple(json.loads(self._signs.get("failure")))
        now = self._read_at = time.monotonic()
        for peer, sign in zip(self._peers, signs, strict=True):
            beat, peer.is_over = json.loads(sign)
            if beat != peer.beat:
                peer.beat, peer.seen_at = beat, now

    def _look(self) -> None:
        """The thread that ends the process where the main thread doesn't."""
        before = time.monotonic()
        while not self._is_finished.wait(self._patience.beat_s / 2):
            now = time.monotonic()
            if now - before > self._patience.silent_s / 2:
                self._forgive()  # it was this process that stood still
            before = now
            if self._main_knows.is_set():
                break
            if (found := self._finding()) is None:
                continue
            with self._lock:
                self._cause = self._cause or self._claim(found)
            if not self._main_knows.wait(self._patience.grace_s):
                self._go()
            break
        if self._cause is not None and not self._is_finished.wait(self._patience.end_s):
            self._go()

    def _go(self) -> None:
        if self._rank == 0 and self._keeper is None:
            self._linger()
        assert self._cause is not None
        self._leave(self._cause)

    def _forgive(self) -> None:
        """Count everybody's silence from now on."""
        self._read_at = time.monotonic()
        for peer in self._peers:
            peer.seen_at = self._read_at


def exit_code(error: Exception) -> int:
    """What a process ends with because of an error."""
    if isinstance(error, InterruptedByUser):
        return error.interrupted_exit_code
    return error.exit_code if isinstance(error, RilctlError) else 1


def _silent(seconds: float) -> str:
    return f"it has given no sign of life for {seconds:g} s"


def _kill_twin(pid: int) -> None:
    """Kill a process on this host, if it is a rank of this very command (where a container has its own, it isn't)."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            os.kill(pid, SIGKILL)
