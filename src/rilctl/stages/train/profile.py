"""A trace of the steps that a recipe names, of each rank, and on CUDA what lay in memory. It changes no number."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from rilctl.artifacts.layout import make_directory
from rilctl.clock import Clock
from rilctl.config.train import ProfileConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.private.torch import record_cuda_memory, save_cuda_memory

_MAX_MEMORY_EVENTS = 100_000


class StepProfile:
    """Profiles steps.

    Args:
        config: which; None: none.
        directory: where the files go; made for the first of them.
        device: of the models.
        ranks: this process among the others.
    """

    def __init__(self, config: ProfileConfig | None, directory: Path, device: torch.device, ranks: Ranks) -> None:
        self._steps = config.steps if config is not None else ()
        self._directory, self._device, self._ranks = directory, device, ranks
        self.has_written = False

    @contextmanager
    def step(self, step: int, clock: Clock) -> Iterator[None]:
        """What is done inside is a step; the phases that the clock knows are ranges of its trace. Collective."""
        if step not in self._steps:
            yield
            return
        on_cuda = self._device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
        plain, clock.span = clock.span, self._span
        if on_cuda:
            record_cuda_memory(_MAX_MEMORY_EVENTS)
        try:
            with profile(activities=activities, profile_memory=True, record_shapes=True) as profiler:
                yield
        finally:
            clock.span = plain
        with self._ranks.together():
            self._write(step, profiler, on_cuda)

    def _write(self, step: int, profiler: profile, on_cuda: bool) -> None:
        make_directory(self._directory)
        name = f"step-{step:08d}-rank-{self._ranks.rank:05d}"
        writing = self._directory / f"writing-{name}.json.gz"
        profiler.export_chrome_trace(str(writing))
        writing.replace(self._directory / f"{name}.json.gz")
        if on_cuda:
            save_cuda_memory(self._directory / f"{name}.pickle")
            record_cuda_memory(None)
        self.has_written = True

    @contextmanager
    def _span(self, phase: str) -> Iterator[None]:
        """A range of the trace that holds all that was launched in it."""
        with record_function(phase):
            yield
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)

    def how_to_open(self) -> str | None:
        """For a person, at the end; None: nothing was written."""
        if not self.has_written:
            return None
        memory = ", *.pickle at https://docs.pytorch.org/memory_viz" if self._device.type == "cuda" else ""
        return f"profile: {self._directory}; open *.json.gz at https://ui.perfetto.dev{memory}"
