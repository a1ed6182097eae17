"""The student's own responses to the questions: one snapshot, asked for through the call cache, an artifact of its run.

No process holds them: rank 0 writes each as it comes, and all read what they need of the artifact.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import read_rejected, summarize
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
from rilctl.stages.shared.cached_responses import CachedResponses, own_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.shared.ranked import RankedCalls, asked_to_stop, leave_if_asked

Answer = tuple[Response, ...] | RowError
ROLE = "responses"
"""Of the artifact in its run."""
_TOLD = 8
"""All ranks are told of so many parts of a window in turn."""
_SEEN_S = 60.0
"""A network's file system may show other hosts a new file after so long."""


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


@dataclass(frozen=True)
class OwnResponses:
    """What the student said.

    Args:
        responses: to the questions, read when they are needed.
        rejected: the questions that could not be asked, and those that were rejected before.
        outputs: the artifact, as rank 0 wrote it; none elsewhere.
    """

    responses: CachedResponses
    rejected: Sequence[RejectedRecord]
    outputs: dict[str, ArtifactSummary]


def sample_student(
    context: StageContext,
    config: Snapshot,
    student: ModelConfig,
    samples: Sequence[Sample],
    rejected: Sequence[RejectedRecord],
    artifact_run: Run,
    ranks: Ranks,
) -> OwnResponses:
    """Ask the student, unless an earlier start of the run did; its answers are the run's `responses`. Collective.

    Args:
        context: the stage's surroundings.
        config: how it is asked.
        student: who it is.
        samples: the questions.
        rejected: what was rejected before; written with the questions that can't be asked.
        artifact_run: the run.
        ranks: this process among the others.

    Raises:
        RilctlError: what was written can't be read, or as engines do.
    """
    path, outputs = artifact_run.path / ROLE, dict[str, ArtifactSummary]()
    if ranks.largest(int(ranks.is_main and (path / MANIFEST).exists())):
        context.reporter.say(f"student responses: {path}")
        with ranks.together():
            outputs = {ROLE: summarize(path)} if ranks.is_main else {}
    else:
        outputs = _sample(context, config, student, samples, rejected, artifact_run, ranks)
    with ranks.together():
        _wait_for(path / MANIFEST)
        return OwnResponses(own_responses(path, samples), read_rejected(path), outputs)


def _sample(
    context: StageContext,
    config: Snapshot,
    student: ModelConfig,
    samples: Sequence[Sample],
    rejected: Sequence[RejectedRecord],
    artifact_run: Run,
    ranks: Ranks,
) -> dict[str, ArtifactSummary]:
    """The artifact, as rank 0 wrote it; none elsewhere. Collective.

    Hugging Face answers in every process, any other engine in that of rank 0 for all.
    """
    in_every_process = isinstance(config.generation, HfEngineConfig)
    own = ranks.share(samples) if in_every_process else samples[: len(samples) * ranks.is_main]
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
            writer = artifact_run.writer("responses", role=ROLE) if ranks.is_main else None
            if writer is not None:
                writer.write_rejected(rejected)
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
            told = [[row.model_dump(mode="json") for row in each] for each in (rows, bad)]
            parts = ranks.at_main(told)
            with ranks.together():
                if writer is not None:
                    writer.write_rows(ResponseRecord.model_validate(row) for part in parts for row in part[0])
                    writer.write_rejected(RejectedRecord.model_validate(row) for part in parts for row in part[1])
            context.reporter.advance(ranks.total(len(part)))
            leave_if_asked(context, asked_to_stop(context, ranks))
        context.reporter.end()
        with ranks.together():
            return {} if writer is None else {ROLE: writer.commit()}


def _wait_for(file: Path) -> None:
    """Until this host sees what rank 0 wrote on a disk that they share; whoever reads it says if it isn't there."""
    deadline = time.monotonic() + _SEEN_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def _request(config: Snapshot, sample: Sample) -> GenerationRequest:
    seeds = tuple(row_seed(config.seed, "student", sample.id, index) for index in range(config.num_responses))
    return GenerationRequest(sample.id, sample.conversation, seeds)
