"""Signs of life that the processes of a run give one another, over the store through which they met."""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread

from torch.distributed import Store  # type: ignore[attr-defined]

from rilctl.engines.training.standstill import whereabouts
from rilctl.errors import FailedElsewhereError
from rilctl.threads import LINGERING

_LEAVE_S = 3.0


@dataclass
class Peer:
    """What is known of a rank: where it runs, and its newest sign.

    Args:
        host: where it runs.
        pid: its process.
        beat: number of the sign.
        seen_at: when that came.
        is_over: it knows why it ends, or has done its work.
        still_s: for how long it has stood still.
        place: where in the code.
    """

    host: str
    pid: int
    beat: int = 0
    seen_at: float = 0.0
    is_over: bool = False
    still_s: float = 0.0
    place: str = ""


class Signs:
    """Gives this rank's, and reads the others', in a thread of its own: a store that is frozen blocks whoever asks it.

    Args:
        store: the rendezvous store; calls of other threads may go on over it.
        rank: of this process.
        size: processes.
        beat_s: between two signs.
        own: whether this rank is over, and for how long it has stood still.
    """

    def __init__(
        self, store: Store, rank: int, size: int, *, beat_s: float, own: Callable[[], tuple[bool, float]]
    ) -> None:
        self._signs, self._notes = (store.clone() for _ in range(2))  # type: ignore[attr-defined]
        self._rank, self._keys, self._beat_s, self._own = rank, [f"sign/{each}" for each in range(size)], beat_s, own
        self._has_news, self._is_ended = Event(), Event()
        self._num_beats = 0
        self._signs.set(self._keys[rank], json.dumps([0, False, 0.0, ""]))
        self._signs.set(f"who/{rank}", json.dumps([socket.gethostname(), os.getpid()]))
        known = self._signs.multi_get([f"who/{each}" for each in range(size)])
        self.peers = [Peer(*json.loads(who)) for who in known]
        self.failure: tuple[int, int] | None = None
        self.is_closed = False
        self.forgive()
        self._thread = Thread(target=self._go_on, daemon=True, name="signs")
        self._thread.start()

    @property
    def others(self) -> dict[int, Peer]:
        """All ranks but this one."""
        return {rank: peer for rank, peer in enumerate(self.peers) if rank != self._rank}

    def forgive(self) -> None:
        """Count everybody's silence from now on."""
        self.read_at = time.monotonic()
        for peer in self.peers:
            peer.seen_at = self.read_at

    def hurry(self) -> None:
        """Give the next sign now."""
        self._has_news.set()

    def end(self) -> None:
        """Give no more.

        Python aborts where it ends while a thread is in the store's own code; one that is frozen, or slow, isn't waited
        for, and the process has to end without Python's clean-up.
        """
        self._is_ended.set()
        self._has_news.set()
        self._thread.join(_LEAVE_S)
        if self._thread.is_alive():
            LINGERING.add(self._thread.name)

    def claim(self, code: int) -> FailedElsewhereError | None:
        """Note that this rank failed, with an exit code; None unless another one did before.

        Raises:
            RuntimeError: the store is gone.
        """
        if self._notes.add("failures", 1) == 1:
            self._notes.set("failure", json.dumps([self._rank, code]))
            return None
        return FailedElsewhereError(*json.loads(self._notes.get("failure")))

    def _go_on(self) -> None:
        try:
            while not self._is_ended.is_set():
                self._exchange()
                self._has_news.wait(self._beat_s)
                self._has_news.clear()
        except RuntimeError:
            self.is_closed = True

    def _exchange(self) -> None:
        self._num_beats += 1
        self._signs.set(self._keys[self._rank], json.dumps([self._num_beats, *self._own(), whereabouts()]))
        signs = self._signs.multi_get(self._keys)
        if self.failure is None and self._signs.check(["failure"]):
            rank, code = json.loads(self._signs.get("failure"))
            self.failure = rank, code
        self.read_at = time.monotonic()
        for peer, sign in zip(self.peers, signs, strict=True):
            beat, peer.is_over, peer.still_s, peer.place = json.loads(sign)
            if beat != peer.beat:
                peer.beat, peer.seen_at = beat, self.read_at
