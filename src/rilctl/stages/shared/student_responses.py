"""The student's own responses to the questions: one snapshot, asked for through the call cache."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.runs import Run
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import GenerationRequest, Response, questions_at_once
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.records import student_record
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.schemas.records import RejectedRecord, ResponseRecord
from rilctl.stages.shared.cached_calls import answer_chunk, cached_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.shared.ranked import RankedCalls, asked_to_stop, leave_if_asked, share_rejected

Answer = tuple[Response, ...] | RowError
_TOLD = 8
"""All ranks are told of so many parts of a window in turn."""


@dataclass(frozen=True)
class Snapshot:
    """How the student is asked.

    Args:
        num_responses: to each question.
        sampling: how they are sampled.
        seed: two verbs that ask alike, with the same seed, get the same responses, and pay once.
        generation: the engine.
    """

    num_responses: int
    sampling: SamplingConfig
    seed: int
    generation: GenerationEngineConfig


def sample_student(
    context: StageContext,
    config: Snapshot,
    student: ModelConfig,
    samples: Sequence[Sample],
    ranks: Ranks,
) -> tuple[dict[str, list[ResponseRecord]], list[RejectedRecord]]:
    """Ask the student, through the call cache. Collective.

    Hugging Face answers in every process, any other engine in that of rank 0 for all.

    Returns:
        Its responses by sample id, in the order of the samples; the questions that could not be asked.
    """
    in_every_process = isinstance(config.generation, HfEngineConfig)
    own = ranks.share(samples) if in_every_process else samples[: len(samples) * ranks.is_main]
    found: dict[str, list[ResponseRecord]] = {}
    rejected: list[RejectedRecord] = []
    with ExitStack() as held:
        with ranks.together():
            engine = open_generation(
                student,
                config.generation,
                context.base_dir,
                warn=context.reporter.warn,
                check_stop=context.check_stop,
                between_tokens=Pulse(context, hears=ranks.size == 1),
            )
            held.enter_context(closing(engine))
            asker = Asker("student", engine.model_name, context.out)
            cache = held.enter_context(CallCache(context.root, asker)) if ranks.is_main else None
        held.enter_context(ranks.noted())
        chunk = questions_at_once(engine.rows_at_once, config.num_responses)
        calls = RankedCalls(cache, ranks)
        fed: Iterator[Answer] = iter(())
        if cache is not None and not in_every_process:
            requests = [_request(config, sample) for sample in own]
            hears = context.check_stop if ranks.size == 1 else lambda: None
            answered = cached_responses(  # the engine works on while those that came are told
                engine, cache, requests, config.sampling, chunk=chunk, on_chunk=lambda num: None, check_stop=hears
            )
            fed = held.enter_context(closing(answered))
            chunk = max(1, chunk // _TOLD)
        context.reporter.begin("student responses", total=len(samples), unit="questions")
        for part in ranks.padded([own[start : start + chunk] for start in range(0, len(own), chunk)], []):
            if in_every_process:
                answers = answer_chunk(engine, calls, [_request(config, sample) for sample in part], config.sampling)
            else:
                with ranks.together():
                    answers = list(islice(fed, len(part)))
            rows, bad = list[ResponseRecord](), list[RejectedRecord]()
            for sample, answer in zip(part, answers, strict=True):
                if isinstance(answer, RowError):
                    bad.append(RejectedRecord.of(sample.id, "student", answer))
                else:
                    rows += [
                        student_record(_request(config, sample), sample.answer, response, index)
                        for index, response in enumerate(answer)
                    ]
            for record in ranks.gather_lists([row.model_dump(mode="json") for row in rows]):
                found.setdefault(record["sample_id"], []).append(ResponseRecord.model_validate(record))
            rejected += share_rejected(ranks, bad)
            context.reporter.advance(ranks.total(len(part)))
            leave_if_asked(context, asked_to_stop(context, ranks))
        context.reporter.end()
    return {sample.id: found[sample.id] for sample in samples if sample.id in found}, rejected


def store_responses(
    artifact_run: Run,
    responses: Mapping[str, Sequence[ResponseRecord]],
    rejected: Sequence[RejectedRecord],
    ranks: Ranks,
) -> dict[str, ArtifactSummary]:
    """Write the run's `responses`; what rank 0 wrote, and nothing elsewhere. Collective."""
    with ranks.together():
        if not ranks.is_main:
            return {}
        writer = artifact_run.writer("responses", role="responses")
        writer.write_rows(row for rows in responses.values() for row in rows)
        writer.write_rejected(rejected)
        return {"responses": writer.commit()}


def _request(config: Snapshot, sample: Sample) -> GenerationRequest:
    seeds = tuple(row_seed(config.seed, "student", sample.id, index) for index in range(config.num_responses))
    return GenerationRequest(sample.id, sample.conversation, seeds)
