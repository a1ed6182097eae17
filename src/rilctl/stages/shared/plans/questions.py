"""The questions of a plan: all that the data set has, a part that stands for all, or none but their stated size."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob

from rilctl.config.data import DataConfig, DigitsData, HubData, SizeConfig
from rilctl.data.conversation import Conversation
from rilctl.data.drawing import Drawn
from rilctl.data.sample import Sample
from rilctl.data.sources.base import absolute
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import data_config, load_part_of_data

MOST_ROWS = 25_000
"""Of a source with more than twice as many, so many are read."""


@dataclass(frozen=True)
class Questions:
    """What is asked, as far as a plan knows it.

    Args:
        samples: those that were read; of a stated size one that has it.
        num: of all.
        num_held_out: of the validation.
        num_rejected: rows that are no question.
        drawn: which rows were read; None: all.
        stated: the size that the recipe states; None: the data was read.
        left_in: what selection would leave out, but isn't looked for where rows are drawn.
        to_score: answers of these rows that the run's selection will have scored, by model.
    """

    samples: Sequence[Sample]
    num: int
    num_held_out: int = 0
    num_rejected: int = 0
    drawn: Drawn | None = None
    stated: SizeConfig | None = None
    left_in: str = ""
    to_score: Mapping[str, int] = field(default_factory=dict)

    def all_of(self, num: float) -> int:
        """How many there are in the whole data set, where `samples` have so many."""
        return round(num * self.num / len(self.samples)) if self.samples else 0

    def only(self, samples: Sequence[Sample]) -> "Questions":
        """Some of them."""
        return replace(self, samples=samples, num=self.all_of(len(samples)))


def plan_questions(context: StageContext) -> Questions:
    """The questions of the recipe's data set. Those of one data set are read once, however many plans ask.

    Raises:
        RilctlError: as `load_data` does; not because the data isn't here, where the recipe states its size.
    """
    config = data_config(context)
    known: dict[str, Questions] = context.planned
    key = config.model_dump_json()
    if key not in known:
        known[key] = _stated(config.size) if config.size and not _is_here(context, config) else _read(context)
    if context.to_score is not None:
        context.to_score.update(known[key].to_score)
    return known[key]


def _is_here(context: StageContext, config: DataConfig) -> bool:
    """Whether data can be read without a download."""
    if isinstance(config, DigitsData):
        return True
    path = str(absolute(config.path, context.base_dir))
    return os.path.isdir(path) if isinstance(config, HubData) else os.path.exists(path) or bool(glob(path))


def _stated(size: SizeConfig) -> Questions:
    """One question of words as long as the mean, which stands for all."""
    words = " ".join(["word"] * (size.prompt_tokens - size.image_tokens))
    sample = Sample("stated", Conversation.of(words), "stated", "")
    return Questions((sample,), size.num_questions, size.num_held_out, stated=size)


def _read(context: StageContext) -> Questions:
    config, to_score = data_config(context), dict[str, int]()
    train, validation = load_part_of_data(replace(context, to_score=to_score), MOST_ROWS)
    num_held_out = _num_all(len(validation.samples), validation.drawn, config.validation.num_samples)
    num = _num_all(len(train.samples), train.drawn, config.select.num_samples)
    left_in = [
        name
        for name, is_set in (
            ("near-duplicates", config.select.drop_near_duplicates),
            ("rows of benchmarks", bool(config.select.decontaminate)),
        )
        if is_set and train.drawn is not None and not train.drawn.of_usable
    ]
    is_exact = train.drawn is not None and train.drawn.of_usable
    num_rejected = len(train.rejected) if is_exact else _num_all(len(train.rejected), train.drawn, None)
    return Questions(
        train.samples, num, num_held_out, num_rejected, train.drawn, left_in=" and ".join(left_in), to_score=to_score
    )


def _num_all(num: int, drawn: Drawn | None, most: int | None) -> int:
    if drawn is None:
        return num
    everything = round(num * drawn.weight)
    return everything if most is None else min(everything, most)
