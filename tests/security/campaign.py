"""Malicious models and artifacts, each given to those who read it; prints counts, and on stderr what went wrong.

`python -m tests.security.campaign [WORD ...]` from the repository's root, with words that the names of attacks hold;
another tree's `src` on PYTHONPATH measures that one. The exit code is 1 if anything went wrong.
"""

import argparse
import gc
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from .attack import MARKER, Attack
from .attacks import all_attacks
from .spoiled_served import put_model
from .spoiled_suites import good_suite
from .world import World, copy_world, make_world

MOST_BYTES = 1 << 30
"""That reading may take more than the process had."""
MOST_SECONDS = 20.0
"""Of processor time."""
SERVED_SECONDS = 60.0
"""The same where vLLM starts, which takes five by itself."""
NEEDED = {"served": "vllm", "lmms": "lmms_eval"}
"""Whose loader it is that reads what is spoiled there."""
SERVED = (
    "vllm.v1.engine.llm_engine",
    "vllm.v1.engine.core",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.worker.cpu_model_runner",
    "vllm.model_executor.models.qwen2_5_vl",
)
"""What vLLM imports when it loads a model."""
PATIENCE_S = 30.0
"""In which a step and what it started only wait; who has work to do and no processor doesn't."""
FAULTS = ("executed", "silent", "hung", "memory", "internal", "unnamed", "obeyed", "hidden", "lost")
"""Code ran; it was used; it didn't end; it grew; an error of ours or a crash; the message lacks the file; a terminal
got a control sequence; `ls` left the good artifact out; a file outside was deleted."""
OBEYED = "\x1b\x07\x9b\u202e\u2066\r\x00"


@dataclass
class Verdict:
    """What came of an attack.

    Args:
        attack: which.
        faults: of `FAULTS`.
        details: what was said.
    """

    attack: Attack
    faults: set[str] = field(default_factory=set)
    details: str = ""


def try_all(attacks: Sequence[Attack], folder: Path) -> list[Verdict]:
    """Try attacks, each in a process of its own, on a world of its own."""
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    good = make_world(folder / "good")
    if any(attack.where == "served" for attack in attacks):
        os.environ |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_LOGGING_LEVEL": "ERROR"}
        os.environ |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        for name in SERVED:
            importlib.import_module(name)
    if any(attack.where == "lmms" for attack in attacks):
        os.environ["HF_DATASETS_CACHE"] = str(folder / "datasets")
        importlib.import_module("rilctl.engines.evaluation.lmms.engine")
    _warm_up(good)
    if any(attack.where == "served" for attack in attacks):
        served = copy_world(good, folder / "served")
        put_model(served)
        assert _said(served, lambda: _serve(served)) == 0
    if any(attack.where == "lmms" for attack in attacks):
        suite = copy_world(good, folder / "suite")
        good_suite(suite)
        assert _said(suite, lambda: _evaluate(suite)) == 0
    verdicts = []
    for attack in attacks:
        verdict = _try(attack, good, folder / "tried")
        if verdict.faults:
            print(f"{attack.name}: {', '.join(sorted(verdict.faults))}\n{verdict.details}", file=sys.stderr, flush=True)
        verdicts.append(verdict)
    return verdicts


def _warm_up(good: World) -> None:
    """See that what is good is taken, and import what its readers did, so that no child has to."""
    listed = good.root.parent / "modules"
    for where in ("student", "model"):
        for step, words in _steps(where, good):

            def do(step: Callable[[], int] = step) -> int:
                code = step()
                listed.write_text("\n".join(sys.modules))
                return code

            assert _said(good, do) == 0, words
            for name in listed.read_text().split("\n"):
                if name.startswith(("rilctl.", "transformers.models.", "rich.", "typer.")):
                    importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each child copies what it never changes


def _try(attack: Attack, good: World, root: Path) -> Verdict:
    world = copy_world(good, root)
    verdict = Verdict(attack)
    blamed = attack.do(world)
    precious = world.root / "precious" / "thesis.txt"
    had_precious = precious.exists()
    try:
        for step, (words, must_fail) in _steps(attack.where, world):
            must_fail = must_fail and attack.refused and words in attack.by
            code, said = _in_child(world, step, verdict)
            if code is None:
                continue
            if "Traceback" in said or "internal error" in said or code not in (0, 2, 3, 5, 6) or code < 0:
                verdict.faults.add("internal")
            if must_fail and code == 0:
                verdict.faults.add("silent")
            if code and blamed is not None and not _names(said, blamed):
                verdict.faults.add("unnamed")
            if set(OBEYED) & set(said):
                verdict.faults.add("obeyed")
            if words == "ls" and str(world.artifact("good")) not in said:
                verdict.faults.add("hidden")
            if verdict.faults:
                verdict.details += f"[{words}: exit {code}] {said.strip()[-300:]}\n"
        if list(world.root.rglob(MARKER)):
            verdict.faults.add("executed")
        if had_precious and not (precious.exists() and precious.read_text() == "mine"):
            verdict.faults.add("lost")
    finally:
        _remove(root)
    return verdict


