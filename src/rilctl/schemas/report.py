"""Everything that `rilctl report` says of one run or several: `--format json` prints it, pages are made from it."""

from typing import Literal

from rilctl.schemas.base import StrictModel
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.report_made import ReportData, ReportLineage, ReportRecipe
from rilctl.schemas.report_result import Accuracy, Benchmark, Flips, PictureUse, SizedScore
from rilctl.schemas.report_rollouts import ReportPictures, ReportRollouts

REPORT_VERSION = 1
"""Raised when a field changes its meaning; new fields don't raise it."""


class ReportedRun(StrictModel):
    """One run: what it is, how far it came, what it took."""

    name: str
    """Short and different from all others of the report; parts refer to it by this."""
    path: str
    """Its folder."""
    verb: str
    """The verb that writes there; empty where nothing says it."""
    state: Literal["finished", "running", "stopped", "unreadable"]
    """`stopped`: unfinished, and nobody writes there."""
    started_at: str | None
    """UTC, ISO 8601; absent where it isn't known."""
    steps_done: int | None
    """Steps with metrics; absent for verbs without steps."""
    steps_planned: int | None
    """Steps that the recipe asks for, where it says so."""
    seconds: float | None
    """Seconds of its steps, by `timings.jsonl`; absent where there is none."""
    cost: float | None
    """What endpoints charged, in the currency of the recipe's prices; absent where none are stated."""
    num_parameters: int | None
    """Of its student; absent where there is none."""
    hardware: dict[str, str]
    """What it ran on; empty where the run doesn't say."""
    versions: dict[str, str]
    """rilctl, Python and libraries that made it."""


class Finding(StrictModel):
    """One sentence of the summary on top, the most important first."""

    text: str
    """For a person, with figures."""
    mood: Literal["good", "bad", "neutral"]
    """Whether it is news that one likes."""
    run: str
    """Of which run; empty: of all."""
    target: str
    """Where to look: `chart:NAME`, `sign:NAME`, `signs`, `flips`, `benchmarks`, `comparison`, `pictures`, `data`; or
    empty."""


class Line(StrictModel):
    """One curve of a chart."""

    run: str
    """The run's name."""
    metric: str
    """As `metrics.jsonl` calls it."""
    label: str
    """Of this curve among those of its run: `students`, `teachers`, `length alone`; empty where there is one."""
    points: list[tuple[int, float]]
    """(step, value), by step."""
    band: list[tuple[int, float, float]]
    """(step, low, high) of an interval; empty where there is none."""
    every: int = 1
    """A point is the mean of so many steps; 1: each is a step's own."""


class Chart(StrictModel):
    """One picture of training dynamics; curves of all runs."""

    name: str
    """Unique, for links: `reward-answer`."""
    group: Literal[
        "rewards", "accuracy", "length", "policy", "signal", "throughput", "discriminator", "judge", "sft", "other"
    ]
    """Charts of a group stand together; groups stand in this order."""
    kind: Literal["lines", "stack"]
    """Curves; or, for one run, amounts upon each other at each step: seconds of each phase."""
    title: str
    """A few words."""
    unit: str
    """Of the values: `share` (0 to 1), `nats`, `tokens`, `s`, …; empty: a number without one."""
    is_noisy: bool
    """Whether a running mean in front of thin raw values helps."""
    explanation: str
    """What it shows, and what good and bad look like."""
    docs: str
    """Page of the documentation, and its heading: `metrics.md#train`."""
    lines: list[Line]
    """At least one."""


class ReportSign(StrictModel):
    """A named warning that shows in a run."""

    name: str
    """Stable: `runaway-length`."""
    run: str
    """The run's name."""
    title: str
    """A few words."""
    severity: Literal["bad", "look"]
    """`bad`: the run is probably worth little from there on; `look`: worth a look."""
    says: str
    """What was seen, with figures."""
    steps: list[int]
    """Where it shows, by step; empty where it is of the whole run."""
    means: str
    """What it means."""
    advice: str
    """What to try."""
    docs: str
    """Page of the documentation, and its heading."""
    chart: str
    """The chart that shows it, by name; empty where none does."""
    is_lasting: bool = True
    """Whether it shows until the run's end, or near it; such ones come first."""


class Report(StrictModel):
    """One report."""

    version: int
    """`REPORT_VERSION` of the rilctl that wrote it."""
    title: str
    """What it is about."""
    made_at: str
    """UTC, ISO 8601."""
    made_by: str
    """rilctl and its version."""
    command: str
    """What was typed, so that it can be made again."""
    about: list[str] = []
    """Which model learned what, how and how long, in a sentence for each run that trains; of several, of all first."""
    figures: list[str] = []
    """How the accuracies of one student go together, in a sentence for each run that has several."""
    runs: list[ReportedRun]
    """In the order in which they were named, or by time."""
    notes: list[str]
    """What could not be read, and is missing here."""
    findings: list[Finding]
    """The summary."""
    signs: list[ReportSign]
    """Named warnings: bad ones first, then those that last to the end."""
    comparisons: list[ComparisonReport]
    """What `rilctl compare` found, where a folder of it was named."""
    accuracies: list[Accuracy]
    """Before and after."""
    flips: list[Flips]
    """Answers that became right or wrong."""
    benchmarks: list[Benchmark]
    """Beside references; empty where nothing was evaluated."""
    sizes: list[SizedScore]
    """Size against score; empty where nothing was evaluated."""
    picture_use: list[PictureUse]
    """Where it was measured."""
    charts: list[Chart]
    """By group."""
    rollouts: ReportRollouts | None
    """Absent where no run has any."""
    pictures: ReportPictures
    """What rollouts and flips refer to."""
    data: list[ReportData]
    """Of each run that reads or makes rows."""
    recipes: list[ReportRecipe]
    """Of each run."""
    lineage: ReportLineage
    """Of all runs together."""
