"""CPU and wall seconds by phase."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Seconds:
    """Time that passed on all threads of this process, and on the wall."""

    cpu: float = 0.0
    wall: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def __sub__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu - other.cpu, self.wall - other.wall)


def now() -> Seconds:
    """The clocks, once an accelerator has nothing left to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Seconds(time.process_time(), time.perf_counter())


@dataclass
class PhaseClock:
    """What each phase took; a phase inside another one doesn't count for the outer one."""

    phases: dict[str, Seconds] = field(default_factory=dict)
    _open: list[Seconds] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The time inside belongs to `name`."""
        start = now()
        self._open.append(Seconds())
        yield
        spent, inner = now() - start, self._open.pop()
        self.phases[name] = self.phases.get(name, Seconds()) + spent - inner
        if self._open:
            self._open[-1] += spent

    def watch(self, owner: Any, method: str, name: str | Callable[[], str]) -> None:
        """Let every call of `owner.method` belong to a phase, which a function may name at the call."""
        plain: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name if isinstance(name, str) else name()):
                return plain(*args, **kwargs)

        setattr(owner, method, timed)

    def take(self) -> dict[str, Seconds]:
        """The phases since the last call."""
        taken, self.phases = self.phases, {}
        return taken
