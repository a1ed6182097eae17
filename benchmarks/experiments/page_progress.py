"""What was run, what is missing, and which rates were tried: parts of docs/results.md."""

from collections import Counter
from collections.abc import Iterator, Sequence

from experiments.order import best_rate, runs_of, trials_of
from experiments.results import Results, Run
from experiments.rules import KEY, rules_of
from experiments.standing import missing
from experiments.worlds import NUM_TRIALS, REGIMES, STRONG, WORLDS, Place


def progress(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """What there is, and what was left out."""
    yield "## What was run, and what wasn't\n"
    yield from (f"- world **{world.name}**: {world.about}" for world in (*WORLDS, STRONG))
    yield from (f"- regime **{regime.name}**: {regime.about}" for regime in REGIMES)
    runs = [run for results in {results.place: results for _, results in known}.values() for run in results.runs]
    wanted = {(place.results, arm, seed) for place, _ in known for arm in place.arms for seed in place.seeds}
    made = {
        (place.results, arm, seed)
        for place, results in known
        for arm in place.arms
        for seed in runs_of(place, results, arm)
    }
    left_out, total = len(wanted - made), len(wanted)
    tuned = {(place.results, arm) for place, _ in known for arm in place.arms if place.rates_from in (None, arm)}
    num_runs = total + len(tuned) * NUM_TRIALS
    hours = sum(run.cpu_s for run in runs) / 3600
    yield f"\n{len(runs)} of about {num_runs} runs, trials included, took {hours:.2f} hours of a core."
    if left_out:
        yield f"**Left out so far: {left_out} of {total} students.** The same command goes on with them, and nothing"
        yield f"that is concluded below rests on them.{_rest(num_runs, len(runs), hours)}"
    yield ""
    for made_by, count in Counter(map(_computed_by, runs)).most_common():
        yield f"- {count} runs: {made_by}"
    if runs:
        yield f"- answers judged by {_judged_by(runs)}"
    yield ""
    for groups in dict.fromkeys(place.groups for place, _ in known):
        yield from _seeds_there([(place, results) for place, results in known if place.groups == groups])


def _computed_by(run: Run) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.versions.items() if name != KEY)


def _judged_by(runs: Sequence[Run]) -> str:
    """Versions of the rules, newest first, with the number of runs; then how many don't say."""
    counts = Counter(map(rules_of, runs))
    unknown = counts.pop(None, 0)
    known = sorted(((rules, num) for rules, num in counts.items() if rules), key=lambda each: -_number(each[0]))
    said = [f"{rules} in {num}" for rules, num in known]
    return ", ".join([*said, f"a version that isn't recorded in {unknown}"] if unknown else said)


def _number(rules: str) -> int:
    return int(rules.rpartition("-")[2])


def _rest(num_runs: int, num_done: int, hours: float) -> str:
    if not num_done:
        return ""
    return f" At the pace of those so far they take about {(num_runs - num_done) * hours / num_done:.0f} hours."


def _seeds_there(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """A table of the places that compare the same arms: how many seeds of each are there."""
    yield "| seeds of | " + " | ".join(place.name for place, _ in known) + " |"
    yield "| --- |" + " ---: |" * len(known)
    lacking = [(place.arms, len(place.seeds), missing(place, results)) for place, results in known]
    for arm in dict.fromkeys(arm for arms, _, _ in lacking for arm in arms):
        there = [(num - lacks.get(arm, 0) if arm in arms else 0, num) for arms, num, lacks in lacking]
        yield f"| `{arm}` | " + " | ".join(f"{have} of {num}" if have else "–" for have, num in there) + " |"
    yield ""


def tried(known: Sequence[tuple[Place, Results]]) -> Iterator[str]:
    """Every rate that was tried, and what it gave."""
    known = [(place, results) for place, results in known if results.runs and place.rates_from is None]
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
