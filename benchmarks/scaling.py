"""What our step costs as one thing grows: rows, image tokens, new tokens, width of the model.

    python benchmarks/scaling.py [--plot docs/images/scaling.png] [--json]

CPU seconds of a whole RIL step, of a Dr.GRPO step, and of nothing but the policy's forward and backward with the
prompt repeated for every row. The smaller of two measurements, after one that doesn't count; two questions, 8 + 8 rows,
144 image tokens, 32 new tokens and a model of 2.9 M parameters where nothing else is said. With `--json` one object
for each point: `axis`, `value`, `ril_s`, `dr_grpo_s`, `repeated_prompt_s`.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from clock import now
from ours import OurSide, prompt_update
from shapes import Shape, make_samples, small_size, write_model

BASE = Shape(small_size(256), image_tokens=144, new_tokens=32)
AXES: dict[str, tuple[Sequence[int], Callable[[int], Shape]]] = {
    "rollouts per question": ((4, 8, 16, 32), lambda value: replace(BASE, num_rows=value)),
    "image tokens": ((16, 64, 256, 576), lambda value: replace(BASE, image_tokens=value)),
    "new tokens": ((16, 32, 64, 128), lambda value: replace(BASE, new_tokens=value)),
    "hidden width": ((128, 256, 384, 512), lambda value: replace(BASE, size=small_size(value))),
}
LINES = {
    "ril_s": ("RIL step", "#D55E00"),
    "dr_grpo_s": ("Dr.GRPO step", "#0072B2"),
    "repeated_prompt_s": ("repeated prompt: forward and backward alone", "#7F7F7F"),
}


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    parser.add_argument("--json", action="store_true", help="one JSON object per point, nothing else")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    points: list[dict[str, Any]] = []
    if not arguments.json:
        print("| | | " + " | ".join(f"{title}, CPU s" for title, _ in LINES.values()) + " |")
        print("| --- | ---: " + "| ---: " * len(LINES) + "|")
    for axis, (values, shape_of) in AXES.items():
        for value in values:
            seconds = measure(shape_of(value))
            points.append({"axis": axis, "value": value, **seconds})
            cells = " | ".join(f"{second:.2f}" for second in seconds.values())
            print(json.dumps(points[-1]) if arguments.json else f"| {axis} | {value} | {cells} |", flush=True)
    if arguments.plot:
        draw(points, arguments.plot)


def measure(shape: Shape) -> dict[str, float]:
    """CPU seconds by line."""
    samples = make_samples(shape, shape.num_questions)
    with tempfile.TemporaryDirectory() as name:
        directory = write_model(Path(name), shape)
        ril, dr_grpo = OurSide(directory, shape, "ril"), OurSide(directory, shape, "dr_grpo")
    teachers = ril.teachers(samples)
    lines: dict[str, Callable[[], object]] = {
        "ril_s": lambda: ril.step(samples, teachers),
        "dr_grpo_s": lambda: dr_grpo.step(samples, teachers),
        "repeated_prompt_s": prompt_update(dr_grpo, samples, "repeated"),
    }
    return {name: round(min(_cpu_s(line) for _ in range(3)), 3) for name, line in lines.items()}


def _cpu_s(function: Callable[[], object]) -> float:
    start = now()
    function()
    return (now() - start).cpu


def draw(points: Sequence[dict[str, Any]], out: Path) -> None:
    """One panel for each axis, both scales logarithmic: a cost in proportion has the slope of the grey diagonal."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(10, 3.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(AXES), sharey=True)
    for panel, axis in zip(panels, AXES, strict=True):
        own = [point for point in points if point["axis"] == axis]
        values = [point["value"] for point in own]
        for line, (title, colour) in LINES.items():
            panel.plot(values, [point[line] for point in own], "o-", color=colour, label=title, lw=2, ms=4)
        floor = min(point["dr_grpo_s"] for point in own)
        panel.plot(values, [floor * value / values[0] for value in values], color="#D0D0D0", lw=1, ls="--")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(values, [str(value) for value in values])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(ScalarFormatter())
        panel.set_title(axis, fontsize=10, loc="left", fontweight="bold")
        panel.grid(color="#ECECEC")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("CPU seconds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(LINES), frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


if __name__ == "__main__":
    main()
