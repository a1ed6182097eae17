"""docs/results.md and its pictures, from results/*.json alone: no figure on the page was written by hand."""

import sys
from pathlib import Path

from experiments import results as stored
from experiments.page_place import place_part
from experiments.page_progress import progress, tried
from experiments.page_short import in_short
from experiments.picture import draw
from experiments.results import RESULTS
from experiments.standing import standings
from experiments.worlds import BASELINE, PLACES, SEEDS, title_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_HEAD = """# Results

Does RIL pay, and where? This page is written by a program from the [results](../benchmarks/experiments/results) of
`nox -s experiments`; nobody types its figures, and CI checks that it is what the results say.

- **Every arm** ([overlays](../recipes/arms)) starts from the same student, teacher answers and verdicts, and learns
  from at most as many response tokens. The **baseline** is `{baseline}`: fine-tuning on the teacher answers that the
  judge calls right, the cheapest way to use teachers and ground truth together.
- **Rates are tuned** for each arm in each world and regime, all with the same number of trials, by the accuracy on
  validation questions, on a seed that isn't reported. Nothing else is tuned, and no test question is looked at.
- **{num_seeds} seeds**, all reported: each has its own training questions, samples, rollouts and order of rows.
- **Test questions** have their ground truth in every regime, and the rules judge them, so the regimes compare.
- **Intervals** are 95 % for other seeds and other questions of the kind (a crossed design, `algorithms/crossed.py`).
  Differences are paired by question and seed; p is Holm's, for all comparisons of a table together, of those arms that
  have all their seeds.
- Pocket-size models on two cores: this says which way of learning uses its teachers best, and nothing about
  billions of parameters.
"""


def write_page() -> None:
    """Bring the page and its pictures up to date."""
    for path, text in render().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def check_page() -> int:
    """1 if a file isn't what the results say."""
    stale = [path for path, text in render().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is out of date: run `nox -s experiments -- --render`", file=sys.stderr)
    return 1 if stale else 0


def render(folder: Path = RESULTS, docs: Path = DOCS) -> dict[Path, str]:
    """The page and its pictures, by path.

    Args:
        folder: of the results.
        docs: where the page stands.
    """
    known = [(place, stored.read(place.results, folder)) for place in PLACES]
    files: dict[Path, str] = {}
    all_found = [(place, standings(place, results)) for place, results in known]
    parts = [_HEAD.format(baseline=BASELINE, num_seeds=len(SEEDS)), *in_short(all_found), *progress(known)]
    for (place, results), (_, found) in zip(known, all_found, strict=True):
        if found:
            picture = docs / "images" / f"results-{place.name}.svg"
            files[picture] = draw(title_of(place), found, place.baseline)
            parts += place_part(place, results, found, f"images/{picture.name}")
    parts += tried(known)
    return {docs / "results.md": "\n".join(parts), **files}
