"""The groups of a training step: one question, its rollouts, its teachers' cached responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import Response
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_response
from rilctl.schemas.records import FinishReason, ResponseRecord, Side


@dataclass(frozen=True)
class Row:
    """One response of a group: as it was sampled or cached, and what `rewarded` says of it once it is known.

    Args:
        side: student rollout or cached teacher response.
        source: `student`, or the teacher's name.
        text: decoded.
        token_ids: what the policy is trained on: as sampled, or a teacher's text tokenised once.
        finish_reason: why it ended.
        in_policy: whether it belongs to the policy's group; a teacher row may serve the discriminator alone.
        sampling_logprobs: of each token as the engine sampled it; None for a teacher's.
        disc_logit: high for a student's; None: there is no discriminator, or the logit isn't finite.
        rewards: by name, before they are weighted; None: no verdict.
        reward: their weighted sum; None: nothing is learned from the row.
        advantage: how much more than its group's mean that is.
    """

    side: Side
    source: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    in_policy: bool = True
    sampling_logprobs: tuple[float, ...] | None = None
    disc_logit: float | None = None
    rewards: Mapping[str, float | None] = field(default_factory=dict)
    reward: float | None = None
    advantage: float = 0.0


@dataclass(frozen=True)
class Group:
    """All rows share the prompt.

    Args:
        place: among the step's questions, which all ranks count alike.
        sample: the question.
        prompt: its encoding.
        rows: student rows, then teacher rows.
        truncated_mass: probability that top-p and top-k cut away, mean over the rollouts; None where nobody can tell.
    """

    place: int
    sample: Sample
    prompt: EncodedPrompt
    rows: tuple[Row, ...]
    truncated_mass: float | None = 0.0

    @property
    def policy_rows(self) -> list[Row]:
        """The rows that the policy learns from."""
        return [row for row in self.rows if row.in_policy]


def rows_of(groups: Sequence[Group]) -> list[tuple[Group, Row]]:
    """All rows in order, each with its group."""
    return [(group, row) for group in groups for row in group.rows]


class TeacherRows:
    """Cached teacher responses as training rows, teachers taking turns.

    Args:
        vlm: whose tokenizer the texts are read with.
        responses: by sample id.
        max_tokens: longer responses than the policy's token budget are left out.
        in_policy: whether the policy learns from them.
        seed: of the choice among N cached responses.
    """

    def __init__(
        self,
        vlm: Vlm,
        responses: Mapping[str, Sequence[ResponseRecord]],
        *,
        max_tokens: int,
        in_policy: bool,
        seed: int,
    ) -> None:
        self._in_policy = in_policy
        self._seed = seed
        self.num_too_long = 0
        self._rows: dict[str, dict[str, list[Row]]] = {}
        for sample_id, records in responses.items():
            for record in records:
                row = self._row(vlm, record)
                if len(row.token_ids) > max_tokens:
                    self.num_too_long += 1
                elif row.token_ids:
                    self._rows.setdefault(sample_id, {}).setdefault(record.source, []).append(row)

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._rows

    def pick(self, sample_id: str, num: int, *, step: int) -> list[Row]:
        """`num` rows for a question: round robin over teachers, from a place that depends on seed and step."""
        by_teacher = self._rows.get(sample_id, {})
        start = row_seed(self._seed, "teacher", sample_id, step)
        teachers = sorted(by_teacher)
        picked = []
        for turn in range(num if teachers else 0):
            rows = by_teacher[teachers[(start + turn) % len(teachers)]]
            picked.append(rows[(start // 97 + turn // len(teachers)) % len(rows)])
        return picked

    def _row(self, vlm: Vlm, record: ResponseRecord) -> Row:
        token_ids = encode_response(vlm, record.text, stopped=record.finish_reason != "length")
        return Row("teacher", record.source, record.text, token_ids, record.finish_reason, self._in_policy)


def student_row(response: Response) -> Row:
    """A rollout as a training row."""
    assert response.token_ids is not None, "rollouts come from engines that know what they sampled"
    return Row(
        "student",
        "student",
        response.text,
        response.token_ids,
        response.finish_reason,
        sampling_logprobs=response.sampling_logprobs,
    )
