"""What reading pictures ahead is worth: wall seconds of a step with and without worker processes.

    python benchmarks/ahead.py [--workers N] [--step-s S] [--json]

JPEG files of 1,024 x 768 px, decoded and processed as Qwen2.5-VL does at full size (about a thousand image tokens,
20 MB of tensors for each), four new ones for each step, as `train` asks for them: the next step's are expected before
the present step's work begins. That work is a pause, in which a GPU would compute and this process's CPU is free;
nothing is trained. What a step takes beyond the pause is what the GPU would wait for. The processes' start isn't
counted.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from shapes import QUESTION, SHAPES, write_model

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_model
from rilctl.models.prompts.kept import KeptPrompts

NUM_STEPS, PER_STEP = 8, 4
SIZE_PX = (1024, 768)


def make_steps(directory: Path) -> list[list[Conversation]]:
    """The questions of every step, each with a file of its own."""
    randomness = np.random.default_rng(0)
    steps = []
    for step in range(NUM_STEPS):
        steps.append([])
        for index in range(PER_STEP):
            coarse = Image.fromarray(randomness.integers(0, 256, (48, 64, 3), dtype=np.uint8))
            file = directory / f"{step}-{index}.jpg"
            coarse.resize(SIZE_PX, Image.Resampling.BICUBIC).save(file, quality=90)
            steps[-1].append(Conversation.of(QUESTION, [ImageRef(file, file.name)]))
    return steps


def step_seconds(encoder: Encoder, steps: list[list[Conversation]], num_workers: int, step_s: float) -> Iterator[float]:
    """Wall seconds of each step but the first, in which the processes start."""
    with KeptPrompts(encoder, num_workers=num_workers, max_bytes=2**29) as prompts:
        for index, requests in enumerate(steps):
            start_s = time.perf_counter()
            prompts.expect([*requests, *(steps[index + 1] if index + 1 < len(steps) else ())])
            held = [prompts.get(request) for request in requests]
            time.sleep(step_s)
            if index:
                yield time.perf_counter() - start_s
            del held


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--step-s", type=float, default=1.0, help="the pause of a step")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = write_model(Path(name) / "model", replace(SHAPES["small"], image_tokens=1024))
        source = find_model(str(directory), revision=None, base_dir=Path())
        encoder = Encoder(load_processor(source), source)
        steps = make_steps(Path(name))
        seconds = {
            num_workers: median(step_seconds(encoder, steps, num_workers, arguments.step_s))
            for num_workers in (0, arguments.workers)
        }
    without_s, with_s = seconds.values()
    ratio = round(with_s / without_s, 4)
    if arguments.json:
        print(json.dumps({"step_with_workers_vs_without": ratio}))
        return
    print("| | s a step | beyond the pause |\n| --- | ---: | ---: |")
    for num_workers, step_s in seconds.items():
        print(f"| {num_workers or 'no'} workers | {step_s:.2f} | {step_s - arguments.step_s:.2f} |")
    print(f"\nstep_with_workers_vs_without: {ratio}")


if __name__ == "__main__":
    main()
