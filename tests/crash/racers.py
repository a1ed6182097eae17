"""Run by test_races.py as a process of its own: forks racers that start together, and says how each ended.

A line of stdin is JSON: {"racers": [[NAME, *ARGUMENTS], ...]}. The answer is a JSON list of what each returned; of an
error of ours, its exit code and message; of any other, a traceback. Forking saves the imports.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - pyarrow imports it at the first row; here, before the fork, to save time
import pyarrow.parquet  # noqa: F401 - as above
from filelock import FileLock  # noqa: F401 - as above

from rilctl.artifacts import calls_file, locks, tables
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.locks import Waiting
from rilctl.artifacts.mounts import Mount
from rilctl.artifacts.read import read_rows
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.errors import RilctlError, RowError
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.testing.scripted import ScriptedGeneration

from .artifact_writers import response

NUM_ROWS = 30


def write(out: str, status: str = "complete", patience_s: float = 60.0) -> str:
    """Write an artifact, or find it done; waits for another writer."""
    locks.PATIENCE_S = patience_s
    tables.ROWS_PER_GROUP, tables.ROWS_PER_SHARD = 5, 10  # type: ignore[misc]
    waiting = Waiting(lambda line: None, lambda: None)
    with open_run(
        Path(out), verb="v", config={}, semantic={}, inputs=[], roles={"responses": "responses"}, waiting=waiting
    ) as run:
        if run.finished() is not None:
            return "up to date"
        writer = run.writer("responses")
        for index in range(NUM_ROWS):
            writer.write_rows([response(index)])
        writer.commit(status=status)  # type: ignore[arg-type]
    return "written"


def replace(out: str) -> str:
    """Write it partly, again and again, then whole."""
    for _ in range(4):
        write(out, "partial")
    return write(out)


def read(out: str) -> str:
    """Read until it is complete: at any moment, one of our errors or all of its rows."""
    while True:
        try:
            rows = [row.sample_id for row in read_rows(Path(out), ResponseRecord)]
        except RilctlError:
            time.sleep(0.001)
            continue
        return "read" if rows == [f"q{index}" for index in range(NUM_ROWS)] else f"{len(rows)} rows"


def put(root: str, start: int, num: int) -> str:
    """Answers `start` to `start + num`, one at a time; the value of an answer tells its key."""
    with CallCache(Path(root)) as cache:
        for index in range(start, start + num):
            cache.put_many({f"k{index}": {"text": f"v{index}" * 50}})
            found = cache.get_many([f"k{index}", f"k{index - 1}"])
            assert found[f"k{index}"] == {"text": f"v{index}" * 50}
    return "put"


def put_over_network(root: str, start: int, num: int) -> str:
    """The same where the file system is one of several hosts."""
    calls_file.mount_of = lambda path, table=Path(): Mount(Path(root), "nfs4", ("rw",))
    return put(root, start, num)


def ask(root: str, first: int, num: int) -> str:
    """Answers to some questions, asked for in chunks that two of these don't share; each question asked is noted."""

    def answer(request: GenerationRequest, seed: int) -> str:
        with Path(f"{root}.asked").open("a") as file:
            file.write(f"{request.sample_id} {seed}\n")
        time.sleep(0.002)
        return f"{request.question} {seed}"

    asked = {f"q{n}": Conversation.of(f"what is {n}?") for n in range(first, first + num)}
    requests = [GenerationRequest(name, conversation, (0, 1)) for name, conversation in asked.items()]
    with CallCache(Path(root)) as cache:
        answers = cached_responses(
            ScriptedGeneration(answer), cache, requests, SamplingConfig(), chunk=4, on_chunk=lambda _: None
        )
        for request, found in zip(requests, answers, strict=True):
            assert not isinstance(found, RowError)
            assert [response.text for response in found] == [f"{request.question} {seed}" for seed in request.seeds]
    return "asked"


def write_after_stop(out: str, patience_s: float) -> str:
    """Write, once another one stands still."""
    with _after_one_that_stands_still(out):
        return write(out, patience_s=patience_s)


def put_after_stop(root: str, start: int, num: int) -> str:
    """`put`, once another one stands still, and in no mood to wait."""
    with _after_one_that_stands_still(root):
        calls_file.BUSY_TIMEOUT_S = 0.5  # type: ignore[misc]
        return put(root, start, num)


def stop_while_writing(out: str) -> str:
    """Write, and stand still with the lock until somebody says go on."""
    commit = ArtifactWriter.commit

    def stop_first(writer: ArtifactWriter, **options: Any) -> ArtifactSummary:
        _stand_still(out)
        return commit(writer, **options)

    ArtifactWriter.commit = stop_first  # type: ignore[assignment]
    return write(out)


def stop_while_putting(root: str) -> str:
    """Stand still within a transaction of the call cache."""
    with CallCache(Path(root)) as cache, contextlib.closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        _stand_still(root)
    return "put"


@contextlib.contextmanager
def _after_one_that_stands_still(folder: str) -> Iterator[None]:
    """Begin when one does, and tell when this is over, however it went."""
    while not Path(f"{folder}.stopped").exists():
        time.sleep(0.01)
    try:
        yield
    finally:
        Path(f"{folder}.over").touch()


def _stand_still(folder: str) -> None:
    Path(f"{folder}.stopped").write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)


RACERS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        *(write, replace, read, put, put_over_network, ask),
        *(write_after_stop, put_after_stop),
        *(stop_while_writing, stop_while_putting),
    )
}


def _race(name: str, arguments: list[object], answer: int) -> None:
    try:
        text = RACERS[name](*arguments)
    except RilctlError as error:
        text = f"{error.exit_code}: {error.message}"
    except BaseException:
        text = traceback.format_exc()
    os.write(answer, text.encode()[:60_000])
    os._exit(0)


def main() -> None:
    """See the top of this file."""
    for line in sys.stdin:
        racers = json.loads(line)["racers"]
        gate, opened = os.pipe()
        ends = []
        for name, *arguments in racers:
            ours, theirs = os.pipe()
            if os.fork() == 0:
                os.close(opened)
                os.read(gate, 1)  # until the gate opens for all
                _race(name, arguments, theirs)
            os.close(theirs)
            ends.append(ours)
        os.close(opened)
        os.close(gate)
        said = []
        for end in ends:
            with os.fdopen(end, "rb") as file:
                said.append(file.read().decode())
            os.wait()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
