"""Peak memory and CPU time of log-probabilities without the logits, and peak memory of RIL beside fine-tuning.

    python benchmarks/memory.py [--json]

Each figure is made in a process of its own. The first pair: log-probabilities of 2,048 tokens over a vocabulary of
152,000 from hidden states of width 256, and their backward, with the memory beyond weights and their gradients'
buffers; ours against `log_softmax(head(hidden)).gather`. The second pair: a whole RIL step with LoRA (student,
reference, discriminator) against a step of LoRA fine-tuning on the same rows, weights included.
"""

import argparse
import gc
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ours import OurSide, lora_fine_tuning_step
from shapes import Shape, make_samples, small_size, write_model
from torch import Tensor, nn

from rilctl.algorithms.head import Head
from rilctl.algorithms.logprobs import token_loss

NUM_IDS, NUM_TOKENS, HIDDEN = 152_000, 2_048, 256
LORA_SHAPE = Shape(small_size(768, layers=12), image_tokens=64, new_tokens=32, lora=True)
"""73 M parameters: weights count as well as activations."""


def ours(hidden_TH: Tensor, head: nn.Linear, token_ids_T: Tensor) -> None:
    """The package's: the gradient is taken on the way forward."""
    token_loss(hidden_TH, token_ids_T, Head(head.weight), lambda logprobs_C, _: logprobs_C.sum())[0].backward()


def plain(hidden_TH: Tensor, head: nn.Linear, token_ids_T: Tensor) -> None:
    """What one would write down first."""
    torch.log_softmax(head(hidden_TH), -1).gather(-1, token_ids_T[:, None]).sum().backward()


def measure_head(update: Callable[[Tensor, nn.Linear, Tensor], None]) -> tuple[float, float]:
    """Peak memory in MB beyond weights, inputs and gradients; CPU seconds."""
    torch.manual_seed(0)
    head = nn.Linear(HIDDEN, NUM_IDS, bias=False)
    hidden_TH = torch.randn(NUM_TOKENS, HIDDEN, requires_grad=True)
    token_ids_T = torch.randint(NUM_IDS, (NUM_TOKENS,))
    for tensor in (head.weight, hidden_TH):
        tensor.grad = torch.zeros_like(tensor)
    before_mb, start_s = reset_peak_mb(), time.process_time()
    update(hidden_TH, head, token_ids_T)
    seconds = time.process_time() - start_s
    assert bool(head.weight.grad is not None and head.weight.grad.any()) and bool(hidden_TH.grad.any())
    return peak_mb() - before_mb, seconds


def measure_ril(directory: Path) -> float:
    """Peak memory in MB of a RIL step with LoRA, weights and optimizers included."""
    before_mb = reset_peak_mb()
    samples = make_samples(LORA_SHAPE, LORA_SHAPE.num_questions)
    side = OurSide(directory, LORA_SHAPE, "ril")
    for _ in range(2):  # the optimizers' moments exist from the second step on
        side.step(samples, side.teachers(samples))
    return peak_mb() - before_mb


def measure_fine_tuning(directory: Path) -> float:
    """The same of fine-tuning on as many rows."""
    before_mb = reset_peak_mb()
    shape = replace(LORA_SHAPE, num_rows=2 * LORA_SHAPE.num_rows)
    step = lora_fine_tuning_step(directory, shape, make_samples(shape, shape.num_questions))
    for _ in range(2):
        step()
    return peak_mb() - before_mb


def reset_peak_mb() -> float:
    """Forget the peak so far; the memory in use now."""
    torch.set_num_threads(1)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """Most memory in use since `reset_peak_mb`."""
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = write_model(Path(name), LORA_SHAPE)
        our_mb, our_s = _alone(measure_head, ours)
        plain_mb, plain_s = _alone(measure_head, plain)
        ril_mb, sft_mb = _alone(measure_ril, directory), _alone(measure_fine_tuning, directory)
    ratios = {
        "update_peak_vs_plain": round(our_mb / plain_mb, 4),
        "update_cpu_vs_plain": round(our_s / plain_s, 4),
        "ril_lora_peak_vs_sft_lora": round(ril_mb / sft_mb, 4),
    }
    if arguments.json:
        print(json.dumps(ratios))
        return
    print("| | peak MB | CPU s |\n| --- | ---: | ---: |")
    print(f"| log-probabilities, ours | {our_mb:,.0f} | {our_s:.1f} |")
    print(f"| log-probabilities, plain | {plain_mb:,.0f} | {plain_s:.1f} |")
    print(f"| RIL with LoRA | {ril_mb:,.0f} | |")
    print(f"| LoRA fine-tuning | {sft_mb:,.0f} | |\n")
    print("\n".join(f"{name}: {ratio}" for name, ratio in ratios.items()))


def _alone(function: Callable[..., Any], *arguments: object) -> Any:
    """Call in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


if __name__ == "__main__":
    main()
