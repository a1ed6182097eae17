"""How small a rehearsal is: steps, rows, tokens. What divides work over processes stays as it is."""

from collections.abc import Mapping

from rilctl.pipeline.rehearsal.draft import Draft

NUM_STEPS = 4
"""Of each verb that trains: two checkpoints, two validations."""
NUM_ROWS = 32
"""Questions, held-out ones included."""
NUM_HELD_OUT = 4
MAX_NEW_TOKENS = 8
"""Of a response, teachers' and students' alike."""
MAX_TRAINED_TOKENS = 32
"""Of a rollout: what a random teacher says is more tokens when it is read again, and must fit."""

_AT_MOST: Mapping[str, int] = {
    "cache-teacher.num_responses": 2,
    "sft.validate_every": 2,
    "sft.checkpoint_every": 2,
    "pretrain-disc.num_responses": 2,
    "pretrain-disc.checkpoint_every": 2,
    "train.num_student_rows": 2,
    "train.num_teacher_rows": 2,
    "train.num_steps": NUM_STEPS,
    "train.validate_every": 2,
    "train.checkpoint_every": 2,
    "train.num_validation_questions": NUM_HELD_OUT,
    "data.validation.num_samples": NUM_HELD_OUT,
}


def shrink(draft: Draft, num_ranks: int) -> None:
    """Make everything small that isn't the layout.

    Args:
        draft: changed here.
        num_ranks: processes that train. A step has one question more, so that their shares are uneven.
    """
    for key, number in _AT_MOST.items():
        draft.at_most(key, number)
    for verb in ("cache-teacher", "pretrain-disc"):
        draft.at_most(f"{verb}.sampling.max_new_tokens", MAX_NEW_TOKENS)
    draft.at_most("train.sampling.max_new_tokens", MAX_TRAINED_TOKENS)
    for name in draft.get("teachers") or {}:
        draft.at_most(f"teachers.{name}.sampling.max_new_tokens", MAX_NEW_TOKENS)
    for verb in ("sft", "pretrain-disc"):
        draft.drop(f"{verb}.num_epochs")
        draft.put(f"{verb}.num_steps", NUM_STEPS)
        draft.at_most(f"{verb}.rows_per_step", 2 * num_ranks)
    draft.at_most("train.questions_per_step", num_ranks + 1)
    for verb in ("sft", "pretrain-disc", "train"):
        draft.at_most(f"{verb}.optim.warmup_steps", 1)
    draft.at_most("train.discriminator.optim.warmup_steps", 1)
    if draft.get("pretrain-disc.held_out_share"):
        draft.put("pretrain-disc.held_out_share", 0.25)
    if draft.get("data.validation.share"):
        draft.put("data.validation.share", 0.25)
        draft.put("data.validation.group", "conversation")  # all of the first rows may show one picture
