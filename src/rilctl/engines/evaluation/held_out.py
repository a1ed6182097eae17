"""The suite `validation`: a recipe's own held-out questions, and its own judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rilctl.config.fields import SamplingConfig
from rilctl.config.suite import Benchmark
from rilctl.data.sample import Sample
from rilctl.engines.evaluation.asked import Question, questions_digest
from rilctl.engines.evaluation.base import AskedQuestions, BenchmarkResult
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.generation.records import student_record
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.errors import RowError
from rilctl.schemas.records import EvaluationRecord, RejectedRecord

NAME = "validation"
"""The built-in suite, its only task, and what its records name."""


@dataclass(frozen=True)
class HeldOutEvaluation:
    """An `EvaluationEngine` for the suite `validation`; greedy decoding, as in `train`'s own validations.

    Args:
        samples: the held-out questions.
        max_new_tokens: of an answer.
        judge_identity: what decides a verdict.
        judge: a verdict for each response, in order.
    """

    samples: Sequence[Sample]
    max_new_tokens: int
    judge_identity: str
    judge: Callable[[Sequence[JudgeRequest]], Sequence[Verdict]]

    @property
    def _sampling(self) -> SamplingConfig:
        return SamplingConfig(max_new_tokens=self.max_new_tokens, temperature=0.0)

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """See `EvaluationEngine`."""
        samples = self.samples[:limit]
        asked = [Question(_request(sample), sample.answer) for sample in samples]
        return {
            f"{NAME}.task": self.judge_identity,
            f"{NAME}.questions": questions_digest(asked),
            f"{NAME}.num_questions": str(len(asked)),
            f"{NAME}.first_prompt": samples[0].question,
            f"{NAME}.sampling": self._sampling.model_dump_json(),
        }

    def questions(self, benchmark: Benchmark, *, limit: int | None, seed: int) -> list[AskedQuestions]:
        """See `EvaluationEngine`."""
        return [AskedQuestions(tuple(map(_request, self.samples[:limit])), self._sampling)]

    def evaluate(
        self, benchmark: Benchmark, generation: GenerationEngine, *, limit: int | None, seed: int
    ) -> BenchmarkResult:
        """See `EvaluationEngine`. An answer without a verdict has no score."""
        samples = self.samples[:limit]
        requests = [_request(sample) for sample in samples]
        records, responses, rejected, answered = [], [], [], []
        for sample, request, answer in zip(
            samples, requests, generation.generate(requests, self._sampling), strict=True
        ):
            if isinstance(answer, RowError):
                rejected.append(RejectedRecord.of(sample.id, NAME, answer))
            else:
                answered.append((sample, answer[0].text))
                responses.append(student_record(request, sample.answer, answer[0]))
        verdicts = self.judge([JudgeRequest.of(sample, text) for sample, text in answered])
        for (sample, text), verdict in zip(answered, verdicts, strict=True):
            if verdict.correct is None:
                rejected.append(RejectedRecord.of(sample.id, NAME, RowError("no-verdict", verdict.reason)))
                continue
            record = EvaluationRecord(
                benchmark=NAME,
                sample_id=sample.id,
                question=sample.question,
                answer=sample.answer,
                text=text,
                score=float(verdict.correct),
            )
            records.append(record)
        return BenchmarkResult(tuple(records), tuple(responses), tuple(rejected))


def _request(sample: Sample) -> GenerationRequest:
    return GenerationRequest(sample.id, sample.conversation, (0,))
