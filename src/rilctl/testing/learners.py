"""A learner of `sft` without a run around it."""

from collections.abc import Callable, Sequence
from typing import Any

from rilctl.config.sft import SftConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.stages.sft.lessons import ByHeart, Lesson
from rilctl.stages.sft.loop import Trainer
from rilctl.stages.sft.rows import SftInputs, SftRow, Unit, to_units


def sft_trainer(
    config: SftConfig,
    vlm: Vlm,
    rows: Sequence[SftRow],
    held_out: Sequence[SftRow] = (),
    *,
    pairs: Sequence[Unit] = (),
    lesson: Lesson | None = None,
    ranks: Ranks | None = None,
    warn: Callable[[str], object] = lambda text: None,
) -> Trainer:
    """What takes the steps, with nobody told of them.

    Args:
        config: the `[sft]` table.
        vlm: the student.
        rows: to learn.
        held_out: to validate on.
        pairs: instead of rows.
        lesson: what is done with them; None: they are learned by heart.
        ranks: this process among those that train; None: alone.
        warn: told what a person should know.
    """
    units, validated = (to_units(each, whole_conversations=config.whole_conversations) for each in (rows, held_out))
    inputs = SftInputs(pairs or units, validated)
    context: Any = None  # nothing is said, and nobody stops it
    chosen = lesson or ByHeart(vlm, warn)
    return Trainer(context, config, vlm, inputs, chosen, None, KeptPrompts(vlm), ranks or Ranks())
