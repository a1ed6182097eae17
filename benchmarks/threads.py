"""What sampling costs on a machine that does something else as well, by how torch's threads wait for one another.

    python benchmarks/threads.py [--rounds N] [--tokens N] [--minutes N] [--json]

256 tokens (or 8 times N) from a language model of SmolLM2-135M's shape, random weights, in a process of its own for
each way, in turn: alone, and beside a process that keeps one core busy. CPU seconds are the sampling process's own. A
round that would end after the minutes isn't begun. The table's rows come on stderr, as docs/performance.md has them.
"""

import argparse
import json
import math
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROWS = 8
LIMIT_S = 30.0
"""Of what is measured once; threads that spin may never seem to end."""
WAYS = {
    "threads that sleep (the default)": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"},
    "threads that spin (as torch comes)": {},
}
BESIDE = {"alone": nullcontext, "beside a busy core": lambda: busy_core()}
SMOLLM2 = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}


def write_model(directory: Path) -> None:
    """A directory with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rilctl.quickstart.shapes import write_shape
    from rilctl.testing.builders.base import read_tokenizer

    write_shape("pocket-student", directory)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (directory / name).unlink()
    ends = {name: getattr(read_tokenizer(directory), name) for name in ("eos_token_id", "pad_token_id")}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**SMOLLM2, **ends, bos_token_id=None)).save_pretrained(directory)


def sample_when_told(directory: Path, num_tokens: int) -> None:
    """Load, sample a token for each row, then measure for each line on stdin, with one on stdout."""
    import torch
    from clock import now

    from rilctl.config.fields import ModelConfig, SamplingConfig
    from rilctl.data.conversation import Conversation
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.models.prompts.encode import encode_prompt
    from rilctl.models.sampling.sample import sample

    vlm = load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=torch.device("cpu"))
    vlm.stop_ids = ()  # every row is as long
    prompt = encode_prompt(vlm, Conversation.of("what is 1 plus 1?", []))
    sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=1))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = now()
        sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=num_tokens))
        spent = now() - start
        print(json.dumps({"cpu_s": spent.cpu, "wall_s": spent.wall}), flush=True)


def measure(directory: Path, way: str, num_tokens: int) -> dict[str, dict[str, float]]:
    """One process that samples, in each company; infinite seconds where it didn't end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, __file__, "--directory", str(directory), "--tokens", str(num_tokens)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    found = {beside: {"cpu_s": math.inf, "wall_s": math.inf} for beside in BESIDE}
    with subprocess.Popen(command, env=environment | WAYS[way], text=True, bufsize=1, **pipes) as process:
        if process.stdout.readline() != "ready\n":
            raise SystemExit("error: the sampling process ended before it was ready")
        for beside, company in BESIDE.items():
            with company():
                process.stdin.write("go\n")
                if not select.select([process.stdout], [], [], LIMIT_S)[0]:
                    process.kill()
                    break
                found[beside] = json.loads(process.stdout.readline())
    return found


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that never waits."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure_rounds(num_rounds: int, num_tokens: int, limit_s: float) -> dict[tuple[str, str], list[dict[str, float]]]:
    """What was measured, by company and way: every way in turn, as often as there is time."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {(beside, way): [] for beside in BESIDE for way in WAYS}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        write_model(Path(directory))
        longest_s = 0.0
        for _ in range(num_rounds):
            start = time.monotonic()
            if start + longest_s > began + limit_s:
                break
            for way in WAYS:
                for beside, one in measure(Path(directory), way, num_tokens).items():
                    found[beside, way].append(one)
                    print(f"{beside}, {way}: {one}", file=sys.stderr, flush=True)
            longest_s = max(longest_s, time.monotonic() - start)
    return found


def main() -> None:
    """Measure every way, alone and beside a busy core."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32, help="of each of 8 rows")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else on stdout")
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.directory is not None:
        sample_when_told(given.directory, given.tokens)
        return
    found = measure_rounds(given.rounds, given.tokens, given.minutes * 60)
    num_rounds = len(next(iter(found.values())))
    medians = {
        key: {name: statistics.median(one[name] for one in each) for name in ("cpu_s", "wall_s")}
        for key, each in found.items()
    }
    rows = [
        f"| {way} | {beside} | {_shown(one['cpu_s'])} | {_shown(one['wall_s'])} |"
        for (beside, way), one in medians.items()
    ]
    print(f"{ROWS * given.tokens} tokens, {os.cpu_count()} cores, medians of {num_rounds} rounds:", file=sys.stderr)
    print("\n".join(rows), file=sys.stderr)
    if given.json:
        measured = [
            {
                "beside": beside,
                "way": way,
                **{name: value if math.isfinite(value) else None for name, value in one.items()},
            }
            for (beside, way), one in medians.items()
        ]
        size = {"tokens": ROWS * given.tokens, "cores": os.cpu_count(), "rounds": num_rounds}
        print(json.dumps({**size, "medians": measured}))


def _shown(seconds: float) -> str:
    return f"{seconds:.1f}" if math.isfinite(seconds) else f"not done after {LIMIT_S:.0f} s"


if __name__ == "__main__":
    main()
