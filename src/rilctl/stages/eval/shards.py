"""A shard answers every n-th question into the call cache, so that processes share the work and one of them scores."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.runs import open_run
from rilctl.config.evaluation import EvalConfig
from rilctl.config.suite import Suite
from rilctl.engines.evaluation.base import EvaluationEngine
from rilctl.engines.evaluation.pictures import requests_beside
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.records import student_record
from rilctl.errors import RowError
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import up_to_date


@dataclass(frozen=True)
class MadeOf:
    """What an evaluation is made of: where any of it changes, nothing is up to date.

    Args:
        semantic: the keys, and the settings of every task.
        inputs: the student's lineage, and the suite's.
    """

    semantic: dict[str, JsonValue]
    inputs: list[InputEntry]


@dataclass(frozen=True)
class Shard:
    """Every `num`-th question of each task, from the `index`-th on."""

    index: int
    num: int

    @property
    def part(self) -> slice:
        """Of a task's questions, its own."""
        return slice(self.index, None, self.num)

    def folder(self, out: Path) -> Path:
        """Where its answers are written: beside the verb's own output."""
        return out.with_name(f"{out.name}-shard-{self.index}-of-{self.num}")


def find_shard(config: EvalConfig) -> Shard | None:
    """The shard that the recipe names."""
    return Shard(*map(int, config.shard.split("/"))) if config.shard is not None else None


def answer_shard(
    context: StageContext,
    config: EvalConfig,
    shard: Shard,
    suite: Suite,
    evaluation: EvaluationEngine,
    asking: Callable[[], AbstractContextManager[GenerationEngine]],
    made_of: MadeOf,
) -> StageResult:
    """Answer this shard's questions and write what was said as `responses`, beside the verb's own output.

    Args:
        context: the stage's surroundings.
        config: the `[eval]` table.
        shard: its shard.
        suite: what is asked.
        evaluation: knows the questions.
        asking: opens the student behind the call cache.
        made_of: as of the whole evaluation.
    """
    resolved = context.recipe.model_copy(update={"eval": config}).model_dump(mode="json", by_alias=True)
    with open_run(
        shard.folder(context.out),
        verb="eval",
        config=resolved,
        semantic=made_of.semantic | {"shard": config.shard},
        inputs=made_of.inputs,
        roles={"responses": "responses"},
        waiting=context.waiting,
    ) as this_run:
        done = this_run.finished()
        if done is not None:
            return up_to_date(done)
        writer = this_run.writer("responses", role="responses")
        num_rejected = 0
        with asking() as generation:
            for benchmark in suite.benchmarks:
                for asked in evaluation.questions(benchmark, limit=config.limit, seed=config.seed):
                    for picture in config.other_pictures:  # for the call cache alone
                        others = requests_beside(asked.requests, picture, config.seed)[shard.part]
                        generation.generate([e for e in others if not isinstance(e, RowError)], asked.sampling)
                        context.reporter.end()
                    requests = asked.requests[shard.part]
                    answers = list(zip(requests, generation.generate(requests, asked.sampling), strict=True))
                    context.reporter.end()
                    writer.write_rows(student_record(r, "", a[0]) for r, a in answers if not isinstance(a, RowError))
                    failed = [(r, a) for r, a in answers if isinstance(a, RowError)]
                    rejected = [RejectedRecord.of(request.sample_id, "student", error) for request, error in failed]
                    writer.write_rejected(rejected)
                    num_rejected += len(rejected)
        summary = writer.commit()
    return StageResult({"responses": summary}, num_rejected=num_rejected)
