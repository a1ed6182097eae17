"""`judge`: responses in, verdicts out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.read import read_manifest
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.config.fields import semantic_config
from rilctl.config.judge import JudgeConfig, RuleJudgeConfig
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest
from rilctl.engines.judging.open import open_judge
from rilctl.errors import InterruptedByUser
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import RejectedRecord, VerdictRecord, response_digest
from rilctl.stages.context import StageContext, StageResult
from rilctl.stages.inputs import up_to_date
from rilctl.stages.judge_input import STDIN, JudgeRow, find_source, read_source, read_stdin
from rilctl.stages.plans.closing import output_section

_ROWS_PER_CHUNK = 256


@dataclass
class _Tally:
    """Counts verdicts."""

    num_right: Counter[str] = field(default_factory=Counter)
    num_judged: Counter[str] = field(default_factory=Counter)
    num_no_verdict: int = 0
    num_rejected: int = 0

    def add(self, verdict: VerdictRecord) -> None:
        if verdict.correct is None:
            self.num_no_verdict += 1
        else:
            self.num_right[verdict.source] += verdict.correct
            self.num_judged[verdict.source] += 1

    def metrics(self) -> dict[str, float]:
        """Accuracy over all rows with a verdict, and for each source."""
        judged = self.num_judged
        metrics = {"accuracy": self.num_right.total() / judged.total()} if judged else {}
        metrics |= {f"accuracy/{source}": self.num_right[source] / judged[source] for source in sorted(judged)}
        return {**metrics, "num_no_verdict": float(self.num_no_verdict)}


def plan(context: StageContext) -> Plan:
    """What `run` would do; stdin is left alone."""
    config = _config(context)
    if config.source == STDIN:
        source, num_rows = Fact("source", "JSON Lines on stdin"), None
    elif (found := _planned_source(context, config)) is not None:
        source, num_rows = Fact("source", str(found[0]), note=found[1]), read_manifest(found[0]).num_rows or 0
    else:
        source, num_rows = Fact("source", None, note="not there yet: `rilctl cache-teacher` makes it"), None
    work = Section(
        "work",
        (
            Fact("judge", open_judge(config).name),
            source,
            Fact("responses", num_rows),
            Fact("judge calls", 0, note="none: rules"),
        ),
    )
    return Plan("judge", (work, output_section(context)))


def _planned_source(context: StageContext, config: JudgeConfig) -> tuple[Path, ArtifactKind] | None:
    """What will be judged; None: the recipe's own teacher cache, which isn't there yet."""
    if config.source is None and not context.upstream("cache-teacher").exists():
        return None
    return find_source(context, config)


def run(context: StageContext) -> StageResult:
    """Judge every response."""
    config = _config(context)
    judge = open_judge(config)
    responses = read_stdin() if config.source == STDIN else read_source(*find_source(context, config))
    semantic: dict[str, JsonValue] = {
        "judge": semantic_config(config.model_copy(update={"source": None})),  # what it holds counts, not where it is
        "rules": judge.name,
    }
    resolved = context.recipe.model_copy(update={"judge": config}).model_dump(mode="json", by_alias=True)
    with open_run(context.out, verb="judge", config=resolved, semantic=semantic, inputs=[responses.entry]) as this_run:
        done = this_run.finished({"verdicts": "verdicts"})
        if done is not None:
            return up_to_date(done)
        writer, tally = this_run.writer("verdicts"), _Tally()
        context.reporter.begin("judge", total=responses.num_rows, unit="responses")
        try:
            _judge_all(context, judge, responses.rows, writer, tally)
        except InterruptedByUser:
            writer.commit(status="partial", metrics=tally.metrics())
            raise
        context.reporter.end()
        summary = writer.commit(metrics=tally.metrics())
    if tally.num_no_verdict:
        context.reporter.warn(f"{tally.num_no_verdict} responses got no verdict; they count for no accuracy")
    return StageResult({"verdicts": summary}, num_rejected=tally.num_rejected, summary=dict(tally.metrics()))


def _judge_all(
    context: StageContext,
    judge: JudgeEngine,
    rows: Iterable[JudgeRow | RejectedRecord],
    writer: ArtifactWriter,
    tally: _Tally,
) -> None:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_PER_CHUNK)):
        good = [row for row in chunk if isinstance(row, JudgeRow)]
        rejected = [row for row in chunk if isinstance(row, RejectedRecord)]
        records = list(_verdicts(judge, good))
        for record in records:
            tally.add(record)
        writer.write_rows(records)
        writer.write_rejected(rejected)
        for row in rejected[: max(0, 5 - tally.num_rejected)]:
            context.reporter.warn(f"row `{row.sample_id}` rejected: {row.message}")
        tally.num_rejected += len(rejected)
        context.reporter.advance(len(chunk), metrics=tally.metrics())
        context.check_stop()


def _verdicts(judge: JudgeEngine, rows: list[JudgeRow]) -> Iterator[VerdictRecord]:
    verdicts = judge.judge([JudgeRequest(row.question, row.answer, row.text) for row in rows])
    for row, verdict in zip(rows, verdicts, strict=True):
        yield VerdictRecord(
            response_digest=response_digest(row.question, row.answer, row.text),
            sample_id=row.sample_id,
            source=row.source,
            response_index=row.response_index,
            step=row.step,
            correct=verdict.correct,
            prediction=verdict.prediction,
            reason=verdict.reason,
        )


def _config(context: StageContext) -> JudgeConfig:
    return context.recipe.judge or RuleJudgeConfig()
