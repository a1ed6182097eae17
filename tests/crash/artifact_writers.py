"""Run by test_artifacts.py as a process of its own: forks a writer per line of stdin, and kills it if it is told to.

A line is JSON: {"writer": NAME, "arguments": [...], "kill_after_s": seconds or null}. The answer is the writer's exit
code, negative for a signal. Forking saves the imports, so that many kills take little time.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # noqa: F401 - pyarrow imports it at the first row; here, before the fork, to save time
import pyarrow.parquet  # noqa: F401 - as above
from filelock import FileLock  # noqa: F401 - as above
from safetensors.numpy import save_file

from rilctl.artifacts import tables
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.runs import open_run
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import RejectedRecord, ResponseRecord


def response(index: int) -> ResponseRecord:
    """A row, each of another size."""
    return ResponseRecord(
        sample_id=f"q{index}",
        source="teacher",
        side="teacher",
        response_index=0,
        question="q",
        answer="a",
        image_digests=[],
        text="t" * index,
        token_ids=[index] * index,
        finish_reason="stop",
    )


def write_roles(out: str, status: Any) -> int:
    """A table of several shards with a rejected row, and weights in several files."""
    tables.ROWS_PER_GROUP, tables.ROWS_PER_SHARD = 5, 10  # type: ignore[misc]
    roles: dict[str, ArtifactKind] = {"responses": "responses", "student": "student"}
    with open_run(Path(out), verb="v", config={}, semantic={}, inputs=[], roles=roles) as run:
        if run.finished() is not None:
            return 0
        writer = run.writer("responses", "responses")
        for i in range(60):
            writer.write_rows([response(i)])
        writer.write_rejected([RejectedRecord(sample_id="bad", source="s", reason="r", message="m")])
        writer.commit(status=status)
        writer = run.writer("student", "student")
        files = {f"w{i}": f"model-{i}.safetensors" for i in range(8)}
        for i, (tensor, file) in enumerate(files.items()):
            save_file({tensor: np.full((64, 64), i, np.float32)}, writer.staging() / file)
        (writer.staging() / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
        writer.commit(status=status)
    return 0


def write_pages(kill_at: int, out: str, status: Any, *names: str) -> int:
    """A few files; dies before the `kill_at`-th step that changes the disk, or returns how many steps there were."""
    step = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            nonlocal step
            step += 1
            if step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return wrapper

    os.fsync = counted(os.fsync)
    for name in ("replace", "unlink", "mkdir"):
        setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
    shutil.rmtree = counted(shutil.rmtree)  # type: ignore[assignment]
    with open_run(Path(out), verb="v", config={}, semantic={}, inputs=[], roles={"report": "report"}) as run:
        if run.finished() is None:
            writer = run.writer("report")
            for name in names:
                (writer.staging() / name).write_text(name)
            writer.commit(status=status)
    return step


def put_calls(root: str, num_calls: int) -> int:
    """One transaction of eight answers per call."""
    with CallCache(Path(root)) as cache:
        for i in range(num_calls):
            cache.put_many({f"{i}-{j}": "x" * 2000 for j in range(8)})
    return 0


def hold_lock(directory: str) -> int:
    """Holds the lock far longer than any test."""
    with writer_lock(Path(directory)):
        (Path(directory) / "held").touch()
        time.sleep(600)
    return 0


WRITERS: dict[str, Callable[..., int]] = {f.__name__: f for f in (write_roles, write_pages, put_calls, hold_lock)}


def main() -> None:
    """See the top of this file."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(WRITERS[order["writer"]](*order["arguments"]))
            except BaseException:
                traceback.print_exc()
                os._exit(255)
        if order["kill_after_s"] is not None:
            time.sleep(order["kill_after_s"])
            os.kill(pid, signal.SIGKILL)  # it was not waited for yet, so the id is still its own
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
