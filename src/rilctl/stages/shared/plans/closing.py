"""What every plan ends with: time, disk, the output."""

from rilctl.artifacts.layout import TIMINGS
from rilctl.planning.plan import Fact, Section
from rilctl.planning.timing import seconds_of_tokens, seconds_per_step
from rilctl.reporting.metrics import read_metrics
from rilctl.stages.shared.context import StageContext


def time_section(context: StageContext, *, steps: int | None = None, generated: int = 0, trained: int = 0) -> Section:
    """How long it will take: from an earlier run's seconds per step, else from stated rates, else unknown.

    Args:
        context: the stage's surroundings.
        steps: of the whole run; None: the verb has none.
        generated: tokens that are sampled, at most.
        trained: tokens that go through updates, at most.
    """
    stated = context.recipe.plan
    directory = context.base_dir / stated.timings if stated.timings is not None else context.out
    if steps is not None and (stated.timings is not None or (directory / TIMINGS).is_file()):
        rows = read_metrics(directory / TIMINGS)
        seconds = seconds_per_step(rows)
        if seconds is not None:
            note = f"{seconds:.3g} s a step, measured over {len(rows):,} steps of {directory}"
            return _time(seconds * steps, note)
    seconds = seconds_of_tokens(generated, trained, stated.generated_tokens_per_s, stated.trained_tokens_per_s)
    if seconds is not None:
        rates = {"sampled": stated.generated_tokens_per_s, "trained": stated.trained_tokens_per_s}
        used = [f"{rate:,g} {what}" for what, rate in rates.items() if rate]
        return _time(seconds, f"at most: {' and '.join(used)} tokens/s, as [plan] states")
    earlier = "" if steps is None else ", or `plan.timings`"
    missing = [f"`plan.{name}_tokens_per_s`" for name, num in (("generated", generated), ("trained", trained)) if num]
    return _time(None, f"nothing was measured; state {' and '.join(missing)}{earlier}")


def output_section(context: StageContext, disk_bytes: int | None = None, note: str = "") -> Section:
    """Where the artifacts go, and how much of the disk they take."""
    disk = () if disk_bytes is None else (Fact("disk", disk_bytes, "bytes", note),)
    return Section("output", (*disk, Fact("directory", str(context.out))))


def _time(seconds: float | None, note: str) -> Section:
    return Section("time", (Fact("wall time", seconds, "s", note),))
