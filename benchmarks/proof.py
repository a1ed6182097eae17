"""How far rounding alone takes a sampler's log-probabilities from the trainer's, and how far other weights do.

    python benchmarks/proof.py [--device cuda] [--dtype bfloat16] [--logits 30 36 45]

A Qwen2.5-VL with random weights (on a GPU of the size of 7B), its head scaled so that the largest logit is as asked on
average. One side samples one token after another over a key/value cache, as an engine does; the other computes the
tokens again in one pass, as the trainer does in its proof. Then the same with faults. One JSON object a line:

- `case`: `same …` is the same weights with one kernel of attention or another; `merged …` an adapter that the sampler
  has merged, rounded, into its weights; all others are faults;
- `answers`: for each answer, the sum of |difference| in nats and the sum of units; see `compared.Compared`;
- `mean`, `p99`, `largest`: |difference| of a token in nats; `signed`: mean of sampler minus trainer;
- `above`: share of windows of 16 tokens with a difference above 0.25 nats.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from shapes import GPU_SHAPES, SPECIAL, Shape, load, make_samples, small_size, write_model
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.vllm.compared import Compared, compare
from rilctl.models.decode import sample
from rilctl.models.policy import response_logprobs
from rilctl.models.processor import EncodedPrompt
from rilctl.models.prompts import collate_responses, encode_prompt
from rilctl.models.responses import response_hidden
from rilctl.models.vlm import DTYPES, Vlm

TEMPERATURE = 0.7
NUM_TOKENS = 32
CPU_SIZE = replace(small_size(256, layers=6), vocabulary=16_384, tied=False)
CPU_SHAPE = Shape(CPU_SIZE, image_tokens=16, new_tokens=NUM_TOKENS, dtype="bfloat16")
GPU_SHAPE = replace(GPU_SHAPES["qwen7b"], image_tokens=64, new_tokens=NUM_TOKENS)
WORDS = " kib zat" * 20
Answer = tuple[Sequence[int], Sequence[float]]
Change = Callable[[str, Tensor], Tensor]
"""From a weight and its name to another of its shape, in float32."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="bfloat16")
    parser.add_argument("--logits", nargs="+", type=float, default=[30.0, 36.0, 45.0])
    parser.add_argument("--answers", type=int, default=48, help="sampled for each line")
    arguments = parser.parse_args()
    shape = replace(GPU_SHAPE if arguments.device == "cuda" else CPU_SHAPE, dtype=arguments.dtype)
    with tempfile.TemporaryDirectory() as directory:
        policy = load(write_model(Path(directory), shape), shape, arguments.device, trainable=False)
        bench = Bench(policy, shape, arguments.answers)
        for largest in arguments.logits:
            bench.scale_head(largest)
            for case, found in bench.cases():
                print(json.dumps({"largest_logit": largest, "case": case, **found}), flush=True)


