"""What either shape of the similarity reward would have given, from a finished run's own rollouts.

    python benchmarks/similarity.py RUN [--parts 3]

RUN is the output of `train` with a discriminator. For each part of its steps and each `train.discriminator.reward`: the
students' mean reward, its standard deviation over the steps (does it swing?), the mean size of the advantages that it
alone would give, the share of groups without any, and the mean advantage of rows that are right and of rows that are
wrong. The logits are those of the run: what the other shape would have made of the discriminator isn't told by this.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev

import torch
from torch import Tensor

from rilctl.algorithms.rewards import similarity_rewards
from rilctl.artifacts.read import read_rows
from rilctl.models.discriminator import read_card
from rilctl.schemas.records import RolloutRecord

Step = dict[str, list[RolloutRecord]]
"""Rows by question."""
NO_SIGNAL = 1e-3
"""A group whose rewards differ by less teaches nothing."""


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--parts", type=int, default=3)
    arguments = parser.parse_args()
    steps = read_steps(arguments.run / "rollouts")
    have_zero = read_card(arguments.run / "discriminator").logits_have_zero
    size = -(-len(steps) // arguments.parts)
    for start in range(0, len(steps), size):
        print("\n".join(table(steps[start : start + size], start + 1, logits_have_zero=have_zero)), end="\n\n")


def read_steps(path: Path) -> list[Step]:
    """The rows with a logit, by step and question."""
    steps: dict[int, Step] = {}
    for row in read_rows(path, RolloutRecord):
        if row.disc_logit is not None:
            steps.setdefault(row.step, {}).setdefault(row.sample_id, []).append(row)
    return [steps[number] for number in sorted(steps)]


def table(steps: Sequence[Step], first: int, *, logits_have_zero: bool) -> list[str]:
    """One line for each shape."""
    heads = ("mean reward", "sd over steps", "mean advantage size", "groups without", "of right rows", "of wrong rows")
    lines = [f"| steps {first} to {first + len(steps) - 1} | " + " | ".join(heads) + " |", "|---" * 7 + "|"]
    for shape in ("binary", "graded"):
        numbers = measures(steps, logits_have_zero=logits_have_zero, is_graded=shape == "graded")
        cells = ("" if number is None else f"{number:+.3f}" for number in numbers)
        lines.append(f"| {shape} | {' | '.join(cells)} |")
    return lines


def measures(steps: Sequence[Step], *, logits_have_zero: bool, is_graded: bool) -> list[float | None]:
    """What `table`'s columns say; None where there are no such rows."""
    means, sizes, without, right, wrong = list[float](), list[float](), list[float](), list[float](), list[float]()
    for step in steps:
        students = list[float]()
        for group in step.values():
            rewards_G = group_rewards(group, logits_have_zero=logits_have_zero, is_graded=is_graded)
            advantages_G = rewards_G - rewards_G.mean()
            without.append(float(rewards_G.max() - rewards_G.min() < NO_SIGNAL))
            sizes += advantages_G.abs().tolist()
            for row, reward, advantage in zip(group, rewards_G.tolist(), advantages_G.tolist(), strict=True):
                students += [reward] if row.side == "student" else []
                if row.answer_reward is not None:
                    (right if row.answer_reward else wrong).append(advantage)
        means.append(fmean(students))
    return [fmean(means), pstdev(means), *(fmean(each) if each else None for each in (sizes, without, right, wrong))]


def group_rewards(group: Sequence[RolloutRecord], *, logits_have_zero: bool, is_graded: bool) -> Tensor:
    """The group's rewards, as `train` computes them."""
    logits_BG = torch.tensor([[row.disc_logit for row in group]], dtype=torch.float64)
    teacher_BG = torch.tensor([[row.side == "teacher" for row in group]])
    there_BG = torch.ones_like(teacher_BG)
    own = {"logits_have_zero": logits_have_zero, "is_graded": is_graded}
    return similarity_rewards(logits_BG, there_BG, teacher_BG, **own).rewards_BG[0]


if __name__ == "__main__":
    main()