def _names(said: str, blamed: Path) -> bool:
    """The file, or its directory where a library doesn't say which it was."""
    return blamed.name in said or str(blamed.parent) in said


def _remove(root: Path) -> None:
    import shutil

    shutil.rmtree(root)


def _steps(where: str, world: World) -> list[tuple[Callable[[], int], tuple[str, bool]]]:
    """Who reads it: what each does, its name, and whether it must refuse what may not be read."""
    if where == "model":
        return [(lambda: _load(world.model), ("load", True))]
    if where == "served":
        return [(lambda: _serve(world), ("load", True))]
    if where == "lmms":
        return [(lambda: _evaluate(world), ("load", True))]
    if where == "suite":
        return [(lambda: _task(world), ("load", True))]
    path = str(world.artifact(where))
    if where == "responses":
        return [
            (lambda: _write(world), ("write", False)),
            (lambda: _cli("artifacts", "ls", str(world.root)), ("ls", False)),
        ]
    return [
        (lambda: _cli("artifacts", "verify", path), ("verify", True)),
        (lambda: _cli("artifacts", "show", path), ("show", False)),
        (lambda: _cli("artifacts", "lineage", path), ("lineage", False)),
        (lambda: _cli("artifacts", "ls", str(world.root)), ("ls", False)),
        (lambda: _use(where, world), ("use", True)),
    ]


def _cli(*arguments: str) -> int:
    from rilctl.cli.app import run

    return run(list(arguments))


def _guarded(do: Callable[[], object]) -> int:
    from rilctl.cli.failures import show_error

    try:
        do()
    except Exception as error:
        return show_error(error, with_traceback=False)
    return 0


def _load(path: Path) -> int:
    def load() -> None:
        import torch

        from rilctl.config.fields import ModelConfig
        from rilctl.models.loaded.vlm import load_vlm
        from rilctl.testing.prompts import drawn_prompt

        vlm = load_vlm(ModelConfig(model=str(path)), base_dir=path.parent, device=torch.device("cpu"))
        drawn_prompt(vlm, "what is it?", [])

    return _guarded(load)


def _serve(world: World) -> int:
    """A teacher's answer, by vLLM in this process."""

    def answer() -> None:
        from rilctl.config.engines import VllmEngineConfig
        from rilctl.config.fields import ModelConfig, SamplingConfig
        from rilctl.data.conversation import Conversation
        from rilctl.engines.generation.base import GenerationRequest
        from rilctl.engines.generation.open import open_generation

        engine = VllmEngineConfig(kv_cache_bytes=1 << 27, max_length_tokens=256)
        opened = open_generation(ModelConfig(model=str(world.model), dtype="float32"), engine, world.root)
        asked = GenerationRequest("q", Conversation.of("4 + 4?"), (0,))
        (answer,) = opened.generate([asked], SamplingConfig(max_new_tokens=4))
        print(answer)
        opened.close()

    return _guarded(answer)


def _evaluate(world: World) -> int:
    """A task of one's own, by lmms-eval; what is rejected gives no score."""

    def evaluate() -> None:
        from rilctl.config.suite import Benchmark
        from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
        from rilctl.testing.scripted import ScriptedGeneration

        benchmark = Benchmark(name="Mine", tasks=("mine",), dataset="drawn", split="test", metric="right")
        evaluation = LmmsEvaluation(world.root / "suite", data_dir=None, judge=None)
        evaluation.settings(benchmark, limit=None)
        generation = ScriptedGeneration(lambda request, seed: "8")
        print(evaluation.evaluate(benchmark, generation, limit=None, seed=0))

    return _guarded(evaluate)


def _task(world: World) -> int:
    from rilctl.engines.evaluation.own_tasks import load_task

    return _guarded(lambda: load_task("mine", world.root / "suite", "right"))


