"""Run what is missing, and render docs/results.md.

    python -m experiments [--hours H] [--jobs N] [--only PLACE ...] [--work DIR]     run from the folder benchmarks
    python -m experiments --render | --check

Ctrl-C, SIGTERM, a kill or a power cut lose the runs that are under way, a minute or so each. What is done stands in
results/*.json, a file for each world in each regime, and is not done again unless what its recipes say has changed.
"""

import argparse
import sys
from pathlib import Path

from experiments.jobs import ROOT, run_all
from experiments.worlds import PLACES


def main() -> int:
    """Parse, run, render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=12.0, help="begin no run after so many")
    parser.add_argument("--jobs", type=int, default=1, help="runs that are made at once, a core each")
    parser.add_argument("--only", nargs="+", metavar="PLACE", choices=[place.name for place in PLACES])
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "experiments", help="folder of artifacts")
    parser.add_argument("--render", action="store_true", help="write the page from the results, run nothing")
    parser.add_argument("--check", action="store_true", help="fail if the page isn't what the results say")
    arguments = parser.parse_args()
    from experiments.page import check_page, write_page

    if arguments.check:
        return check_page()
    if not arguments.render:
        places = [place for place in PLACES if arguments.only is None or place.name in arguments.only]
        run_all(places, arguments.work, hours=arguments.hours, num_jobs=arguments.jobs)
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
