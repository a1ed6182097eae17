"""How often the proof of a sampler's log-probabilities is wrong: false alarms by rounding, other weights that pass.

    python benchmarks/proof.py [--table] [--logits 30 36 45] [--device cuda] [--dtype float16] [--temperature 1.5]

A Qwen2.5-VL with random weights (on a GPU of the size of 7B), its head scaled so that a token's largest logit is as
asked on average. One side samples one token after another over a key/value cache, as an engine does; the other computes
the tokens again in one pass, as the trainer does in its proof. The proof is calibrated as in a run; then come the same
weights with other kernels and other answers, an adapter that the sampler has merged, and faults. JSON lines:

- `level`: mean |difference| in units (see `Compared`); `bound`: the largest that is allowed;
- `mean`, `largest`: |difference| of a token, in nats;
- `first`, `second`: share of looks, drawn from the answers with replacement, that are above the bound;
- `alarm`: share of proofs that end the run; `alarm_in_1000`: chance that one of 1,000 does.
"""

import argparse
import json
import tempfile
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
from rilctl.engines.generation.vllm.probes import NUM_PROBES, NUM_TOKENS, TEMPERATURE
from rilctl.engines.generation.vllm.proof import CALIBRATION_LOOKS, SECOND_LOOKS
from rilctl.engines.generation.vllm.spread import Bound, calibrated
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import DTYPES, Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.form import response_hidden
from rilctl.testing.prompts import drawn_prompt