def _use(where: str, world: World) -> int:
    path = world.artifact(where)

    def use() -> None:
        from rilctl.artifacts.read import check_files, read_rejected, read_rows
        from rilctl.artifacts.runs import read_run
        from rilctl.models.discriminator import read_card
        from rilctl.schemas.records import ResponseRecord

        read_run(path)
        if where == "teacher-cache":
            for _ in read_rows(path, ResponseRecord):
                pass
            read_rejected(path)
            return
        check_files(path)
        if where == "discriminator":
            read_card(path)
        if where in ("student", "discriminator"):
            code = _load(path)
            if code:
                os._exit(code)

    return _guarded(use)


def _write(world: World) -> int:
    """The command that made it goes on."""

    def write() -> None:
        from rilctl.artifacts.log_file import LogFile
        from rilctl.artifacts.runs import open_run

        from .world import INPUT, write_responses

        out = world.artifact("responses")
        with open_run(
            out, verb="made", config={}, semantic={}, inputs=[INPUT], roles={"responses": "responses"}
        ) as run:
            log = LogFile(out / "metrics.jsonl")
            log.cut_to(None)
            log.append(["{}\n"])
            if run.finished() is None:
                writer = run.writer("responses")
                write_responses(world, writer)
                writer.commit()

    return _guarded(write)


def _said(world: World, step: Callable[[], int]) -> int:
    code, said = _in_child(world, step, Verdict(Attack("good", "", "", lambda world: None)))
    if code:
        print(said, file=sys.stderr)
    return -1 if code is None else code


def _in_child(world: World, step: Callable[[], int], verdict: Verdict) -> tuple[int | None, str]:
    """A step's exit code and what it wrote; None where it had to be ended."""
    output = world.root.parent / "said"
    output.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fork beside threads, which wait
        pid = os.fork()
    if pid == 0:
        _be_child(world, step, output, SERVED_SECONDS if verdict.attack.where == "served" else MOST_SECONDS)
    bound = _resident_bytes(pid) + MOST_BYTES
    worked = time.monotonic()
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        is_large = _resident_bytes(pid) > bound
        if not _waits(pid):
            worked = time.monotonic()
        if is_large or time.monotonic() - worked > PATIENCE_S:
            verdict.faults.add("memory" if is_large else "hung")
            os.kill(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            return None, ""
        time.sleep(0.01)
    if usage.ru_maxrss * 1024 > bound:
        verdict.faults.add("memory")
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        verdict.faults.add("hung")
        return None, ""
    return code, output.read_bytes().decode(errors="backslashreplace")


def _be_child(world: World, step: Callable[[], int], output: Path, seconds: float) -> NoReturn:
    code = 99
    try:
        os.chdir(world.root)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 2))
        written = os.open(output, os.O_WRONLY | os.O_APPEND)
        (world.root.parent / "yes").write_text("y\n" * 1000)
        os.dup2(os.open(world.root.parent / "yes", os.O_RDONLY), 0)
        os.dup2(written, 1)
        os.dup2(written, 2)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (it ends with the process)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        code = step()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}"[:300].encode(errors="replace"))
    finally:
        os._exit(code)


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _waits(pid: int) -> bool:
    """Whether no thread of a process, nor of those that it started, has work to do: a busy machine changes nothing."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads]
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return False  # one ended meanwhile
    return set(states) <= set("STtZ") and all(_waits(int(child)) for child in children)


def table(verdicts: Collection[Verdict]) -> str:
    """Counts of faults by group, in Markdown."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        counts[verdict.attack.group].update(["attacks", *verdict.faults, *(["wrong"] if verdict.faults else [])])
    columns = ("attacks", *FAULTS, "wrong")
    rows = [[group, *(str(count[name]) for name in columns)] for group, count in sorted(counts.items())]
    total = sum(counts.values(), Counter[str]())
    rows.append(["all", *(str(total[name]) for name in columns)])
    lines = [["group", *columns], ["---", *["---:"] * len(columns)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one of so many")
    arguments = parser.parse_args()
    found = [attack for attack in all_attacks() if all(word in attack.name for word in arguments.words)]
    for where, needed in NEEDED.items():
        if importlib.util.find_spec(needed) is None:
            left = [attack for attack in found if attack.where == where]
            found = [attack for attack in found if attack.where != where]
            if left:
                print(f"{len(left)} attacks on {needed} are left out: it isn't installed", file=sys.stderr)
    attacks = found[:: arguments.every]
    with tempfile.TemporaryDirectory() as folder:
        verdicts = try_all(attacks, Path(folder))
    print(table(verdicts), end="")
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
