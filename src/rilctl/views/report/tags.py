"""What is remarkable about a row."""

from collections.abc import Sequence

from rilctl.schemas.records import RolloutRecord

TAGS = {
    "rewarded-but-wrong": "the highest reward of its group, for a response that was judged wrong",
    "teacherlike-but-wrong": "the discriminator takes it for a teacher's, and it is wrong",
    "right-but-unlike": "right, and the discriminator is sure that it is a student's",
    "wrong-teacher": "a teacher's response that was judged wrong",
    "cut-off": "it ended because the token budget was spent",
    "no-verdict": "the judge gave no verdict",
}
"""Each with what it means."""

_SURE_LOGIT = 2.0


def tags_of(group: Sequence[RolloutRecord]) -> list[tuple[str, ...]]:
    """The tags of each row of a group."""
    rewards = [row.reward for row in group if row.reward is not None]
    highest = max(rewards) if rewards and max(rewards) > min(rewards) else None
    return [tuple(name for name in TAGS if _has(name, row, highest)) for row in group]


def _has(name: str, row: RolloutRecord, highest: float | None) -> bool:
    is_wrong = row.answer_reward is not None and row.answer_reward < 0.5
    is_student = row.side == "student"
    match name:
        case "rewarded-but-wrong":
            return is_wrong and is_student and highest is not None and row.reward == highest
        case "teacherlike-but-wrong":
            return is_wrong and is_student and (row.similarity_reward or 0.0) >= 0.5
        case "right-but-unlike":
            return row.answer_reward == 1.0 and is_student and (row.disc_logit or 0.0) > _SURE_LOGIT
        case "wrong-teacher":
            return is_wrong and not is_student
        case "cut-off":
            return row.finish_reason == "length" and is_student
        case _:
            return bool(row.answer) and row.reward is None
