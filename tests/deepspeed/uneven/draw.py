"""Random steps of training whose work several ranks can't share evenly. A case is its number: the same on every rank.

Questions are few, so that a rank may have none, and of very different lengths beside a small budget of tokens, so that
ranks have different numbers of micro-batches.
"""

import random
from dataclasses import dataclass
from itertools import product
from typing import Any

from PIL import Image

from rilctl.config.algorithms import ALGORITHMS
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample

SEED = 14
OBJECTIVES = (
    "sft",
    "pretrain-disc bce",
    "pretrain-disc bradley-terry",
    "train ril",
    "train ril_sft",
    "train gail",
    "train on_policy_distillation",
    "train answers",
    "train answers twice",
    "sft dpo",
)
ANSWERS = tuple(name for name, record in ALGORITHMS.items() if record.rewards == ("answer",))
"""Algorithms that take turns as the objectives `answers`, and `answers twice`: with two updates, so that ratios act."""
STAGES = (0, 2, 3)
NUM_RANKS = (1, 2, 3)
_FIRST, _SINCE = (
    list(product(NUM_RANKS, objectives, STAGES, (False, True))) for objectives in (OBJECTIVES[:-1], OBJECTIVES[-1:])
)
COMBINATIONS = _FIRST + _SINCE
"""Number of ranks (of one: DeepSpeed's engine against torch's), objective, ZeRO stage, an adapter or all weights. What
came later stands at the end: a case keeps its number."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "


@dataclass(frozen=True)
class Question:
    """A question of a step, with its responses.

    Args:
        sample: the question.
        students: rollouts.
        teachers: cached responses.
        is_bad: it is rejected, so that nobody has it.
    """

    sample: Sample
    students: tuple[str, ...]
    teachers: tuple[str, ...]
    is_bad: bool


@dataclass(frozen=True)
class Case:
    """A step of some verb.

    Args:
        number: which one.
        num_ranks: that share it.
        objective: of `OBJECTIVES`.
        stage: of ZeRO.
        lora: adapters instead of all weights.
        settings: what the verb's table says beyond the defaults.
        questions: the step's.
        verdicts: what the judge says of a row: `all`, `some`, `none`.
    """

    number: int
    num_ranks: int
    objective: str
    stage: int
    lora: bool
    settings: dict[str, Any]
    questions: tuple[Question, ...]
    verdicts: str

    @property
    def own_texts(self) -> tuple[str, ...]:
        """One of the student's for each teacher's response."""
        return tuple(
            question.students[place % len(question.students)]
            for question in self.questions
            for place in range(len(question.teachers))
        )

    def __str__(self) -> str:
        weights = "lora" if self.lora else "full"
        objective = self.objective.replace(" ", "-")
        return f"{self.number}-{objective}-zero-{self.stage}-{weights}-{self.num_ranks}-ranks"


def draw(number: int) -> Case:
    """The case of that number: each combination in turn, everything else by chance."""
    dice = random.Random(f"{SEED} {number}")
    num_ranks, objective, stage, lora = COMBINATIONS[number % len(COMBINATIONS)]
    pictures = dice.choice(("none", "all", "some", "one rank's"))
    questions = [
        _question(dice, index, has_picture=_has_picture(dice, pictures, index, num_ranks))
        for index in range(dice.choice((1, 2, 3, 4, 5, 6, 7)))
    ]
    if all(question.is_bad for question in questions):  # a step without a row is no step
        questions.append(_question(dice, len(questions), has_picture=False, may_be_bad=False))
    verdicts = dice.choice(("all", "all", "some", "some", "some", "none"))
    # another stage for each number of ranks
    name = ANSWERS[(number + number // (len(_FIRST) // len(NUM_RANKS))) % len(ANSWERS)]
    settings = _settings(dice, objective, name)
    return Case(number, num_ranks, objective, stage, lora, settings, tuple(questions), verdicts)


def _has_picture(dice: random.Random, pictures: str, index: int, num_ranks: int) -> bool:
    by_rank = index % max(2, num_ranks) == 0
    return {"none": False, "all": True, "some": dice.random() < 0.5, "one rank's": by_rank}[pictures]


def _question(dice: random.Random, index: int, *, has_picture: bool, may_be_bad: bool = True) -> Question:
    text = f"{index} {_words(dice, dice.choice((1, 8, 40)))}"
    color = tuple(dice.randrange(256) for _ in range(3))
    size = dice.choice(((56, 56), (28, 84)))
    images = (ImageRef(lambda: Image.new("RGB", size, color), f"picture {index}"),) if has_picture else ()
    sample = Sample(
        id=f"q{index}", conversation=Conversation.of(text, images), answer=str(index), response=_words(dice, 5)
    )
    students, teachers = (
        tuple(f"{side}{index}{row} {_words(dice, dice.choice((0, 4, 30)))}" for row in range(dice.choice((1, 2, 3, 4))))
        for side in "st"
    )
    return Question(sample, students, teachers, is_bad=may_be_bad and dice.random() < 0.15)


def _words(dice: random.Random, num: int) -> str:
    return "".join(dice.choice(_LETTERS) for _ in range(num)).strip()


def _settings(dice: random.Random, objective: str, answers: str) -> dict[str, Any]:
    verb, _, name = objective.partition(" ")
    budget = dice.choice((30, 120, 400, 4000))
    engine = {"tokens_per_micro_batch": budget, "gradient_checkpointing": dice.random() < 0.25}
    sees = dice.choice(("response", "question+response", "image+question+response"))
    if verb == "sft":
        if name:  # a pair is lost with either of its rows, and a step without a pair is no step
            return {"engine": engine, "max_response_tokens": 60, "preference": {"loss": name}}
        return {"engine": engine, "max_response_tokens": dice.choice((20, 60))}
    if verb == "pretrain-disc":
        return {"engine": engine, "loss": name, "input": sees}
    if name.startswith("answers"):
        name = answers
    has_teachers = ALGORITHMS[name].teacher_rows != "off"
    algorithm = {
        "name": name,
        "teacher_rows": dice.choice(("plain", "off")) if has_teachers else "off",
        "ratio_level": dice.choice(("token", "sequence")),
        "kl_beta": dice.choice((0.0, 0.05)) if "rewards" in ALGORITHMS[name].losses else 0.0,
        "kl_rows": dice.choice(("student", "all")),
        "policy_updates": 2 if objective.endswith("twice") else dice.choice((1, 2)),
        "disc_updates": dice.choice((0, 1, 2)),
    }
    correction = {"enabled": dice.random() < 0.5, "level": dice.choice(("token", "sequence"))}
    return {
        "engine": engine,
        "algorithm": algorithm,
        "sampler_correction": correction,
        "sampling": {"max_new_tokens": 40, "temperature": dice.choice((0.7, 1.0))},
        "max_missing_verdicts": 1.0,
        "disc_input": sees,
        "disc_loss": dice.choice(("bce", "bradley-terry")),
        "discriminator": {"reward": dice.choice(("binary", "graded"))},
    }
