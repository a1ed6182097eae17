"""docs/results.md and its pictures, from results/*.json alone: no figure on the page was written by hand."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments import results as stored
from experiments.order import best_rate, trials_of
from experiments.picture import draw
from experiments.results import RESULTS, Results
from experiments.standing import Standing, is_clear, missing, standings
from experiments.worlds import BASELINE, NUM_TRIALS, PLACES, REGIMES, SEEDS, WORLDS, Place

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
  Differences are paired by question and seed; p is Holm's, for all comparisons of a table together.
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
    parts = [_HEAD.format(baseline=BASELINE, num_seeds=len(SEEDS)), *_progress(known)]
    for place, results in known:
        found = standings(place, results)
        if found:
            picture = docs / "images" / f"results-{place.name}.svg"
            files[picture] = draw(title_of(place), found, place.baseline)
            parts += _place(place, found, f"images/{picture.name}")
    parts += _tried([(place, results) for place, results in known if results.runs])
    return {docs / "results.md": "\n".join(parts), **files}


def title_of(place: Place) -> str:
    """For a person."""
    return f"{place.world.name}{place.suffix.replace('-', ', ')}: {place.regime.about}"


def _progress(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """What there is, and what was left out."""
    yield "## What was run, and what wasn't\n"
    yield from (f"- world **{world.name}**: {world.about}" for world in WORLDS)
    yield from (f"- regime **{regime.name}**: {regime.about}" for regime in REGIMES)
    runs = [run for _, results in known for run in results.runs]
    left_out = sum(sum(missing(place, results).values()) for place, results in known)
    total = sum(len(place.arms) * len(place.seeds) for place, _ in known)
    num_runs = total + sum(len(place.arms) * NUM_TRIALS for place, _ in known)
    hours = sum(run.cpu_s for run in runs) / 3600
    yield f"\n{len(runs)} of about {num_runs} runs, trials included, took {hours:.2f} hours of a core."
    if left_out:
        yield f"**Left out so far: {left_out} of {total} students.** The same command goes on with them, and nothing"
        yield f"that is concluded below rests on them.{_rest(num_runs, len(runs), hours)}"
    yield ""
    for groups in dict.fromkeys(place.groups for place, _ in known):
        yield from _seeds_there([(place, results) for place, results in known if place.groups == groups])


def _rest(num_runs: int, num_done: int, hours: float) -> str:
    if not num_done:
        return ""
    return f" At the pace of those so far they take about {(num_runs - num_done) * hours / num_done:.0f} hours."


def _seeds_there(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """A table of the places that compare the same arms: how many seeds of each are there."""
    yield "| seeds of | " + " | ".join(place.name for place, _ in known) + " |"
    yield "| --- |" + " ---: |" * len(known)
    lacking = [(len(place.seeds), missing(place, results)) for place, results in known]
    for arm in known[0][0].arms:
        there = [(num - lacks.get(arm, 0), num) for num, lacks in lacking]
        yield f"| `{arm}` | " + " | ".join(f"{have} of {num}" if have else "–" for have, num in there) + " |"
    yield ""


def _place(place: Place, found: Sequence[Standing], picture: str) -> Iterator[str]:
    first, title = next(iter(found[0].runs.values())), title_of(place)
    yield f"## {title[0].upper()}{title[1:]}\n"
    yield f"![accuracy of each arm]({picture})\n"
    yield f"Accuracy in percent on {first.num_questions:,} test questions; small points are seeds.\n"
    yield f"| arm | accuracy | minus `{place.baseline}` | p | seeds | rate | tokens | CPU s |"
    yield "| --- | --- | --- | ---: | --- | ---: | ---: | ---: |"
    yield from map(_row, found)
    yield f"\n{_verdict(found, place.baseline)}\n"


def _row(each: Standing) -> str:
    minus = each.minus.interval if each.minus is not None else None
    by_seed = " ".join(f"{100 * sum(run.correct) / run.num_questions:.1f}" for _, run in sorted(each.runs.items()))
    cells = (
        f"`{each.arm}`",
        f"{100 * each.mean.estimate:.1f} ({100 * each.mean.low:.1f} to {100 * each.mean.high:.1f})",
        "" if minus is None else f"{100 * minus.estimate:+.1f} ({100 * minus.low:+.1f} to {100 * minus.high:+.1f})",
        "" if each.adjusted is None else "< 0.001" if each.adjusted < 0.001 else f"{each.adjusted:.3f}",
        by_seed,
        "" if each.rate is None else f"{each.rate:g}{' ▸' if each.is_edge else ''}",
        f"{each.average('num_tokens'):,.0f}",
        f"{each.average('cpu_s'):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _verdict(found: Sequence[Standing], baseline: str) -> str:
    """In words, what the table's whole rows say."""
    whole = [each for each in found if each.is_whole]
    if baseline not in [each.arm for each in whole]:
        return f"`{baseline}` doesn't have all its seeds yet, so nothing is concluded."
    clear = [each for each in whole if is_clear(each) and each.minus is not None]
    ahead = [f"`{each.arm}`" for each in clear if each.minus is not None and each.minus.interval.estimate > 0]
    behind = [f"`{each.arm}`" for each in clear if each.minus is not None and each.minus.interval.estimate < 0]
    open_ = [f"`{each.arm}`" for each in whole if each not in clear and each.arm != baseline]
    unfinished = [f"`{each.arm}`" for each in found if not each.is_whole]
    said = [
        f"Ahead of `{baseline}`: {_list(ahead)}.",
        f"Behind it: {_list(behind)}.",
        f"Not told apart from it: {_list(open_)}.",
    ]
    return " ".join([*said, f"Without all seeds: {_list(unfinished)}."] if unfinished else said)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _tried(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """Every rate that was tried, and what it gave."""
    if not known:
        return
    yield "## Rates that were tried\n"
    yield "Accuracy on the validation questions, in percent; the best is taken, of equal ones the lowest. ▸ in the"
    yield "tables above: the best was the lowest or the highest of them, so a better one may lie beyond.\n"
    yield "| place | arm | rate: accuracy | taken |\n| --- | --- | --- | ---: |"
    for place, results in known:
        for arm in place.arms:
            trials = trials_of(results, arm)
            if trials:
                tried = ", ".join(f"{run.rate:g}: {100 * (run.validation or 0):.1f}" for run in trials)
                taken = f"{best_rate(trials):g}" if len(trials) == NUM_TRIALS else "not yet"
                yield f"| {place.name} | `{arm}` | {tried} | {taken} |"
    yield ""
