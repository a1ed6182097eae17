"""Is it the method or the seed? The quickstart on several seeds, with paired differences between RIL and each arm.

    python benchmarks/pocket_seeds.py OUT [--seeds 0 1 2]

Each seed draws its own training questions, samples, rollouts and order of rows; the 1,000 held-out questions and the
shipped checkpoints are the same. A difference is paired by question within a seed (95 % interval), and its mean over
the seeds has Student's t interval. Writes OUT/seeds.md and OUT/seeds.json; what is up to date is not run again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rilctl.algorithms.statistics import mean_interval, paired_difference
from rilctl.artifacts.read import read_rows
from rilctl.pipeline.quickstart import ARMS
from rilctl.schemas.records import EvaluationRecord


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    correct = {seed: run_seed(arguments.out / f"seed-{seed}", seed) for seed in arguments.seeds}
    lines = [*accuracy_table(correct), "", *difference_table(correct)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "seeds.md").write_text("\n".join(lines) + "\n")
    accuracies = {seed: {arm: sum(right) / len(right) for arm, right in arms.items()} for seed, arms in correct.items()}
    (arguments.out / "seeds.json").write_text(json.dumps(accuracies, indent=2) + "\n")
    print("\n".join(lines))


def run_seed(root: Path, seed: int) -> dict[str, list[bool]]:
    """One quickstart; for each arm, which of the held-out questions it got right, in the order of their ids."""
    command = [sys.executable, "-m", "rilctl", "quickstart", "--out", str(root), "--seed", str(seed), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    correct = {}
    for arm in ARMS:
        rows = read_rows(root / f"quickstart/compare/{arm}/seed-0/eval/evaluation", EvaluationRecord)
        correct[arm] = [row.score == 1 for row in sorted(rows, key=lambda row: row.sample_id)]
    return correct


def accuracy_table(correct: dict[int, dict[str, list[bool]]]) -> list[str]:
    """Accuracy in percent, a row for each arm, a column for each seed, and the mean."""
    seeds = list(correct)
    lines = ["| arm | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean |", "|---" * (len(seeds) + 2) + "|"]
    for arm in ARMS:
        shares = [100 * sum(correct[seed][arm]) / len(correct[seed][arm]) for seed in seeds]
        cells = " | ".join(f"{share:.1f}" for share in shares)
        lines.append(f"| {arm} | {cells} | {sum(shares) / len(shares):.1f} |")
    return lines


def difference_table(correct: dict[int, dict[str, list[bool]]]) -> list[str]:
    """RIL minus each other arm, in points, with its interval."""
    seeds = list(correct)
    lines = ["| RIL minus | " + " | ".join(f"seed {s}" for s in seeds) + " | mean |", "|---" * (len(seeds) + 2) + "|"]
    for arm in ARMS[:-1]:
        paired = [paired_difference(correct[seed]["ril"], correct[seed][arm]) for seed in seeds]
        cells = [f"{100 * d.estimate:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})" for d in paired]
        if len(seeds) > 1:
            over = mean_interval([d.estimate for d in paired])
            cells.append(f"{100 * over.estimate:+.1f} ({100 * over.low:+.1f} to {100 * over.high:+.1f})")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