TEMPERATURES = {1.5: (1.54, 1.9), 0.7: (0.72, 0.9)}
"""Of the proof, and wrong ones. What comes from before the temperature is told without a bound."""
NUM_DRAWN = 100_000
CPU_SIZE = replace(small_size(256, layers=6), vocabulary=16_384, tied=False)
CPU_SHAPE = Shape(CPU_SIZE, image_tokens=16, new_tokens=NUM_TOKENS, dtype="bfloat16")
GPU_SHAPE = replace(GPU_SHAPES["qwen7b"], image_tokens=64, new_tokens=NUM_TOKENS)
WORDS = " kib zat" * 20
Generated = tuple[Sequence[int], Sequence[float]]
Change = Callable[[str, Tensor], Tensor]
"""From a weight and its name to another of its shape, in float32."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="bfloat16")
    parser.add_argument("--logits", nargs="+", type=float, default=[30.0, 36.0, 45.0])
    parser.add_argument("--answers", type=int, default=CALIBRATION_LOOKS * NUM_PROBES, help="for a line")
    parser.add_argument("--rounds", type=int, default=4, help="times as many answers of healthy samplers")
    parser.add_argument("--temperature", type=float, choices=TEMPERATURES, default=TEMPERATURE)
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    arguments = parser.parse_args()
    if arguments.table:
        print("| largest logit | case | level | bound | alarm | in 1,000 proofs |")
        print("| ---: | --- | ---: | ---: | ---: | ---: |")
    shape = replace(GPU_SHAPE if arguments.device == "cuda" else CPU_SHAPE, dtype=arguments.dtype)
    with tempfile.TemporaryDirectory() as directory:
        policy = load(write_model(Path(directory), shape), shape, arguments.device, trainable=False)
        bench = Bench(policy, shape, arguments.answers, arguments.rounds, arguments.temperature)
        for largest in arguments.logits:
            bench.scale_head(largest)
            for case, found in bench.cases():
                line = {"largest_logit": largest, "case": case, **found}
                print(row(line) if arguments.table else json.dumps(line), flush=True)


class Bench:
    """A model, asked and checked.

    Args:
        policy: both sides' model; changed for a while by faults.
        shape: its shape.
        num_answers: sampled to the same number of prompts, half of them with a picture.
        num_rounds: times as many of healthy samplers.
        temperature: of the proof.
    """

    def __init__(self, policy: Vlm, shape: Shape, num_answers: int, num_rounds: int, temperature: float) -> None:
        self.policy, self.num_rounds, self.temperature = policy, num_rounds, temperature
        self.bound = Bound()
        self._largest: float | None = None
        policy.banned_ids = tuple(policy.tokenizer.convert_tokens_to_ids(list(SPECIAL)))
        pictures = [[sample.images[0].load()] for sample in make_samples(shape, num_answers // 2)]
        words = [WORDS[: 8 * (1 + index % 19)] for index in range(num_answers)]
        self.prompts = [
            drawn_prompt(policy, question, pictures[index // 2] if index % 2 else [])
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

    def sampled(self, seed: int) -> list[Generated]:
        """One token after another, with the log-probabilities as the sampler saw them."""
        sampling = SamplingConfig(max_new_tokens=NUM_TOKENS, temperature=self.temperature)
        seeds = [[seed * len(self.prompts) + index] for index in range(len(self.prompts))]
        return [(one.token_ids, one.logprobs) for (one,) in sample(self.policy, self.prompts, seeds, sampling)]

    def cases(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every case by name, with what was measured."""
        answers = self.sampled(seed=2)
        self.bound = calibrated(self._compared(answers), NUM_PROBES)
        for kernel in self._kernels():
            with self._attention(kernel):
                yield f"same, {kernel or 'default'} attention", self._judged(answers)
        rounds = range(3, 3 + self.num_rounds)
        yield "same, other answers", judged([one for seed in rounds for one in self._round(seed)], self.bound)
        for size in (0.003, 0.01):
            merged, unmerged = [], []
            with self._merged(size) as at_work:
                sampled = [self.sampled(seed) for seed in rounds]
            for each in sampled:
                with at_work():
                    merged += self._compared(each)
            unmerged = self._compared(sampled[0])
            yield f"adapter of {size:.1%}, merged", judged(merged, self.bound)
            yield f"adapter of {size:.1%}, not merged", judged(unmerged, self.bound)
        for wrong in TEMPERATURES[self.temperature]:
            found = self._compared(answers, temperature=wrong)
            yield f"temperature {wrong:g} for {self.temperature:g}", judged(found, self.bound)
        for case, change in self._faults(answers).items():
            with self._changed(change):
                yield case, self._judged(answers)
        with self._swapped():
            yield "two layers swapped", self._judged(answers)

    def _round(self, seed: int) -> list[Compared]:
        return self._compared(self.sampled(seed))

    def _judged(self, answers: Sequence[Generated]) -> dict[str, Any]:
        return judged(self._compared(answers), self.bound)

    def _compared(self, answers: Sequence[Generated], temperature: float | None = None) -> list[Compared]:
        banned_ids = self.policy.banned_ids
        temperature = temperature or self.temperature
        return compare(self.policy, self.prompts, answers, temperature=temperature, banned_ids=banned_ids)

    def _faults(self, answers: Sequence[Generated]) -> dict[str, Change]:
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
            "old embeddings, off by 3 %": only("embed_tokens", noise(0.03)),
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

    def _gradient_signs(self, answers: Sequence[Generated], prompts: Sequence[EncodedPrompt]) -> dict[str, Tensor]:
        """Of the answers' log-probability: where Adam's first step goes."""
        ids_NR, mask_NR = collate_responses(self.policy, [ids for ids, _ in answers])
        rows_N = torch.arange(len(answers), device=self.policy.device)
        logprobs_NR, _ = response_logprobs(
            self.policy,
            prompts,
            rows_N,
            ids_NR,
            mask_NR,
            temperature=self.temperature,
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
    def _hidden(self, answers: Sequence[Generated]) -> Tensor:
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


def judged(found: Sequence[Compared], bound: Bound) -> dict[str, Any]:
    """See the module."""
    sizes = torch.cat([each.differences_R for each in found]).abs()
    units = torch.cat([each.units_R for each in found])
    first, second = (share_above(found, bound, num * NUM_PROBES) for num in (1, SECOND_LOOKS))
    return {
        "level": float(sizes.sum() / units.sum()),
        "bound": bound.units,
        "mean": float(sizes.mean()),
        "largest": float(sizes.max()),
        "num_answers": len(found),
        "first": first,
        "second": second,
        "alarm": first * second,
        "alarm_in_1000": 1 - (1 - first * second) ** 1000,
    }


def share_above(found: Sequence[Compared], bound: Bound, num_answers: int) -> float:
    """Share of looks at so many answers that are suspicious."""
    sums = torch.tensor([[float(each.differences_R.abs().sum()), float(each.units_R.sum())] for each in found]).double()
    drawn = torch.randint(len(found), (NUM_DRAWN, num_answers), generator=torch.Generator().manual_seed(0))
    errors, units = sums[drawn].sum(1).unbind(1)
    tokens = num_answers * len(found[0].units_R)
    above = ~(errors / tokens <= (bound.units * units / tokens).clamp(min=bound.nats))
    return float(above.double().mean())


def row(line: dict[str, Any]) -> str:
    """One of the table."""
    numbers = f"{line['level']:.2f} | {line['bound']:.2f} | {line['alarm']:.2g} | {line['alarm_in_1000']:.2g}"
    return f"| {line['largest_logit']:g} | {line['case']} | {numbers} |"


if __name__ == "__main__":
    main()
