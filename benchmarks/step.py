"""Our training step against TRL's, in one process, in turn, by CPU seconds.

    python benchmarks/step.py [--shapes large small long] [--steps 4] [--json]
    python benchmarks/step.py --device cuda [--shapes qwen3b qwen3b-lora qwen7b] [--steps 2] [--questions 8]

On a CPU each round makes one step of TRL's Dr.GRPO, of our Dr.GRPO and of our RIL on the same fresh questions, then
the library's `generate(num_return_sequences=8)` and our rollouts on the same prompts. All have the same model
directory, rows, forced number of new tokens, reward, optimizer and one thread. A ratio is ours divided by theirs
within a round; the smallest of the rounds is reported (the machine may be shared), the median beside it. With `--json`
one object per shape: `shape`, `dr_grpo_vs_trl_cpu`, `ril_vs_trl_dr_grpo_cpu`, `rollout_vs_generate_cpu`.

With `--device cuda` one object for each part as soon as it is measured, on the real sizes of Qwen2.5-VL
with random weights in bfloat16: `shape`, `part`, and what `gpu.measure_on_gpu` says of it.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from clock import Seconds, now
from gpu import PARTS, measure_on_gpu
from ours import OurSide
from peer import generate_with_library, library_vlm, train_with_trl
from shapes import GPU_SHAPES, SHAPES, Shape, make_samples, write_model

from rilctl.data.sample import Sample
from rilctl.models.loaded.vlm import Vlm


@dataclass
class Rounds:
    """What each round took."""

    trl: list[Seconds] = field(default_factory=list)
    dr_grpo: list[dict[str, Seconds]] = field(default_factory=list)
    ril: list[dict[str, Seconds]] = field(default_factory=list)
    generate: list[Seconds] = field(default_factory=list)
    rollout: list[Seconds] = field(default_factory=list)

    def ratios(self) -> dict[str, list[float]]:
        """Our CPU seconds divided by theirs, for each round."""
        pairs: dict[str, tuple[Sequence[Seconds], Sequence[Seconds]]] = {
            "dr_grpo_vs_trl_cpu": ([total(phases) for phases in self.dr_grpo], self.trl),
            "ril_vs_trl_dr_grpo_cpu": ([total(phases) for phases in self.ril], self.trl),
            "rollout_vs_generate_cpu": (self.rollout, self.generate),
        }
        return {
            name: [our.cpu / their.cpu for our, their in zip(ours, theirs, strict=True)]
            for name, (ours, theirs) in pairs.items()
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=[*SHAPES, *GPU_SHAPES])
    parser.add_argument("--steps", type=int, default=4, help="rounds, after one that doesn't count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--questions", type=int, help="groups in a step, in the place of the shape's own")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of what is measured on a GPU")
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="of the GPU in bfloat16; an H100's or H200's")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per shape, nothing else; so it is on a GPU"
    )
    arguments = parser.parse_args()
    shapes = GPU_SHAPES if arguments.device == "cuda" else SHAPES
    if arguments.device == "cpu":
        torch.set_num_threads(1)
    for name in arguments.shapes or shapes:
        with tempfile.TemporaryDirectory() as directory:
            shape = shapes[name]
            shape = replace(shape, num_questions=arguments.questions or shape.num_questions)
            write_model(Path(directory), shape)
            if arguments.device == "cuda":
                options = (arguments.steps, arguments.peak_tflops, arguments.parts)
                for part, report in measure_on_gpu(Path(directory), shape, *options):
                    print(
                        json.dumps({"shape": name, "part": part, "num_questions": shape.num_questions, **report}),
                        flush=True,
                    )
                continue
            rounds = measure(Path(directory), shape, arguments.steps)
        if arguments.json:
            best = {ratio: round(min(values), 4) for ratio, values in rounds.ratios().items()}
            print(json.dumps({"shape": name, **best}), flush=True)
        else:
            print("\n".join(describe(name, rounds)), flush=True)


def measure(directory: Path, shape: Shape, num_rounds: int) -> Rounds:
    """All sides in turn; the first round warms up."""
    samples = make_samples(shape, shape.num_questions * (num_rounds + 1))
    algorithms: tuple[Literal["dr_grpo", "ril"], ...] = ("dr_grpo", "ril")
    sides = {algorithm: OurSide(directory, shape, algorithm) for algorithm in algorithms}
    teachers = sides["ril"].teachers(samples)
    rounds, library = Rounds(), library_vlm(directory, shape)

    def after_trl(step: int, seconds: Seconds) -> None:
        part = samples[step * shape.num_questions : (step + 1) * shape.num_questions]
        phases = {algorithm: side.step(part, teachers) for algorithm, side in sides.items()}
        generate, rollout = compare_rollouts(library, sides["dr_grpo"], part)
        if step == 0:
            return
        rounds.trl.append(seconds)
        rounds.dr_grpo.append(phases["dr_grpo"])
        rounds.ril.append(phases["ril"])
        rounds.generate.append(generate)
        rounds.rollout.append(rollout)

    train_with_trl(directory, shape, samples, after_trl)
    return rounds


def compare_rollouts(library: Vlm, side: OurSide, samples: Sequence[Sample]) -> tuple[Seconds, Seconds]:
    """The library's generation, then ours, from prompts that are encoded already."""
    prompts = [side.prompts.get(sample.conversation) for sample in samples]
    start = now()
    generate_with_library(library, side.shape, prompts)
    middle = now()
    rows = side.roll_out(samples)
    end = now()
    assert [len(row.token_ids) for group in rows for row in group] == [side.shape.new_tokens] * sum(map(len, rows))
    side.clock.take()
    return middle - start, end - middle


def describe(name: str, rounds: Rounds) -> list[str]:
    """Tables for a person; seconds are medians over the rounds."""
    lines = [f"## {name}", "", "| ratio of CPU seconds | best | median |", "| --- | ---: | ---: |"]
    for ratio, values in rounds.ratios().items():
        lines.append(f"| {ratio} | {min(values):.3f} | {statistics.median(values):.3f} |")
    lines += ["", "| | CPU s | wall s |", "| --- | ---: | ---: |"]
    lines.append(_line("TRL Dr.GRPO step", rounds.trl))
    for title, steps in (("our Dr.GRPO step", rounds.dr_grpo), ("our RIL step", rounds.ril)):
        lines.append(_line(title, [total(phases) for phases in steps]))
        lines += [_line(f"- {phase}", [phases[phase] for phases in steps]) for phase in steps[0]]
    lines.append(_line("`generate`", rounds.generate))
    lines.append(_line("our rollouts", rounds.rollout))
    return [*lines, ""]


def total(phases: Mapping[str, Seconds]) -> Seconds:
    """All phases of a step."""
    return sum(phases.values(), start=Seconds())


def _line(title: str, seconds: Sequence[Seconds]) -> str:
    cpu, wall = (statistics.median(getattr(s, clock) for s in seconds) for clock in ("cpu", "wall"))
    return f"| {title} | {cpu:.3f} | {wall:.3f} |"


if __name__ == "__main__":
    main()
