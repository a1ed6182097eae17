"""Our step on a GPU, on the real sizes of Qwen2.5-VL."""

import gc
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from clock import Seconds, now
from ours import OurSide, UpdateForm, prompt_update
from peer import generate_with_library, train_with_trl
from shapes import Shape, make_samples
from torch.utils.flop_counter import FlopCounterMode

from rilctl.data.sample import Sample
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.stages.train.placement import HOST, Trained, Turns

Report = dict[str, Any]
DEVICE: Literal["cpu", "cuda"] = "cuda"
GIB = 2**30
PROFILED_TOKENS = (4, 6)
"""Lengths of two profiled rollouts: the difference is what tokens cost, without prompts and recording."""
NUM_TURNS = 3
"""Of the discriminator. Moments exist from the second one on, and host memory for them from then on."""
PARTS = ("dr_grpo", "updates", "rollouts", "profile", "ril", "turn", "trl")


def _attention_operations(query_shape: Sequence[int], key_shape: Sequence[int], *_: Any, **__: Any) -> int:
    """Of the two products; torch's own count refuses query heads that share a head of keys."""
    batch, heads, num_queries, size = query_shape
    return 4 * batch * heads * num_queries * key_shape[2] * size


def _attention_backward_operations(_: Any, *shapes: Any, **options: Any) -> int:
    """Of the five products."""
    return _attention_operations(*shapes, **options) * 5 // 2


ATTENTION = {
    getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}_attention{direction}"): count
    for kernel in ("flash", "efficient", "cudnn")
    for direction, count in (("", _attention_operations), ("_backward", _attention_backward_operations))
}


def measure_on_gpu(
    directory: Path, shape: Shape, num_rounds: int, peak_tflops: float, parts: Sequence[str]
) -> Iterator[tuple[str, Report]]:
    """Parts as they are done; each has `part_s`, all its seconds, and `out_of_memory` where nothing more is known.

    Args:
        directory: of the model.
        shape: what is measured.
        num_rounds: steps, after one that doesn't count.
        peak_tflops: the GPU's peak in 10^12 operations per second, for the shares.
        parts: of `PARTS`.

    Yields:
        `dr_grpo` and `ril`: median wall seconds by phase and of the step, `peak_gib`, `sampled_tokens_per_s` of the
        rollouts, `learn_operations_share` (of all phases but rollouts: the operations of their matrix products, counted
        by torch, over those the GPU could have done in that time), and `learn_operations_share_if_repeated` (the same
        as it is often published: with the operations that a prompt for each row would have taken).
        `update, shared prompt` and the other forms of `ours.UpdateForm`: seconds and peak of the policy's forward and
        backward, question by question.
        `rollouts`: seconds of ours and of the library's `generate` for the same prompts and number of tokens.
        `profile`: of one more token for all rows of our rollouts, the kernels that ran, the milliseconds that the GPU
        was busy, and how often and how long the busiest ran.
        `trl`: seconds and peak of TRL's Dr.GRPO step where TRL is installed.
        `turn`: with full fine-tuning, seconds in which the discriminator gets the device and gives it back, in the
        first turn and in a later one with all moments; GiB of host memory for that.
    """
    samples = make_samples(shape, shape.num_questions * (num_rounds + 1))
    first = samples[: shape.num_questions]
    if {"dr_grpo", "updates", "rollouts", "profile"} & set(parts):
        side = OurSide(directory, shape, "dr_grpo", DEVICE)
        if "dr_grpo" in parts:
            yield "dr_grpo", _part(partial(_steps, side, samples, num_rounds, peak_tflops))
        for form in get_args(UpdateForm) if "updates" in parts else ():
            updates = [prompt_update(side, [sample], form) for sample in first]
            yield f"update, {form} prompt", _part(partial(_updates, updates, num_rounds))
        if "rollouts" in parts:
            yield "rollouts", _part(partial(_rollouts, side, first))
        if "profile" in parts:
            yield "profile", _part(partial(_profile, side, first))
        side = updates = None  # type: ignore[assignment]
    if {"ril", "turn"} & set(parts):
        side = OurSide(directory, shape, "ril", DEVICE)
        if "ril" in parts:
            yield "ril", _part(partial(_steps, side, samples, num_rounds, peak_tflops))
        if "turn" in parts and not shape.lora:
            yield "turn", _part(partial(_turn, side))
        side = None  # type: ignore[assignment]
    if "trl" in parts and importlib.util.find_spec("trl") is not None:
        yield "trl", _part(partial(_trl, directory, shape, samples))


def _steps(side: OurSide, samples: Sequence[Sample], num_rounds: int, peak_tflops: float) -> Report:
    shape, teachers = side.shape, side.teachers(samples)
    counter = FlopCounterMode(display=False, custom_mapping=ATTENTION)  # slow, so the first step isn't timed
    learn = side.learner.learn

    def counted_learn(*arguments: Any) -> Any:
        with counter:
            return learn(*arguments)

    side.learner.learn = counted_learn  # type: ignore[method-assign]
    side.step(samples[: shape.num_questions], teachers)
    side.learner.learn = learn  # type: ignore[method-assign]
    torch.cuda.reset_peak_memory_stats()
    rounds: list[dict[str, Seconds]] = []
    for start in range(shape.num_questions, shape.num_questions * (num_rounds + 1), shape.num_questions):
        rounds.append(side.step(samples[start : start + shape.num_questions], teachers))
    phases = {phase: statistics.median(phases[phase].wall for phases in rounds) for phase in rounds[0]}
    num_tokens = shape.num_questions * shape.num_rows * shape.new_tokens
    step_s = sum(phases.values())
    learn_s = step_s - phases["rollout"]
    share = counter.get_total_flops() / learn_s / (peak_tflops * 1e12)
    return {
        "phases_s": phases,
        "step_s": step_s,
        "peak_gib": torch.cuda.max_memory_allocated() / GIB,
        "sampled_tokens_per_s": num_tokens / phases["rollout"],
        "learn_operations_share": share,
        "learn_operations_share_if_repeated": share * _repetition(side, samples[0]),
        "gradient_checkpointing": side.config.engine.gradient_checkpointing,
    }


