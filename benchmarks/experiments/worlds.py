"""What is compared: worlds, regimes, arms and rates, one record each, in the order in which they are run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    ("simpo", "soda", "grpo", "ril-sighted", "ril-sft", "sft-then-ril", "distill", "sft-best"),
)
"""Arms by the names of their overlays. In a place, the first group has all its seeds before the next one begins."""
ABLATIONS = (
    ("ril", "ablations/frozen", "ablations/threshold-calibrated", "ablations/replay", "ablations/similarity-half"),
    ("ablations/score-first", "ablations/rate-low", "ablations/updates-4", "ablations/graded", "ablations/binary"),
    ("ablations/bradley-terry", "ablations/threshold-group", "ablations/input-question", "ablations/input-picture"),
    ("ablations/teachers-off", "ablations/teachers-shaped", "ablations/teachers-2", "ablations/teachers-8"),
    ("ablations/untrained",),
)
"""RIL with one thing changed, compared with RIL, on three seeds."""


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
        suffix: of its name, where a world and a regime have several.
    """

    world: World
    regime: Regime
    groups: Sequence[Sequence[str]] = ARM_GROUPS
    seeds: Sequence[int] = SEEDS
    baseline: str = BASELINE
    suffix: str = ""

    @property
    def name(self) -> str:
        """Of its results."""
        return f"{self.world.name}-{self.regime.name}{self.suffix}"

    @property
    def arms(self) -> list[str]:
        """Of all groups."""
        return [arm for group in self.groups for arm in group]


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
REGIMES = (
    Regime("truth", "ground truth for every question"),
    Regime("tenth", "ground truth for a tenth of the questions"),
    Regime("erring", "a judge that calls a tenth of the right answers wrong and a fifth of the wrong ones right"),
)
PLACES = (
    *(Place(world, regime) for regime in REGIMES for world in WORLDS),
    Place(WORLDS[0], REGIMES[1], ABLATIONS, SEEDS[:3], "ril", "-ablations"),
)
"""In the order in which they are run: all worlds have a regime before the next one begins. Ablations are where there is
little truth, and so most to be learned from similarity."""

_RATES: Mapping[str, tuple[float, ...]] = {"sft": (3e-4, 1e-3, 3e-3), "train": (1e-4, 2e-4, 5e-4)}
_OWN_RATES: Mapping[str, tuple[float, ...]] = {"dpo": (3e-5, 1e-4, 3e-4), "simpo": (3e-5, 1e-4, 3e-4)}


def rates_of(arm: str, verbs: Sequence[str]) -> tuple[float, ...]:
    """Learning rates that are tried, by the verb that makes the arm's student; none for an arm that learns nothing."""
    return _OWN_RATES.get(arm, _RATES[verbs[-1]]) if verbs else ()
