"""What sampling costs on a machine that does something else as well, by how torch's threads wait for one another.

python benchmarks/threads.py [--rounds N]

512 tokens from a language model of SmolLM2-135M's shape, random weights, in a process of its own for each way, in turn:
alone, and beside a process that keeps one core busy. CPU seconds are those that the sampling process used up.
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

ROWS, NEW_TOKENS = 8, 64
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
    """Configuration and tokenizer; random weights need no file."""
    from transformers import LlamaConfig

    from rilctl.quickstart.shapes import write_shape
    from rilctl.testing.builders.base import read_tokenizer

    write_shape("pocket-student", directory)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (directory / name).unlink()
    ends = {name: getattr(read_tokenizer(directory), name) for name in ("eos_token_id", "pad_token_id")}
    LlamaConfig(**SMOLLM2, **ends, bos_token_id=None, architectures=["LlamaForCausalLM"]).save_pretrained(directory)


def sample_once(directory: Path) -> None:
    """Load, sample a token for each row, then measure; one line on stdout."""
    import torch
    from clock import now

    from rilctl.config.fields import ModelConfig, SamplingConfig
    from rilctl.data.conversation import Conversation
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.models.prompts.encode import encode_prompt
    from rilctl.models.sampling.sample import sample

    config = ModelConfig(model=str(directory), random_weights=True)
    vlm = load_vlm(config, base_dir=Path(), device=torch.device("cpu"))
    vlm.stop_ids = ()  # every row is as long
    prompt = encode_prompt(vlm, Conversation.of("what is 1 plus 1?", []))
    sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=1))
    start = now()
    sample(vlm, [prompt], [range(ROWS)], SamplingConfig(max_new_tokens=NEW_TOKENS))
    spent = now() - start
    print(json.dumps({"cpu": spent.cpu, "wall": spent.wall, "threads": torch.get_num_threads()}))


def measure(directory: Path, way: str) -> dict[str, float]:
    """One process that samples."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    environment |= {name: value for name, value in WAYS[way].items() if value}
    command = [sys.executable, __file__, "--directory", str(directory)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
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
    parser.add_argument("--directory", type=Path)
    given = parser.parse_args()
    if given.directory is not None:
        sample_once(given.directory)
        return
    with tempfile.TemporaryDirectory() as directory:
        write_model(Path(directory))
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(given.rounds):
            for way in WAYS:
                found.setdefault(("alone", way), []).append(measure(Path(directory), way))
                with busy_core():
                    found.setdefault(("busy", way), []).append(measure(Path(directory), way))
    print(f"{ROWS * NEW_TOKENS} tokens on {os.cpu_count()} cores: CPU and wall seconds, median (all)")
    for (beside, way), each in found.items():
        shown = [f"{statistics.median(one[name] for one in each):7.1f}" for name in ("cpu", "wall")]
        runs = ", ".join(f"{one['cpu']:.1f}/{one['wall']:.1f}" for one in each)
        print(f"{beside:6} {way:11} {each[0]['threads']} threads {' '.join(shown)}  ({runs})")


if __name__ == "__main__":
    main()
