"""What sampling costs on a machine that does something else as well, by how torch's threads wait for one another.

python benchmarks/threads.py [--rounds N] [--tokens N]

512 tokens (or 8 times N) from a language model of SmolLM2-135M's shape, random weights, in a process of its own for
each way, in turn: beside a process that keeps one core busy, and alone. CPU seconds are the sampling process's own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROWS = 8
LIMIT_S = 300.0
"""Of one process; threads that spin may never seem to end."""
WAYS = {
    "spin": {"OMP_WAIT_POLICY": "", "GOMP_SPINCOUNT": ""},  # as torch comes
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
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


def sample_once(directory: Path, num_tokens: int) -> None:
    """Load, sample a token for each row, then measure; one line on stdout."""
    import torch
    from clock import now

    from rilctl.config.fields import ModelConfig, SamplingConfig
    from rilctl.data.conversation import Conversation
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.models.prompts.encode import encode_prompt
    from rilctl.models.sampling.sample import sample

    config = ModelConfig(model=str(directory))
    vlm = load_vlm(config, base_dir=Path(), device=torch.device("cpu"))
    vlm.stop_ids = ()  # every row is as long
    prompt = encode_prompt(vlm, Conversation.of("what is 1 plus 1?", []))
    sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=1))
    start = now()
    sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=num_tokens))
    spent = now() - start
    print(json.dumps({"cpu": spent.cpu, "wall": spent.wall, "threads": torch.get_num_threads()}))


def measure(directory: Path, way: str, num_tokens: int) -> dict[str, float]:
    """One process that samples."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    environment |= {name: value for name, value in WAYS[way].items() if value}
    command = [sys.executable, __file__, "--directory", str(directory), "--tokens", str(num_tokens)]
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"cpu": float("inf"), "wall": float("inf")}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
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


def main() -> None:
    """Measure every way in turn, alone and beside a busy core."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64, help="of each of 8 rows")
    parser.add_argument("--directory", type=Path)
    given = parser.parse_args()
    if given.directory is not None:
        sample_once(given.directory, given.tokens)
        return
    with tempfile.TemporaryDirectory() as directory:
        write_model(Path(directory))
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(given.rounds):
            for way in WAYS:
                with busy_core():
                    _add(found, "busy", way, measure(Path(directory), way, given.tokens))
                _add(found, "alone", way, measure(Path(directory), way, given.tokens))
    print(f"{ROWS * given.tokens} tokens on {os.cpu_count()} cores, medians:")
    for (beside, way), each in found.items():
        cpu, wall = (statistics.median(one[name] for one in each) for name in ("cpu", "wall"))
        print(f"{beside:6} {way:11} {cpu:7.1f} CPU seconds {wall:7.1f} wall seconds")


def _add(found: dict[tuple[str, str], list[dict[str, float]]], beside: str, way: str, one: dict[str, float]) -> None:
    found.setdefault((beside, way), []).append(one)
    print(f"{beside:6} {way:11} {one}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
