"""What is said of a run, in a line."""

from dataclasses import replace

from rilctl.config.recipe import VERBS
from rilctl.foreign import one_line
from rilctl.reporting.format import duration, number
from rilctl.reporting.registry import shown
from rilctl.views.runs.view import RunView
from rilctl.views.watch.look import Look
from rilctl.views.watch.progress import Progress

_LATE_S = 60.0
"""A run that has said nothing for so long is said to have said nothing."""


def standing(run: RunView) -> str:
    """Who writes to it, and when they last did."""
    if run.state == "finished":
        made = max((manifest.created_at for manifest in run.manifests.values()), default="")
        return one_line(f"{made}, {', '.join(sorted(run.manifests))}")
    writer = run.writer
    if writer is None:
        return "nobody writes to it" if run.state == "stopped" else ""
    where = f"process {writer.holder.pid} on {writer.holder.host}"
    if run.state == "stopped":
        return one_line(
            f"{where} was killed" if writer.is_here else f"{where} has been silent for {_silent(writer.silent_s)}"
        )
    late = writer.silent_s is not None and writer.silent_s > _LATE_S
    return one_line(where + (f", last sign {_silent(writer.silent_s)} ago" if late else ""))


def state_line(run: RunView, progress: Progress) -> str:
    """`step 12 of 60, 1.5 s each, 1 min 12 s left, 18 s so far`."""
    of = f" of {progress.num_steps}" if progress.num_steps else ""
    parts = [f"step {progress.step}{of}"]
    if progress.step_s is not None:
        parts.append(f"{progress.step_s:.3g} s each")
        if run.state == "running" and progress.left_s is not None:
            parts.append(f"{duration(progress.left_s)} left")
        parts.append(f"{duration(progress.taken_s)} {'so far' if run.state == 'running' else 'in all'}")
    return ", ".join(parts)


def step_line(look: Look, step: int) -> str:
    """A step in plain text: how far, and what stands beside the bar of its verb."""
    values = {name: dict(points)[step] for name, points in look.metrics.items() if step in dict(points)}
    metrics = {name: value for verb in VERBS if verb == look.run.verb for name, value in shown(verb, values).items()}
    parts = [state_line(look.run, replace(look.progress, step=step))]
    return one_line(", ".join([*parts, *(f"{name} {number(value)}" for name, value in metrics.items())]))


def _silent(seconds: float | None) -> str:
    return "long" if seconds is None else duration(seconds)
