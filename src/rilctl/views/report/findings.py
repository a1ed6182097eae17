"""The summary on top: what came out, where it got worse, what to look at first."""

from collections.abc import Sequence
from typing import Literal

from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.report import Finding, ReportedRun, ReportSign
from rilctl.schemas.report_result import Accuracy, Flips, Score

Mood = Literal["good", "bad", "neutral"]
_CHANCE = 0.05


def findings(
    runs: Sequence[ReportedRun],
    comparisons: Sequence[ComparisonReport],
    accuracies: Sequence[Accuracy],
    flips: Sequence[Flips],
    signs: Sequence[ReportSign],
) -> list[Finding]:
    """Sentences, bad news first: the result of each run, unfinished ones, warnings."""
    found = [_unfinished(run) for run in runs if run.state != "finished"]
    found += [
        Finding(text=f"{each.recipe}: {each.advice}", mood="neutral", run="", target="comparison")
        for each in comparisons
    ]
    flipped = {each.run: each for each in flips}
    evaluated = {each.run for each in accuracies if each.source == "evaluation"}
    results = [each for each in accuracies if each.source == "evaluation" or each.run not in evaluated]
    found += [_accuracy(each, flipped.get(each.run)) for each in results if each.after is not None]
    told = {finding.run for finding in found if finding.mood == "bad" and finding.target == "chart:accuracy"}
    signs = [sign for sign in signs if sign.name != "accuracy-falls" or sign.run not in told]
    found += [_sign(sign) for sign in signs if sign.severity == "bad"]
    found += _worth_a_look([sign for sign in signs if sign.severity != "bad"])
    if len(runs) == 1:
        found = [each.model_copy(update={"text": each.text.removeprefix(f"{runs[0].name}: ")}) for each in found]
    order: tuple[Mood, ...] = ("bad", "neutral", "good")
    if comparisons or len(results) <= 1:
        return sorted(found, key=lambda finding: finding.mood != "bad")
    return sorted(found, key=lambda finding: order.index(finding.mood))


def _unfinished(run: ReportedRun) -> Finding:
    step = "" if run.steps_done is None else f" at step {run.steps_done}"
    of = f" of {run.steps_planned}" if step and run.steps_planned else ""
    said = {
        "running": f"{run.name} is still running{step}{of}; this is how it stands now",
        "stopped": f"{run.name} stopped{step}{of} and is not finished; its command goes on with it",
        "unreadable": f"{run.name} can't be read: nothing says what it is",
    }[run.state]
    return Finding(text=said, mood="neutral" if run.state == "running" else "bad", run=run.name, target="")


def _accuracy(each: Accuracy, flips: Flips | None) -> Finding:
    """Before and after, and the questions that made the difference."""
    assert each.after is not None
    where = "held-out questions" if each.source == "validation" else "the suite"
    target = "chart:accuracy" if each.source == "validation" else "benchmarks"
    step = f" at step {each.after_step}" if each.after_step is not None else ""
    mood: Mood = "neutral"
    if each.before is None:
        text = f"{each.run}: {_shown(each.after)} of {where} right{step}"
    else:
        points = 100 * (each.after.value - each.before.value)
        text = f"{each.run}: {_shown(each.before)} of {where} right before, {_shown(each.after)} after"
        text += f" ({points:+.1f} points)"
        if _apart(each.before, each.after):
            mood = "good"
        elif _apart(each.after, each.before):
            mood = "bad"
        elif flips is None or flips.basis == "rollouts":
            text += ", which may be chance: the intervals overlap"
    if each.best is not None and each.best_step not in (0, each.after_step) and _apart(each.after, each.best):
        text, mood = f"{text}; it was {_shown(each.best)} at step {each.best_step}", "bad"
    if flips is not None and flips.basis == "evaluation" and (flips.num_gained or flips.num_lost):
        text += f"; {flips.num_gained:,} questions went from wrong to right, {flips.num_lost:,} from right to wrong"
        if flips.p is not None and flips.p >= _CHANCE:
            text, mood = f"{text}, which may be chance (p = {flips.p:.2f})", "neutral"
        elif mood == "neutral" and flips.p is not None:
            mood = "good" if flips.num_gained > flips.num_lost else "bad"
        target = "flips"
    return Finding(text=text, mood=mood, run=each.run, target=target)


def _apart(lower: Score, higher: Score) -> bool:
    """Whether one lies above the other, intervals and all."""
    top = lower.value if lower.high is None else lower.high
    bottom = higher.value if higher.low is None else higher.low
    return top < bottom


def _shown(score: Score) -> str:
    interval = "" if score.low is None or score.high is None else f" ({100 * score.low:.1f} to {100 * score.high:.1f})"
    return f"{100 * score.value:.1f} %{interval}"


def _worth_a_look(signs: Sequence[ReportSign]) -> list[Finding]:
    """Named and counted; what each saw stands in its own part."""
    if not signs:
        return []
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(sign.name for sign in signs))
    num = "a warning that is" if len(signs) == 1 else f"{len(signs)} warnings that are"
    return [Finding(text=f"{num} worth a look: {names}", mood="neutral", run="", target="signs")]


def _sign(sign: ReportSign) -> Finding:
    return Finding(
        text=f"{sign.run}: {sign.title} (`{sign.name}`): {sign.says}",
        mood="bad" if sign.severity == "bad" else "neutral",
        run=sign.run,
        target=f"sign:{sign.name}",
    )
