"""Where two runs part: the first step, the first value in it, and by how much.

    python tools/part.py RUN RUN            two output directories of `train`
    python tools/part.py FILE.json FILE.json    two recordings (see tests/golden/record.py)

Exit code 0: they are the same; 1: they part; 2: nothing to compare.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Value = float | str | None
Step = dict[str, Value]
"""What is known of a step by name."""
Trajectory = dict[int, Step]
"""By the step's number."""

ROW = ("token_ids", "disc_logit", "reward", "advantage")
"""What is compared of a rollout's row."""
ORDER = (
    "rollouts/token_ids/",
    "gradients/discriminator/",
    "rollouts/disc_logit/",
    "rollouts/reward/",
    "rollouts/advantage/",
    "gradients/policy/",
)
"""How a step comes about; metrics sum it up."""


@dataclass(frozen=True)
class Difference:
    """Two runs have other values.

    Args:
        step: in which they do.
        name: of the value.
        first: of the one run; None: it has none.
        second: of the other.
    """

    step: int
    name: str
    first: Value
    second: Value

    @property
    def relative(self) -> float:
        """Share of the larger of two numbers; infinite where one is none."""
        first, second = self.first, self.second
        if not isinstance(first, int | float) or not isinstance(second, int | float):
            return math.inf
        return abs(first - second) / (max(abs(first), abs(second)) or 1.0)

    def __str__(self) -> str:
        by = f", {self.relative:.1e} of it" if math.isfinite(self.relative) else ""
        return f"step {self.step}: {self.name}: {_show(self.first)} and {_show(self.second)}{by}"


def differences(
    first: Trajectory, second: Trajectory, *, tolerance: float = 0.0, floor: float = 0.0
) -> Iterator[Difference]:
    """All places where two runs differ, earliest first.

    Args:
        first: a run.
        second: another.
        tolerance: relative difference of numbers that counts as none; above 0, no digest of a gradient is compared.
        floor: absolute difference that counts as none.
    """
    for number in sorted(first.keys() | second.keys()):
        one, other = first.get(number, {}), second.get(number, {})
        for name in sorted(one.keys() | other.keys(), key=_place):
            if tolerance and name.endswith("/digest"):
                continue
            found = Difference(number, name, one.get(name), other.get(name))
            if found.first != found.second and not _is_near(found, tolerance, floor):
                yield found


def read(path: Path) -> Trajectory:
    """A recording, or what a run directory says: rollouts where they are written, then metrics.

    Raises:
        FileNotFoundError: the path is neither.
    """
    if path.is_file():
        return {int(number): step for number, step in json.loads(path.read_text(encoding="utf-8"))["steps"].items()}
    found: Trajectory = {}
    for shard in sorted((path / "rollouts").glob("*.parquet")):
        for row in read_shard(shard):
            found.setdefault(int(row["step"]), {}).update(row_values(row))
    for line in (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        found.setdefault(int(values.pop("step")), {}).update(values)
    return found


def read_shard(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def row_values(row: Mapping[str, Any]) -> Step:
    """What a rollout's row says, by names that no other row of the step has."""
    return {f"rollouts/{name}/{row['sample_id']}/{row['response_index']}": _value(row[name]) for name in ROW}


def digest(content: bytes) -> str:
    """Enough of a SHA-256 to tell two contents apart."""
    return hashlib.sha256(content).hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN")
    parser.add_argument("--tolerance", type=float, default=0.0, help="relative difference that counts as none")
    parser.add_argument("--show", type=int, default=10, help="so many values of the first step that differs")
    chosen = parser.parse_args(arguments)
    try:
        first, second = map(read, chosen.runs)
    except FileNotFoundError as error:
        print(f"error: {error.filename} is not there: name two run directories or two recordings", file=sys.stderr)
        return 2
    found = list(differences(first, second, tolerance=chosen.tolerance))
    if not found:
        print(f"the same in {len(first)} steps")
        return 0
    in_first_step = [difference for difference in found if difference.step == found[0].step]
    print(*in_first_step[: chosen.show], sep="\n")
    if len(in_first_step) > chosen.show:
        print(f"step {found[0].step}: {len(in_first_step) - chosen.show} values more")
    for step in sorted({difference.step for difference in found} - {found[0].step}):
        print(f"step {step}: {sum(difference.step == step for difference in found)} values")
    return 1


def _is_near(difference: Difference, tolerance: float, floor: float) -> bool:
    first, second = difference.first, difference.second
    is_close = difference.relative <= tolerance
    return is_close or (isinstance(first, float) and isinstance(second, float) and abs(first - second) <= floor)


def _place(name: str) -> tuple[int, str]:
    """Where a value stands in its step."""
    return next((place for place, prefix in enumerate(ORDER) if name.startswith(prefix)), len(ORDER)), name


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    return digest(json.dumps(value).encode())


def _show(value: Value) -> str:
    return "none" if value is None else repr(value)


if __name__ == "__main__":
    sys.exit(main())
