"""All campaigns of docs/reliability.md; prints counts, and on stderr what went wrong.

`python -m tests.crash.campaign [COMMAND ...]` from the repository's root; the options say how much of each, 0 leaves
one out, and the commands which of them meet kills, failing operations and power cuts.
`--seed` draws others, and another tree's `src` on PYTHONPATH measures that one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from .changed_files import change_files, make_workspace, table
from .kills import chains, failures, kills
from .power_cuts import power_cuts
from .processes import Processes
from .races import run_races
from .shim import why_not
from .trials import COMMANDS, Count, subjects

TRIED = {each.__name__.replace("_", "-"): each for each in (kills, failures, chains, power_cuts)}
USUAL = {"changes": 1200, "races": 30, "kills": 24, "failures": 24, "chains": 6, "power-cuts": 16}
"""How many: changes in all, of each race, of the others for each command."""


def main() -> int:
    """See the top of this file; exit code 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", help=f"of {', '.join(COMMANDS)}; none: all")
    for name, num in USUAL.items():
        parser.add_argument(f"--{name}", type=int, default=num, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    wanted = {name.replace("_", "-"): num for name, num in vars(parser.parse_args()).items()}
    commands, seed, problems = wanted.pop("commands") or COMMANDS, wanted.pop("seed"), list[str]()
    if unknown := [name for name in commands if name not in COMMANDS]:
        parser.error(f"no command `{unknown[0]}`; there are {', '.join(COMMANDS)}")
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
            for name, count in _tried(Path(folder), commands, wanted, seed):
                numbers = count.num_operations, count.num_trials, count.num_faults, len(count.problems)
                print(f"| {name} | {count.subject} | {' | '.join(map(str, numbers))} |", flush=True)
                problems += count.problems
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def _tried(folder: Path, commands: Collection[str], wanted: dict[str, int], seed: int) -> Iterator[tuple[str, Count]]:
    with Processes(folder) as processes:
        found = subjects(folder, processes, commands)
        for name, num in wanted.items():
            for subject in found if num else ():
                chance = random.Random(f"{seed} {name} {subject.name}")
                yield name, TRIED[name](processes, subject, -(-num // subject.every), chance)


if __name__ == "__main__":
    sys.exit(main())
