"""What `rilctl compare` finds: `comparison.json`, and its `--json`."""

from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactSummary


class ComparedSeed(StrictModel):
    """An arm's student of one seed."""

    seed: int
    """What was added to the recipe's own seeds of training."""
    accuracy: float
    """Mean score over the held-out questions, 0 to 1."""
    response_tokens: int
    """Response tokens that the student learned from."""
    seconds: float | None
    """Of its own verbs, as their `timings.jsonl` say; absent where one has none."""


class ComparedArm(StrictModel):
    """One way to make a student."""

    name: str
    """The overlay's file name without `.toml`."""
    about: str
    """What it is, in a line."""
    accuracy: float
    """Mean score over seeds and held-out questions, 0 to 1."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    response_tokens: int
    """Response tokens that a student learned from, mean over the seeds."""
    seconds: float | None
    """Seconds of a seed's own verbs on one process, mean over the seeds; absent where one has no record."""
    full_size_seconds: float | None
    """The same at the recipe's full size, from what was measured here; absent where it can't be computed."""
    seeds: list[ComparedSeed]
    """One student each."""


class PairedDifference(StrictModel):
    """Two arms on the same questions."""

    a: str
    """An arm."""
    b: str
    """Another one."""
    difference: float
    """Accuracy of a minus that of b, -1 to 1."""
    low: float
    """Lower end of its interval, which holds at 95 % for all pairs together (Bonferroni)."""
    high: float
    """Upper end."""
    p: float
    """Of no difference, adjusted for all pairs (Holm)."""


class SharedCost(StrictModel):
    """What was done once, for all arms that need it."""

    name: str
    """`cache-teacher`, `judge` or `sft` (the warm start)."""
    seconds: float | None
    """As its command said; absent where it was there before."""
    money: float | None
    """What endpoints charged, in the currency of the recipe's prices; absent where none are stated."""


class ComparisonReport(StrictModel):
    """All of it."""

    recipe: str
    """The recipe's name."""
    questions: int
    """Held-out questions that every student has a score for."""
    left_out: int
    """Held-out questions that some student has no score for: they count for none."""
    pilot: int | None
    """Questions of a pilot; absent: all."""
    budget: str
    """How the arms' lengths were made equal."""
    arms: list[ComparedArm]
    """In the order in which they were named."""
    paired: list[PairedDifference]
    """Every two arms."""
    shared: list[SharedCost]
    """Costs that no arm has alone."""
    advice: str
    """One sentence."""
    artifacts: dict[str, ArtifactSummary | str]
    """`job/role` -> what each command made; the paths of pictures and tables."""
    seconds: float
    """How long this run took; what was up to date took no time."""