def _repetition(side: OurSide, sample: Sample) -> float:
    """How many times the tokens of a group there would be if each row had its own prompt."""
    num_rows = side.shape.num_rows * (1 if side.learner.disc is None else 2)
    prompt_tokens = len(side.prompts.get(sample.conversation).token_ids_P)
    shared_tokens = prompt_tokens + num_rows * side.shape.new_tokens
    return num_rows * (prompt_tokens + side.shape.new_tokens) / shared_tokens


def _profile(side: OurSide, samples: Sequence[Sample]) -> Report:
    few, more = (_profiled(side, samples, num_tokens) for num_tokens in PROFILED_TOKENS)
    num_tokens = PROFILED_TOKENS[1] - PROFILED_TOKENS[0]
    per_token = {
        key: (more[key][0] - few.get(key, (0, 0.0))[0], more[key][1] - few.get(key, (0, 0.0))[1]) for key in more
    }
    busiest = sorted(per_token, key=lambda key: per_token[key][1], reverse=True)
    return {
        "kernels_per_token": sum(count for count, _ in per_token.values()) / num_tokens,
        "gpu_busy_ms_per_token": sum(spent_ms for _, spent_ms in per_token.values()) / num_tokens,
        "busiest": {key: [value / num_tokens for value in per_token[key]] for key in busiest[:15]},
    }


def _profiled(side: OurSide, samples: Sequence[Sample], num_tokens: int) -> dict[str, tuple[int, float]]:
    """How often each kernel ran in rollouts of so many tokens, and its milliseconds.

    Of a hundred thousand kernels the profiler's own tables take minutes; its trace has them at once.
    """
    with side.of_length(num_tokens), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as found:
        side.roll_out(samples)
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory) / "trace.json"
        found.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    kernels: dict[str, tuple[int, float]] = {}
    for event in events:
        if event.get("cat") == "kernel":
            count, spent_ms = kernels.get(event["name"][:80], (0, 0.0))
            kernels[event["name"][:80]] = (count + 1, spent_ms + event["dur"] / 1e3)
    return kernels


def _updates(updates: Sequence[Callable[[], None]], num_rounds: int) -> Report:
    seconds: list[float] = []
    for _ in range(num_rounds + 1):
        torch.cuda.reset_peak_memory_stats()
        start = now()
        for update in updates:
            update()
        seconds.append((now() - start).wall)
    return {"seconds": statistics.median(seconds[1:]), "peak_gib": torch.cuda.max_memory_allocated() / GIB}


def _rollouts(side: OurSide, samples: Sequence[Sample]) -> Report:
    prompts = [side.prompts.get(sample.conversation) for sample in samples]
    for _ in range(2):  # the first time warms up
        start = now()
        generate_with_library(side.vlm, side.shape, prompts)
        middle = now()
        side.roll_out(samples)
        end = now()
    return {"generate_s": (middle - start).wall, "ours_s": (end - middle).wall}


def _trl(directory: Path, shape: Shape, samples: Sequence[Sample]) -> Report:
    steps: list[float] = []
    train_with_trl(directory, shape, samples, lambda _, seconds: steps.append(seconds.wall), DEVICE)
    return {
        "step_s": statistics.median(steps[1:]),
        "peak_gib": torch.cuda.max_memory_allocated() / GIB,
        "trl_gradient_checkpointing": shape.trl_gradient_checkpointing,
        "trl_parts": shape.trl_parts,
    }


def _turn(side: OurSide) -> Report:
    learner = side.learner
    policy_engine, disc_engine = learner.policy_update.engine, learner.disc_engine
    assert isinstance(policy_engine, TorchTraining) and isinstance(disc_engine, TorchTraining)
    assert learner.disc is not None
    policy = Trained(side.vlm.model, policy_engine.optimizer)
    turns = Turns(side.vlm.device, policy, Trained(learner.disc.to(HOST), disc_engine.optimizer))
    seconds: list[float] = []
    for _ in range(NUM_TURNS):
        start = now()
        with turns.discriminator():
            arrived = now()
            disc_engine.step()  # its gradients are zero, its moments are made
            leaves = now()
        seconds.append((arrived - start + now() - leaves).wall)
        policy_engine.step()
    return {"first_s": seconds[0], "seconds": seconds[-1], "host_gib": turns.host_bytes / GIB}


def _part(measure: Callable[[], Report]) -> Report:
    start = time.perf_counter()
    _forget()
    try:
        report = measure()
    except torch.OutOfMemoryError:
        report = {"out_of_memory": True}
    return {**report, "part_s": time.perf_counter() - start}


def _forget() -> None:
    """What an earlier part left, also in its traceback."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
