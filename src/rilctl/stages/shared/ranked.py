"""What a verb that trains on several processes needs around its loop."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager

import torch
from pydantic import JsonValue

from rilctl.artifacts.digests import provenance_digest
from rilctl.artifacts.runs import Run, open_run
from rilctl.config.engines import TrainingEngineConfig
from rilctl.config.recipe import Verb
from rilctl.engines.training.ranks import Ranks, end_process, open_ranks
from rilctl.errors import InputError, InterruptedByUser, UsageError
from rilctl.schemas.manifest import ArtifactKind, InputEntry
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.pending import Calls


@contextmanager
def join_ranks(context: StageContext, engine: TrainingEngineConfig, *, waits_s: float = 0.0) -> Iterator[Ranks]:
    """This process among those that train; alone where it was started alone. It has the threads that the recipe says.

    Args:
        context: the stage's surroundings.
        engine: what trains.
        waits_s: how long the recipe lets a rank wait for something outside.

    Raises:
        UsageError: there are several, and the engine is torch.
    """
    if context.world.size > 1 and engine.type == "torch":
        raise UsageError(
            f"{context.world.size} processes train together on DeepSpeed only, and engine.type is `torch`",
            hint='set `engine.type = "deepspeed"`; `zero_stage = 0` divides nothing',
        )
    if engine.num_threads:
        torch.set_num_threads(engine.num_threads)
    grouped, leave = engine.type == "deepspeed", context.leave or end_process
    with open_ranks(
        context.world, grouped=grouped, leave=leave, check_stop=context.check_stop, waits_s=waits_s
    ) as ranks:
        yield ranks


@contextmanager
def open_ranked_run(
    context: StageContext,
    ranks: Ranks,
    *,
    verb: Verb,
    semantic: dict[str, JsonValue],
    inputs: Sequence[InputEntry],
    roles: Mapping[str, ArtifactKind],
    optional: Set[str] = frozenset(),
) -> Iterator[Run]:
    """`open_run` by rank 0, which alone writes; the others know the directory.

    Raises:
        InputError: a rank reads other inputs or another recipe than rank 0: hosts have copies of their own.
        RilctlError: as `open_run` does.
    """
    _refuse_other_inputs(ranks, verb, semantic, inputs)
    config = context.recipe.model_dump(mode="json")
    run = Run(context.out, verb, config, tuple(inputs), provenance_digest(verb, semantic, inputs), roles, optional)
    with ExitStack() as held:
        with ranks.together():
            if ranks.is_main:
                opened = open_run(
                    context.out,
                    verb=verb,
                    config=config,
                    semantic=semantic,
                    inputs=inputs,
                    roles=roles,
                    optional=optional,
                    waiting=context.waiting,
                )
                run = held.enter_context(opened)
        yield run


def _refuse_other_inputs(
    ranks: Ranks, verb: Verb, semantic: dict[str, JsonValue], inputs: Sequence[InputEntry]
) -> None:
    own = {"recipe": provenance_digest(verb, semantic, ())} | {entry.role: entry.digest for entry in inputs}
    first = ranks.gather(own)[0]
    differing = sorted(role for role in own.keys() | first.keys() if own.get(role) != first.get(role))
    with ranks.together():
        if differing:
            raise InputError(
                f"rank {ranks.rank} has another {', '.join(differing)} than rank 0",
                hint="give all hosts the same recipe, data set and model directories",
            )


def asked_to_stop(context: StageContext, ranks: Ranks) -> int:
    """The signal that asked any rank for a clean end; 0: none did. Collective."""
    return ranks.largest(context.stop.signal_number or 0)


def leave_if_asked(context: StageContext, signal_number: int) -> None:
    """Raise `InterruptedByUser` where there was a signal; call it where everything done so far is on disk."""
    if signal_number:
        raise InterruptedByUser(signal_number, context.resume_command)


def share_rejected(ranks: Ranks, rejected: Sequence[RejectedRecord]) -> list[RejectedRecord]:
    """The bad rows that any rank met. Collective."""
    rows = ranks.gather_lists([row.model_dump(mode="json") for row in rejected])
    return [RejectedRecord.model_validate(row) for row in rows]


class RankedCalls:
    """The call cache, for all ranks: rank 0 alone has the file open, which hosts can't share over a network.

    Args:
        cache: rank 0's, whatever keeps answers there; None elsewhere.
        ranks: this process among the others; all ask equally often.
    """

    def __init__(self, cache: Calls | None, ranks: Ranks) -> None:
        self._cache, self._ranks = cache, ranks

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """See `CallCache`. Collective."""
        wanted = self._ranks.at_main(list(keys))
        found: list[dict[str, JsonValue]] = [{}] * self._ranks.size
        with self._ranks.together():
            if self._cache:
                found = [self._cache.get_many(each) for each in wanted]
        return self._ranks.exchange(found)[0]

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """See `CallCache`. Collective."""
        parts = self._ranks.at_main(dict(answers))
        with self._ranks.together():
            if self._cache:
                self._cache.put_many({key: answer for part in parts for key, answer in part.items()})
