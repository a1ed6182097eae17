"""What is compared: worlds, regimes, arms and rates, one record each, in the order in which they are run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments import digits_strong
from experiments.easy_vqa.prepare import prepare
from rilctl import api

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2, 3, 4)
"""Of training questions, samples, rollouts and order of rows; all are reported."""
TUNING_SEED = 100
"""Rates are tried on this one, and no result of it is reported but the validation accuracies."""
NUM_TRIALS = 3
"""Rates that are tried for each arm."""
BASELINE = "sft-right"
"""The arm that the others are compared with: the cheapest way to use teachers and ground truth together."""
ARM_GROUPS = (
    ("base", "sft-teachers", "sft-right", "answer-teachers", "ril"),
    ("sft-data", "dr-grpo", "ril-quarter", "dpo", "gad"),
    ("simpo", "soda", "grpo", "ril-sft", "sft-then-ril", "distill", "sft-best"),
)
"""Arms by the names of their overlays. In a place, the first group has all its seeds before the next one begins."""
PAIRS = (("ril", "answer-teachers"), ("ril-sighted", "ril"), ("ril-sft", "sft-then-ril"))
"""Compared with one another besides: what the discriminator adds, what having to look added, one run or two phases."""
STEADIER = (("ril", "ablations/graded"), ("ablations/rate-low",))
"""What may end the swing of RIL's reward, compared with RIL at RIL's rate."""
STEADIER_REMOVED = tuple(
    f"ablations/{name}" for name in ("threshold-calibrated", "threshold-group", "replay", "score-first")
)
"""What was tried besides, and didn't."""
ABLATIONS = (
    ("ril",),
    ("ril-quarter", "ablations/similarity-half", "ablations/frozen", "ablations/updates-4", "ablations/teachers-off"),
    ("ablations/bradley-terry", "ablations/untrained", "ablations/input-question", "ablations/input-picture"),
    ("ablations/teachers-2", "ablations/teachers-8"),
)
"""RIL with one other thing changed, likewise. `ril` is the paper's here, with its binary reward: the worlds say so."""
SIGHTED_REMOVED = ("ril-sighted", "ablations/sighted-long")
"""A discriminator that must look, which was run with all truths as well, and one that was pretrained until it did."""


@dataclass(frozen=True)
class World:
    """Pictures, questions, teachers and a student.

    Args:
        name: as in `worlds/NAME.toml`.
        about: one line for a person.
        seeded: the overrides of a seed's training questions.
        test: the overrides with which `eval` asks the test questions.
        of_arm: overrides that an arm needs here, by its name.
        prepare: makes what the recipe names, in the folder of artifacts and for these seeds, unless asked to stop; says
            which models it made. None: all of it ships.
    """

    name: str
    about: str
    seeded: Callable[[int], Mapping[str, str]]
    test: Mapping[str, str] = field(default_factory=dict)
    of_arm: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prepare: Callable[[Path, Sequence[int], api.StopFlag], str] | None = None

    @property
    def recipe(self) -> Path:
        """Its file."""
        return HERE / "worlds" / f"{self.name}.toml"


@dataclass(frozen=True)
class Regime:
    """What is known of the right answers; `regimes/NAME.toml` is laid over the world."""

    name: str
    about: str

    @property
    def overlay(self) -> Path:
        """Its file."""
        return HERE / "regimes" / f"{self.name}.toml"


@dataclass(frozen=True)
class Place:
    """A world in a regime, and what is compared there.

    Args:
        world: the pictures.
        regime: the truths.
        groups: arms; those of the first group come first.
        seeds: all are reported.
        baseline: what the other arms are compared with.
        rates_from: the arm whose rate all have: one thing is changed, and no other. None: each arm has its own.
        removed: arms that were run while their options were there.
        suffix: of its name, where a world and a regime have several comparisons.
    """

    world: World
    regime: Regime
    groups: Sequence[Sequence[str]] = ARM_GROUPS
    seeds: Sequence[int] = SEEDS
    baseline: str = BASELINE
    rates_from: str | None = None
    removed: Sequence[str] = ()
    suffix: str = ""

    @property
    def results(self) -> str:
        """Name of the file of its runs; comparisons of one world in one regime share them."""
        return f"{self.world.name}-{self.regime.name}"

    @property
    def name(self) -> str:
        """Of the comparison."""
        return f"{self.results}{self.suffix}"

    @property
    def arms(self) -> list[str]:
        """Of all groups, and removed ones."""
        return [*(arm for group in self.groups for arm in group), *self.removed]