class Bench:
    """A model, asked and checked.

    Args:
        policy: both sides' model; changed for a while by faults.
        shape: its shape.
        num_answers: sampled to the same number of prompts, half of them with a picture.
    """

    def __init__(self, policy: Vlm, shape: Shape, num_answers: int) -> None:
        self.policy = policy
        self._largest: float | None = None
        policy.banned_ids = tuple(policy.tokenizer.convert_tokens_to_ids(list(SPECIAL)))
        pictures = [[sample.images[0].load()] for sample in make_samples(shape, num_answers // 2)]
        words = [WORDS[: 8 * (1 + index % 19)] for index in range(num_answers)]
        self.prompts = [
            encode_prompt(policy, question, pictures[index // 2] if index % 2 else [])
            for index, question in enumerate(words)
        ]

    @torch.no_grad()
    def scale_head(self, largest: float) -> None:
        """Make the largest logit of a token so large, on average."""
        weight_VH = self.policy.lm_head.weight
        if self._largest is None:
            hidden_TH = self._hidden(self.sampled(seed=1))
            largest_T = torch.cat([(rows_TH @ weight_VH.T).float().amax(-1) for rows_TH in hidden_TH.split(128)])
            self._largest = float(largest_T.mean())
        weight_VH.copy_(weight_VH.float() * (largest / self._largest))
        self._largest = largest

    def sampled(self, seed: int) -> list[Answer]:
        """One token after another, with the log-probabilities as the sampler saw them."""
        sampling = SamplingConfig(max_new_tokens=NUM_TOKENS, temperature=TEMPERATURE)
        seeds = [[seed * len(self.prompts) + index] for index in range(len(self.prompts))]
        return [(one.token_ids, one.logprobs) for (one,) in sample(self.policy, self.prompts, seeds, sampling)]

    def cases(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every case by name, with what was measured."""
        answers = self.sampled(seed=2)
        for kernel in self._kernels():
            yield f"same, {kernel or 'default'}", self._measure(answers, self._attention(kernel))
        yield "same, other answers", self._measure(self.sampled(seed=3))
        for temperature in (0.72, 1.0):
            case = f"temperature {temperature:g} instead of {TEMPERATURE:g}"
            yield case, self._measure(answers, temperature=temperature)
        for case, change in self._faults(answers).items():
            yield case, self._measure(answers, self._changed(change))
        yield "two layers swapped", self._measure(answers, self._swapped())
        for size in (0.003, 0.01):
            with self._merged(size) as adapter:
                merged = self.sampled(seed=5)
            yield f"merged, adapter of {size:.1%}", self._measure(merged, adapter())
            yield f"not merged, adapter of {size:.1%}", self._measure(merged)

    def _faults(self, answers: Sequence[Answer]) -> dict[str, Change]:
        signs = self._gradient_signs(answers[::8], self.prompts[::8])
        head = self._name_of(self.policy.lm_head.weight)
        layers = f"layers.{len(self.policy.backbone.language_model.layers) // 2}."

        def step(lr: float, *, towards: bool) -> Change:
            return lambda name, w: (
                masters(w, self.policy.dtype) + lr * (signs[name].to(w) if towards else torch.randn_like(w).sign())
            )

        def only(part: str, change: Change) -> Change:
            return lambda name, w: change(name, w) if part in name else w

        def noise(share: float) -> Change:
            return lambda name, w: w + share * w.std(correction=0) * torch.randn_like(w) if w.ndim > 1 else w

        return {
            "one step behind, lr 1e-6, random signs": step(1e-6, towards=False),
            "one step behind, lr 1e-5, random signs": step(1e-5, towards=False),
            "one step behind, lr 1e-6, gradient's signs": step(1e-6, towards=True),
            "one step behind, lr 1e-5, gradient's signs": step(1e-5, towards=True),
            "old head, off by 0.1 %": only(head, noise(0.001)),
            "old head, off by 1 %": only(head, noise(0.01)),
            "old head, off by 3 %": only(head, noise(0.03)),
            "one layer off by 1 %": only(layers, noise(0.01)),
            "one layer off by 10 %": only(layers, noise(0.1)),
            "one layer scaled by 1 %": only(layers, lambda _, w: 1.01 * w),
            "one layer scaled by 5 %": only(layers, lambda _, w: 1.05 * w),
            "head scaled by 1 %": only(head, lambda _, w: 1.01 * w),
            "head scaled by 5 %": only(head, lambda _, w: 1.05 * w),
            "other model, 0.1 % away": noise(0.001),
            "other model, 0.3 % away": noise(0.003),
            "other model, 1 % away": noise(0.01),
            "other model, 3 % away": noise(0.03),
        }

    def _measure(
        self,
        answers: Sequence[Answer],
        within: AbstractContextManager[object] | None = None,
        temperature: float = TEMPERATURE,
    ) -> dict[str, Any]:
        start = time.perf_counter()
        with within or nullcontext():
            found = compare(
                self.policy,
                self.prompts,
                answers,
                temperature=temperature,
                banned_ids=self.policy.banned_ids,
            )
        return {**summary(found), "seconds": round(time.perf_counter() - start, 2)}

    def _kernels(self) -> tuple[str, ...]:
        return ("", "math", "efficient", "cudnn") if self.policy.device.type == "cuda" else ("", "math")

    def _attention(self, kernel: str) -> AbstractContextManager[object]:
        backends = {
            "math": [SDPBackend.MATH],
            "efficient": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
            "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH],
        }
        return sdpa_kernel(backends[kernel]) if kernel else nullcontext()

    @contextmanager
    def _changed(self, change: Change) -> Iterator[None]:
        """The trainer's weights are others inside."""
        kept = {}
        torch.manual_seed(0)
        with torch.no_grad():
            for name, parameter in self.policy.model.named_parameters():
                old = parameter.float()
                new = change(name, old)
                if new is not old:
                    kept[name] = parameter.clone()
                    parameter.copy_(new)
        try:
            yield
        finally:
            self._restore(kept)

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        """Two neighbours in the middle have each other's weights."""
        layers = self.policy.backbone.language_model.layers
        first, second = layers[len(layers) // 2 - 1], layers[len(layers) // 2]

        def swap() -> None:
            for one, other in zip(first.parameters(), second.parameters(), strict=True):
                one.data, other.data = other.data, one.data

        swap()
        try:
            yield
        finally:
            swap()

    @contextmanager
    def _merged(self, size: float) -> Iterator[Callable[[], AbstractContextManager[None]]]:
        """Inside, adapters are merged; given is a context in which they are at work beside the weights.

        Args:
            size: norm of what an adapter adds, as a share of its weight's.
        """
        torch.manual_seed(1)
        pairs, kept = {}, {}
        with torch.no_grad():
            for name, module in self.policy.backbone.language_model.named_modules():
                if isinstance(module, nn.Linear):
                    weight = module.weight
                    down = torch.randn((16, weight.shape[1]), device=weight.device) / weight.shape[1] ** 0.5
                    up = torch.randn((weight.shape[0], 16), device=weight.device)
                    up *= size * weight.float().norm() / (up @ down).norm()
                    pairs[module], kept[name] = (up.to(weight.dtype), down.to(weight.dtype)), weight.clone()
                    weight.copy_(weight.float() + pairs[module][0].float() @ pairs[module][1].float())

        def adding(pair: tuple[Tensor, Tensor]) -> Callable[..., Tensor]:
            return lambda _module, inputs, out: out + inputs[0] @ pair[1].T @ pair[0].T

        @contextmanager
        def at_work() -> Iterator[None]:
            with ExitStack() as stack:
                for module, pair in pairs.items():
                    stack.callback(module.register_forward_hook(adding(pair)).remove)
                yield

        try:
            yield at_work
        finally:
            modules = dict(self.policy.backbone.language_model.named_modules())
            with torch.no_grad():
                for name, weight in kept.items():
                    modules[name].weight.copy_(weight)

    def _restore(self, kept: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.policy.model.named_parameters():
                if name in kept:
                    parameter.copy_(kept[name])

    def _gradient_signs(self, answers: Sequence[Answer], prompts: Sequence[EncodedPrompt]) -> dict[str, Tensor]:
        """Of the answers' log-probability: where Adam's first step goes."""
        ids_NR, mask_NR = collate_responses(self.policy, [ids for ids, _ in answers])
        rows_N = torch.arange(len(answers), device=self.policy.device)
        logprobs_NR, _ = response_logprobs(
            self.policy,
            prompts,
            rows_N,
            ids_NR,
            mask_NR,
            temperature=TEMPERATURE,
            banned_ids=self.policy.banned_ids,
        )
        logprobs_NR.sum().backward()
        signs = {}
        for name, parameter in self.policy.model.named_parameters():
            signs[name] = torch.zeros_like(parameter, dtype=torch.int8)
            if parameter.grad is not None:
                signs[name] = parameter.grad.sign().to(torch.int8)
                parameter.grad = None
        return signs

    @torch.no_grad()
    def _hidden(self, answers: Sequence[Answer]) -> Tensor:
        ids_NR, mask_NR = collate_responses(self.policy, [ids for ids, _ in answers])
        rows_N = torch.arange(len(answers), device=self.policy.device)
        hidden = response_hidden(self.policy, self.prompts, rows_N, ids_NR[:, :-1], mask_NR[:, :-1])
        return hidden[mask_NR]

    def _name_of(self, weight: Tensor) -> str:
        return next(name for name, parameter in self.policy.model.named_parameters() if parameter is weight)


def masters(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Float32 weights that round to these, each anywhere within the rounding."""
    drawn = weight * (1 + (torch.rand_like(weight) - 0.5) * torch.finfo(dtype).eps)
    return torch.where(drawn.to(dtype) == weight, drawn, weight)


def summary(found: Sequence[Compared]) -> dict[str, Any]:
    """See the module."""
    differences = torch.stack([each.differences_R for each in found])
    sizes, units = differences.abs(), torch.stack([each.units_R for each in found])
    windows = sizes.unflatten(1, (-1, 16)).amax(-1)
    return {
        "answers": [
            [round(float(sum_of_sizes), 5), round(float(sum_of_units), 5)]
            for sum_of_sizes, sum_of_units in zip(sizes.sum(1), units.sum(1), strict=True)
        ],
        "ratio": float(sizes.sum() / units.sum()),
        "mean": float(sizes.mean()),
        "p99": float(sizes.flatten().quantile(0.99)),
        "largest": float(sizes.max()),
        "signed": float(-differences.mean()),
        "above": float((windows > 0.25).float().mean()),
    }


if __name__ == "__main__":
    main()
