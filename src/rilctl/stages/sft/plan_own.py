"""The part of the plan of `sft` that is about the student's own responses."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.config.sft import SftConfig
from rilctl.planning.plan import Fact
from rilctl.stages.sft.own_responses import find_own, read_own, snapshot
from rilctl.stages.sft.pairs import pair_up
from rilctl.stages.sft.rows import SftRow, Unit
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.inputs import artifact_fact
from rilctl.stages.shared.plans.questions import Questions
from rilctl.stages.shared.student_responses import Snapshot


@dataclass(frozen=True)
class PlannedOwn:
    """What a recipe does with the student's own responses.

    Args:
        inputs: where they are.
        work: how many.
        pairs: those that are known; none where they will be sampled, or nothing is preferred.
        sampled: how they will be.
        num_sampled: how many.
    """

    inputs: tuple[Fact, ...] = ()
    work: tuple[Fact, ...] = ()
    pairs: Sequence[Unit] = ()
    sampled: Snapshot | None = None
    num_sampled: int = 0


def planned_own(context: StageContext, config: SftConfig, questions: Questions, rows: Sequence[SftRow]) -> PlannedOwn:
    """What will be done; nothing without `[sft.preference]`.

    Args:
        context: the stage's surroundings.
        config: the `[sft]` table.
        questions: as far as they are known.
        rows: what is preferred, as far as it is known.

    Raises:
        RilctlError: as `find_own`, `read_own` and `pair_up` do.
    """
    wanted = config.preference
    if wanted is None:
        return PlannedOwn()
    loss = Fact("preference loss", wanted.loss, note=f"beta {wanted.beta:g}, margin {wanted.margin:g}")
    if wanted.responses is not None:
        path, kind = find_own(context, wanted.responses)
        inputs = (artifact_fact("own responses", path, "pretrain-disc"),)
        if not rows:
            return PlannedOwn(inputs, (loss,))
        pairs, left_out = pair_up(rows, read_own(context, path, kind, questions.samples))
        others = [Fact(f"left out {reason}", questions.all_of(num)) for reason, num in left_out.items()]
        return PlannedOwn(inputs, (loss, Fact("pairs", questions.all_of(len(pairs))), *others), pairs)
    asked = snapshot(context, config, wanted)
    num = questions.all_of(len({row.sample_id for row in rows} or questions.samples)) * asked.num_responses
    budget = asked.sampling.max_new_tokens
    work = (
        loss,
        Fact("own responses", num, note="sampled here, before the first step"),
        Fact("sampled tokens", num * budget, "tokens", f"at most, {budget} each"),
    )
    return PlannedOwn((), work, sampled=asked, num_sampled=num)
