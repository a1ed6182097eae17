"""How far a plan's memory can be trusted: the estimate of `--dry-run` against the peak of the run itself.

    python benchmarks/plan.py [--json] [CASE ...]

Each case plans a verb and then runs two steps of it in a process of its own; the estimate is `peak_memory.peak_bytes`.
On a CPU the peak is what the process uses beyond its libraries (Linux), and the student is a Qwen2.5-VL of 57 M random
parameters, pictures with 64 tokens. On a GPU the peak is what its tensors take there, and the student has 146 M, which
the host draws in seconds, pictures with 256 tokens. DeepSpeed's cases need it installed.
"""

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path

import torch

from rilctl.testing.peaks import CASES, DEEPSPEED_CASES, peak_of_verb, write_sized_workspace

ON_GPU = {"hidden": 1024, "layers": 8, "vision_layers": 4, "image_px": 448}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join([*CASES, *DEEPSPEED_CASES])}; none: all"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    arguments = parser.parse_args()
    found, known = {}, {**CASES, **(DEEPSPEED_CASES if importlib.util.find_spec("deepspeed") else {})}
    if not arguments.json:
        print(
            "| run | largest phase | estimated MB | measured MB | ratio |\n| --- | --- | ---: | ---: | ---: |",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_sized_workspace(directory, **(ON_GPU if torch.cuda.is_available() else {}))
        peak_of_verb(directory, "cache-teacher")
        for case in arguments.cases or known:
            verb, overrides = known[case]
            plan, measured = peak_of_verb(directory, verb, overrides, out=directory / "runs" / case)
            estimated = plan["peak_memory"]["peak_bytes"]
            found[case] = {"estimated_bytes": estimated, "measured_bytes": measured}
            if not arguments.json:
                phase = max(plan["memory"], key=lambda name: plan["memory"][name]["total_bytes"]).replace("_", " ")
                numbers = f"{estimated / 1e6:,.0f} | {measured / 1e6:,.0f} | {estimated / measured:.2f}"
                print(f"| {case} | {phase} | {numbers} |", flush=True)
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
