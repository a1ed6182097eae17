"""`judge`: responses in, verdicts out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from pydantic import JsonValue

from rilctl.artifacts.runs import open_run
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.config.fields import semantic_config
from rilctl.engines.judging.base import JudgeEngine, Verdict
from rilctl.engines.judging.open import judge_identity
from rilctl.engines.judging.watch import WatchedJudge, metrics_of
from rilctl.errors import InterruptedByUser
from rilctl.schemas.records import NO_TRUTH, RejectedRecord, VerdictRecord, response_digest
from rilctl.stages.judge.inputs import (
    STDIN,
    Images,
    JudgeRow,
    find_source,
    judge_config,
    read_images,
    read_source,
    read_stdin,
)
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import up_to_date
from rilctl.stages.shared.judging import check_first, judge_entries, opened_judge
from rilctl.stages.shared.other_judge import JUDGED_BY

_FIRST_ROWS = 256
"""Canaries of the first check are made of them."""


@dataclass
class _Tally:
    """Counts verdicts."""

    num_right: Counter[str] = field(default_factory=Counter)
    num_judged: Counter[str] = field(default_factory=Counter)
    num_no_verdict: int = 0
    num_no_truth: int = 0
    num_rejected: int = 0

    def add(self, verdict: VerdictRecord) -> None:
        if verdict.correct is None:
            self.num_no_verdict += verdict.is_missing
            self.num_no_truth += not verdict.is_missing
        else:
            self.num_right[verdict.source] += verdict.correct
            self.num_judged[verdict.source] += 1

    def metrics(self) -> dict[str, float]:
        """Accuracy over all rows with a verdict, and for each source."""
        judged = self.num_judged
        metrics = {"accuracy": self.num_right.total() / judged.total()} if judged else {}
        metrics |= {f"accuracy/{source}": self.num_right[source] / judged[source] for source in sorted(judged)}
        metrics |= {"num_no_truth": float(self.num_no_truth)} if self.num_no_truth else {}
        return {**metrics, "num_no_verdict": float(self.num_no_verdict)}


def run(context: StageContext) -> StageResult:
    """Judge every response."""
    config = judge_config(context)
    responses = read_stdin() if config.source == STDIN else read_source(*find_source(context, config))
    semantic: dict[str, JsonValue] = {
        "judge": semantic_config(config.model_copy(update={"source": None})),  # what it holds counts, not where it is
        "judged by": judge_identity(config),
    }
    inputs = [responses.entry, *judge_entries(context, config)]
    resolved = context.recipe.model_copy(update={"judge": config}).model_dump(mode="json", by_alias=True)
    with open_run(
        context.out,
        verb="judge",
        config={**resolved, JUDGED_BY: judge_identity(config)},
        semantic=semantic,
        inputs=inputs,
        roles={"verdicts": "verdicts"},
        waiting=context.waiting,
        retry_rejected=context.retry_rejected,
    ) as this_run:
        done = this_run.finished()
        if done is not None:
            return up_to_date(done)
        images = read_images(context, config, responses.entry.role)
        writer, tally = this_run.writer("verdicts"), _Tally()
        with opened_judge(context, config, alone=True) as judge:
            rows = iter(responses.rows)
            first = list(islice(rows, _FIRST_ROWS))
            if first:
                to_ask = [row.request(images) for row in first if isinstance(row, JudgeRow) and row.has_truth]
                if to_ask:
                    check_first(context, judge, to_ask)
            context.reporter.begin("judge", total=responses.num_rows, unit="responses")
            try:
                _judge_all(context, judge, chain(first, rows), images, writer, tally)
            except InterruptedByUser:
                writer.commit(status="partial", metrics=tally.metrics())
                raise
            context.reporter.end()
            metrics = tally.metrics() | metrics_of(judge)
        summary = writer.commit(metrics=metrics)
    if tally.num_no_truth:
        context.reporter.say(f"{tally.num_no_truth} responses are to questions without a ground truth: nobody is asked")
    if tally.num_no_verdict:
        context.reporter.warn(f"responses without a verdict: {tally.num_no_verdict:,}; they count for no accuracy")
    num_lacking = tally.num_no_verdict + tally.num_rejected
    is_lacking = num_lacking > config.max_rejected_share * responses.num_rows
    if tally.num_no_verdict and is_lacking:
        context.reporter.warn(
            f"no verdict on {num_lacking / responses.num_rows:.1%} of the responses, `judge.max_rejected_share` is "
            f"{config.max_rejected_share:.1%}: the next verb refuses them; `--retry-rejected` asks again"
        )
    return StageResult(
        {"verdicts": summary}, num_rejected=tally.num_rejected, is_lacking=is_lacking, summary=dict(metrics)
    )


def _judge_all(
    context: StageContext,
    judge: JudgeEngine,
    rows: Iterator[JudgeRow | RejectedRecord],
    images: Images,
    writer: ArtifactWriter,
    tally: _Tally,
) -> None:
    """Verdicts on all rows; those of a judge under watch are written when a check covers them."""
    waiting: list[VerdictRecord] = []
    chunk = list(islice(rows, judge.rows_at_once))
    while chunk:
        following = list(islice(rows, judge.rows_at_once))
        good = [row for row in chunk if isinstance(row, JudgeRow)]
        rejected = [row for row in chunk if isinstance(row, RejectedRecord)]
        waiting += _verdicts(judge, good, images, is_last=not following)
        if not following and isinstance(judge, WatchedJudge):
            judge.settle()
        if not isinstance(judge, WatchedJudge) or not judge.num_provisional:
            for record in waiting:
                tally.add(record)
            writer.write_rows(waiting)
            waiting = []
        writer.write_rejected(rejected)
        for row in rejected[: max(0, 5 - tally.num_rejected)]:
            context.reporter.warn(f"row `{row.sample_id}` rejected: {row.message}")
        tally.num_rejected += len(rejected)
        context.reporter.advance(len(chunk), metrics=tally.metrics())
        context.check_stop()
        chunk = following


def _verdicts(
    judge: JudgeEngine, rows: Sequence[JudgeRow], images: Images, *, is_last: bool
) -> Iterator[VerdictRecord]:
    requests = [row.request(images) for row in rows if row.has_truth]
    if requests and isinstance(judge, WatchedJudge):
        found = iter(judge.verdicts_beside(requests, len(requests), settles=is_last))
    else:
        found = iter(judge.verdicts(requests) if requests else ())
    for row in rows:
        verdict = next(found) if row.has_truth else Verdict(None, None, NO_TRUTH)
        yield VerdictRecord(
            response_digest=response_digest(row.question, row.answer, row.text, row.context),
            sample_id=row.sample_id,
            source=row.source,
            response_index=row.response_index,
            step=row.step,
            correct=verdict.correct,
            prediction=verdict.prediction,
            reason=verdict.reason,
        )