HALF_EACH = {"sft.num_tokens": "50000", "train.num_tokens": "50000", "train.num_steps": "30"}
"""For an arm of two phases: as many response tokens in all as the other arms have."""
WORLDS = (
    World(
        "digits",
        "handwritten digits, two to be read and computed with; two teachers, each good at what the other isn't",
        seeded=lambda seed: {"data.seed": str(seed)},
        of_arm={"sft-then-ril": HALF_EACH},
    ),
    World(
        "easy-vqa",
        "colours and shapes, pictures and questions that nobody here wrote; two teachers of unequal strength",
        seeded=lambda seed: {"data.path": f"easy-vqa/{seed}.jsonl"},
        test={"data.path": "easy-vqa/0.jsonl", "data.validation.path": "easy-vqa/test.jsonl"},
        of_arm={"distill": {"train.distillation.teacher": "strong"}, "sft-then-ril": HALF_EACH},
        prepare=prepare,
    ),
)
STRONG = World(
    "digits-strong",
    "the digits with one teacher, which is right nearly always",
    seeded=lambda seed: {"data.seed": str(seed)},
    of_arm={"sft-then-ril": HALF_EACH, "distill": {"train.distillation.teacher": "strong"}},
    prepare=digits_strong.prepare,
)
"""Where there is little to be sorted out."""
REGIMES = (
    Regime("truth", "ground truth for every question"),
    Regime("tenth", "ground truth for a tenth of the questions"),
    Regime("erring", "a judge that calls a tenth of the right answers wrong and a fifth of the wrong ones right"),
)
TRUTH, TENTH, ERRING = REGIMES
PLACES = (
    *(Place(world, TRUTH, removed=SIGHTED_REMOVED[:1]) for world in WORLDS),
    *(Place(world, TENTH) for world in WORLDS),
    Place(STRONG, TRUTH, ARM_GROUPS[:1]),
    Place(
        WORLDS[0],
        TENTH,
        STEADIER,
        baseline="ril",
        rates_from="ril",
        removed=STEADIER_REMOVED,
        suffix="-steadier",
    ),
    Place(
        WORLDS[0],
        TENTH,
        ABLATIONS,
        SEEDS[:3],
        baseline="ril",
        rates_from="ril",
        removed=("ablations/teachers-shaped",),
        suffix="-ablations",
    ),
    Place(
        WORLDS[0],
        TENTH,
        (("ril",),),
        baseline="ril",
        rates_from="ril",
        removed=SIGHTED_REMOVED,
        suffix="-sighted",
    ),
    *(Place(world, ERRING) for world in WORLDS),
)
"""In the order in which they are run: all of them have their first group of arms before any has its second. Ablations
are where there is little truth, and so most to be learned from similarity."""


def title_of(place: Place) -> str:
    """For a person."""
    return f"{place.world.name}{place.suffix.replace('-', ', ')}: {place.regime.about}"


_RATES: Mapping[str, tuple[float, ...]] = {"sft": (3e-4, 1e-3, 3e-3), "train": (1e-4, 2e-4, 5e-4)}
_OWN_RATES: Mapping[str, tuple[float, ...]] = {"dpo": (3e-5, 1e-4, 3e-4), "simpo": (3e-5, 1e-4, 3e-4)}


def rates_of(arm: str, verbs: Sequence[str]) -> tuple[float, ...]:
    """Learning rates that are tried, by the verb that makes the arm's student; none for an arm that learns nothing."""
    return _OWN_RATES.get(arm, _RATES[verbs[-1]]) if verbs else ()
