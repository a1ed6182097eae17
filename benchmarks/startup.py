"""What a large run waits for before it learns, and while it is answered.

    python benchmarks/startup.py [--json] [--work DIR] [--rows N] [--sft-rows N]

`endpoint_answers_per_s`: answers of an endpoint that are stored in the call cache in a second, and are safe there:
20,480 questions, and answers of 60 words that come from 64 places as fast as they are taken. They go the way of every
command, from the look at the cache to the commit, without HTTP; then all of them are looked for through another
connection. Best of three.

`near_duplicates_rows_per_s`: rows that are compared with all before them in a second of the processor: 1,000,000 that
ask the same question, of which every tenth has a picture near an earlier one. Pictures are hashes here: to decode and
hash them takes longer, and as long for each.

`train_start_s`, `train_start_gb`: seconds until `train` has the inputs of its first step, with a cache of 1,280,000
teachers' responses (40,000 questions, 32 each, 180 tokens), or of `--rows`, and memory beyond that of a start with
6,400. The model isn't counted. The cache is made in `--work` and kept there: 1.2 GB, two minutes. See `train_start.py`.

`step_teacher_rows_s`: seconds of the processor in which the teachers' rows of a step are read and tokenised, those of
all 144 questions, which several ranks share. Median of five steps.

`pretrain_disc_start_s`, `sft_of_teachers_start_s`, `train_resume_s`, each with `_gb`: seconds from the start of the
verb until its first step of eight rows is done, with that cache, 16 responses of the student to each question and a
verdict on each of the teachers' (`sft` learns the right ones); of `train`, until it goes on after a checkpoint. The
model is small; the memory is that beyond a start with 6,400. See `first_step.py`.

`teacher_busy_share`, `judge_busy_share`: see `feeding.py`; half a minute and two.

`sft_plan_s`, `sft_plan_gb`: seconds and memory of `rilctl sft --dry-run` from the start of the process to its end, on
4,000,000 rows of a LLaVA list, or `--sft-rows`, about 1,000 photographs of 1,024 x 768 px. They are written in `--work`
and kept there: 2 GB, six minutes. The data set is indexed. `sft_first_plan_s`, `sft_first_plan_gb`: the same where it
isn't yet. See `instructions.py`.

`sft_first_start_s`, `sft_start_s`, and `_gb`: seconds until `sft` has the inputs of its first step on the same rows,
where the data set is indexed for it and where it was indexed by an earlier start, and memory beyond that of a start
with 1,000 rows. The model isn't counted. See `sft_start.py`.

`step_picture_bytes`: what 144 questions about such photographs with 4 responses each send to a vLLM server, as
Qwen2.5-VL reads them (`pictures.py`).
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from feeding import judge_busy_share, teacher_busy_share
from first_step import first_steps
from instructions import NUM_ROWS as NUM_INSTRUCTIONS
from instructions import sft_plan
from pictures import MODELS, send, step_questions
from sft_start import sft_start
from train_start import NUM_RESPONSES, train_start

from rilctl.artifacts.calls import CallCache
from rilctl.config.data import SelectConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.select import Seen
from rilctl.engines.generation.base import Ahead, Came, GenerationRequest, Response, Usage
from rilctl.errors import RowError
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.stages.shared.pending import call_keys

NUM_ANSWERS, NUM_PLACES, ROUNDS = 20_480, 64, 3
NUM_ROWS = 1_000_000
WORDS = " ".join(["word"] * 60)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where data is made, and kept; without, it isn't")
    parser.add_argument("--rows", type=int, default=NUM_RESPONSES, help="of the cache")
    parser.add_argument("--sft-rows", type=int, default=NUM_INSTRUCTIONS, help="of instruction data")
    arguments = parser.parse_args()
    found = {name: measure() for name, measure in MEASURES.items()}
    with tempfile.TemporaryDirectory() as name:
        work = arguments.work or Path(name)
        found |= train_start(work, arguments.rows)
        found |= first_steps(work, arguments.rows)
        found |= sft_plan(work, arguments.sft_rows, "first_plan")
        found |= sft_start(work, arguments.sft_rows)
        found |= sft_plan(work, arguments.sft_rows, "plan")
    print(json.dumps(found) if arguments.json else "\n".join(f"{name}: {n:,.2f}" for name, n in found.items()))


class AtOnce:
    """A `OneByOneEngine` whose places are all answered when they are looked at."""

    model_name, model_digest, rows_at_once = "at once", "at-once", 8 * NUM_PLACES

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        return [tuple(_answer(request, seed) for seed in request.seeds) for request in requests]

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """See `OneByOneEngine`."""
        came: dict[tuple[int, int], Response | RowError] = {}
        at = 0
        for request in requests:
            if request is not None:
                came[at, 0] = _answer(request, 0)
                at += 1
            if request is None or len(came) == NUM_PLACES:
                yield came
                came = {}
                check_stop()
        yield came

    def close(self) -> None:
        """See `GenerationEngine`."""


def near_duplicates_rows_per_s() -> float:
    """See the module."""
    chance, seen = random.Random(0), Seen(SelectConfig().max_hash_distance)
    hashes = [chance.getrandbits(64) for _ in range(NUM_ROWS)]
    for at in range(10, NUM_ROWS, 10):
        hashes[at] = hashes[at - 7] ^ 1 << at % 64
    started = time.process_time()
    num_kept = sum(seen.add("What is this?", (one,)) for one in hashes)
    if num_kept != NUM_ROWS - (NUM_ROWS - 1) // 10:
        raise SystemExit(f"{num_kept} of {NUM_ROWS} rows were kept")
    return NUM_ROWS / (time.process_time() - started)


def endpoint_answers_per_s() -> float:
    """See the module."""
    return max(_answers_per_s() for _ in range(ROUNDS))


def step_picture_bytes() -> float:
    """See the module."""
    return send(step_questions(), MODELS["Qwen2.5-VL"]).now


def _answers_per_s() -> float:
    requests = [
        GenerationRequest(f"q{number}", Conversation.of(f"{WORDS} {number}?"), (0,)) for number in range(NUM_ANSWERS)
    ]
    with tempfile.TemporaryDirectory() as name, CallCache(Path(name)) as cache:
        started = time.perf_counter()
        num = _num_answered(AtOnce(), cache, requests)
        passed_s = time.perf_counter() - started
        with CallCache(Path(name)) as other:
            calls = [(request, SamplingConfig()) for request in requests]
            num_there = len(other.get_many(call_keys(AtOnce.model_digest, calls)))
    if num_there != NUM_ANSWERS:
        raise SystemExit(f"{NUM_ANSWERS - num_there} answers were lost")
    return num / passed_s


def _num_answered(engine: AtOnce, cache: CallCache, requests: Sequence[GenerationRequest]) -> int:
    answers = cached_responses(
        engine, cache, requests, SamplingConfig(), chunk=engine.rows_at_once, on_chunk=lambda num: None
    )
    return sum(not isinstance(answer, RowError) for answer in answers)


def _answer(request: GenerationRequest, seed: int) -> Response:
    return Response(f"{WORDS} {request.sample_id} {seed}", None, "stop", None, usage=Usage(61, 62))


MEASURES: dict[str, Callable[[], float]] = {
    "near_duplicates_rows_per_s": near_duplicates_rows_per_s,
    "endpoint_answers_per_s": endpoint_answers_per_s,
    "teacher_busy_share": teacher_busy_share,
    "judge_busy_share": judge_busy_share,
    "step_picture_bytes": step_picture_bytes,
}
"""By the names that are printed."""


if __name__ == "__main__":
    main()
