"""All campaigns of docs/reliability.md; prints counts, and on stderr what went wrong.

`python -m tests.crash.campaign` from the repository's root; the options say how much of each, 0 leaves one out.
`--seed` draws others, and another tree's `src` on PYTHONPATH measures that one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .changed_files import change_files, make_workspace, table
from .kills import chains, failures, kills
from .power_cuts import power_cuts
from .processes import Processes
from .races import run_races
from .shim import why_not
from .trials import Count, subjects

TRIED = {each.__name__.replace("_", "-"): each for each in (kills, failures, chains, power_cuts)}
USUAL = {"changes": 1200, "races": 30, "kills": 24, "failures": 24, "chains": 6, "power-cuts": 16}
"""How many: changes in all, of each race, of the others for each command."""


def main() -> int:
    """See the top of this file; exit code 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, num in USUAL.items():
        parser.add_argument(f"--{name}", type=int, default=num, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    wanted = {name.replace("_", "-"): num for name, num in vars(parser.parse_args()).items()}
    seed, problems = wanted.pop("seed"), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        if num := wanted.pop("changes"):
            workspace = Path(folder) / "workspace"
            make_workspace(workspace)
            tallies = change_files(workspace, num, seed)
            problems += [line for tally in tallies for line in tally.silent]
            print(table(tallies), flush=True)
        if num := wanted.pop("races"):
            print("\n| race | times | wrong |\n| --- | ---: | ---: |")
            for name, wrong in run_races(num):
                print(f"| {name} | {num} | {len(wrong)} |", flush=True)
                problems += wrong
        reason = why_not()
        if reason and any(wanted.values()):
            print(f"no kills, failures and power cuts: {reason}", file=sys.stderr)
        elif any(wanted.values()):
            print("\n| campaign | command | operations | trials | faults | wrong |\n| --- | --- |" + " ---: |" * 4)
            for name, count in _tried(Path(folder), wanted, seed):
                numbers = count.num_operations, count.num_trials, count.num_faults, len(count.problems)
                print(f"| {name} | {count.subject} | {' | '.join(map(str, numbers))} |", flush=True)
                problems += count.problems
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def _tried(folder: Path, wanted: dict[str, int], seed: int) -> Iterator[tuple[str, Count]]:
    with Processes(folder) as processes:
        commands = subjects(folder, processes)
        for name, num in wanted.items():
            for subject in commands if num else ():
                chance = random.Random(f"{seed} {name} {subject.name}")
                yield name, TRIED[name](processes, subject, -(-num // subject.every), chance)


if __name__ == "__main__":
    sys.exit(main())
