"""Our step on a GPU, on the real sizes of Qwen2.5-VL. Not run yet: it was written where there is no GPU."""

import gc
import importlib.util
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from clock import Seconds, now
from ours import OurSide, repeated_prompt_update, shared_prompt_update
from peer import train_with_trl
from shapes import Shape, make_samples
from torch.utils.flop_counter import FlopCounterMode


def measure_on_gpu(directory: Path, shape: Shape, num_rounds: int, peak_tflops: float) -> dict[str, Any]:
    """Median wall seconds by phase, and what they come to.

    Args:
        directory: of the model.
        shape: what is measured.
        num_rounds: steps, after one that doesn't count.
        peak_tflops: the GPU's peak in 10^12 operations per second, for the shares.

    Returns:
        For `ril` and `dr_grpo`: `phases_s`, `step_s`, `peak_gib`, `sampled_tokens_per_s` of the rollouts,
        `operations_share` (model-FLOPs utilisation: the operations of the step's matrix products, counted by torch,
        over those the GPU could have done in that time). `update`: seconds and peak of the policy's forward and
        backward with the prompt shared and repeated (null: out of memory). `trl_step_s`: TRL's Dr.GRPO step where TRL
        is installed.
    """
    report: dict[str, Any] = {}
    algorithms: tuple[Literal["dr_grpo", "ril"], ...] = ("dr_grpo", "ril")
    for algorithm in algorithms:
        report[algorithm] = _steps(directory, shape, algorithm, num_rounds, peak_tflops)
    report["update"] = _updates(directory, shape, num_rounds)
    report["trl_step_s"] = None
    if importlib.util.find_spec("trl") is not None:
        steps: list[float] = []
        samples = make_samples(shape, shape.num_questions * (num_rounds + 1))
        _unless_out_of_memory(
            lambda: train_with_trl(directory, shape, samples, lambda _, seconds: steps.append(seconds.wall), "cuda")
        )
        report["trl_step_s"] = statistics.median(steps[1:]) if len(steps) > 1 else None
    return report


def _steps(
    directory: Path, shape: Shape, algorithm: Literal["dr_grpo", "ril"], num_rounds: int, peak_tflops: float
) -> dict[str, Any]:
    _forget()
    samples = make_samples(shape, shape.num_questions * (num_rounds + 1))
    side = OurSide(directory, shape, algorithm, "cuda")
    teachers, rounds = side.teachers(samples), list[dict[str, Seconds]]()
    with FlopCounterMode(display=False) as counter:  # it slows the step down, so this one isn't timed
        side.step(samples[: shape.num_questions], teachers)
    torch.cuda.reset_peak_memory_stats()
    for start in range(shape.num_questions, len(samples), shape.num_questions):
        rounds.append(side.step(samples[start : start + shape.num_questions], teachers))
    phases = {phase: statistics.median(phases[phase].wall for phases in rounds) for phase in rounds[0]}
    num_tokens = shape.num_questions * shape.num_rows * shape.new_tokens
    step_s = sum(phases.values())
    return {
        "phases_s": phases,
        "step_s": step_s,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
        "sampled_tokens_per_s": num_tokens / phases["rollout"],
        "operations_share": counter.get_total_flops() / step_s / (peak_tflops * 1e12),
    }


def _updates(directory: Path, shape: Shape, num_rounds: int) -> dict[str, dict[str, float] | None]:
    _forget()
    samples = make_samples(shape, shape.num_questions)
    side = OurSide(directory, shape, "dr_grpo", "cuda")
    forms = {"shared": shared_prompt_update(side, samples), "repeated": repeated_prompt_update(side, samples)}
    return {
        name: _unless_out_of_memory(lambda update=update: _time(update, num_rounds)) for name, update in forms.items()
    }


def _time(update: Callable[[], None], num_rounds: int) -> dict[str, float]:
    update()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(num_rounds):
        start = now()
        update()
        seconds.append((now() - start).wall)
    return {"seconds": statistics.median(seconds), "peak_gib": torch.cuda.max_memory_allocated() / 2**30}


def _unless_out_of_memory(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except torch.OutOfMemoryError:
        return None
    finally:
        _forget()


def _forget() -> None:
    gc.collect()
    torch.cuda.empty_cache()
