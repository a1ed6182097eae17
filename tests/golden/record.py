"""Records the trajectories that `test_trajectories.py` compares with, and says where they part from the former ones.

OMP_NUM_THREADS=1 python -m tests.golden.record [--out FOLDER] [NAME …]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from .trajectories import PART, RECORDINGS, made_with, record, verb_of, write_workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="trajectories; none: all")
    parser.add_argument("--out", type=Path, default=RECORDINGS, help="where they go")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        runs = write_workspace(Path(folder))
        for name in chosen.names or runs:
            steps = record(Path(folder), runs[name], Path(folder) / "out" / name, verb_of(name))
            file = chosen.out / f"{name}.json"
            former = PART.read(file) if file.exists() else {}
            parts = next(PART.differences(former, steps), None)
            print(f"{name}: {'new' if not former else parts or 'as it was'}", flush=True)
            file.write_text(json.dumps({"made_with": made_with(), "steps": steps}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
