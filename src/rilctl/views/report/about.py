"""What was run, in a sentence for each training; and how the figures of one student go together."""

from collections.abc import Sequence
from statistics import fmean

from rilctl.reporting.tables import said_seconds
from rilctl.schemas.report import ReportedRun
from rilctl.schemas.report_result import Accuracy
from rilctl.views.report.evaluations import STUDENTS, Evaluation
from rilctl.views.report.overview import table_of
from rilctl.views.runs.view import RunView

_LEARNING = ("train", "sft")


def about(runs: Sequence[RunView], overview: Sequence[ReportedRun]) -> list[str]:
    """Which model, on which questions, learned how and for how long; nothing where no run trains.

    Of several runs, what they have in common comes first.
    """
    both = [(run, facts) for run, facts in zip(runs, overview, strict=True) if run.verb in _LEARNING]
    if len(both) == 1:
        return [_sentence(*both[0], "")]
    each = [_sentence(run, facts, f"{run.name}: ") for run, facts in both]
    return [_together([run for run, _ in both]), *each] if both else []


def figures(runs: Sequence[RunView], accuracies: Sequence[Accuracy], evaluations: Sequence[Evaluation]) -> list[str]:
    """Of each training: what a validation, an evaluation and a step's rollouts each counted, side by side."""
    found = []
    for run in runs:
        inside = next((each for each in accuracies if each.run == run.name and each.source == "validation"), None)
        sampled = run.metrics.get("reward/answer_student")
        if run.verb != "train" or inside is None or inside.after is None or not sampled:
            continue
        asked = f"{inside.after.num_questions:,} " if inside.after.num_questions else ""
        parts = [f"{100 * inside.after.value:.1f} % of {asked}held-out questions, answered once without sampling"]
        made = {run.manifests[role].content_digest for role in STUDENTS if role in run.manifests}
        for each in evaluations:
            of = sum(score.num_questions or 0 for score in each.scores.scores)
            values = [score.score for score in each.scores.scores if score.score is not None]
            if each.student in made and values:
                mean = "" if len(values) == 1 else ", on the mean over its benchmarks"
                suite = table_of(each.run).get("suite", "")
                parts.append(f"{fmean(values):.1f} points of 100 on the {of:,} questions of {suite} by `eval`{mean}")
        step, share = sampled[-1]
        parts.append(f"{100 * share:.1f} % of the answers that it sampled to training questions in step {step}")
        found.append(f"{run.name}, in the end, by other questions and other ways to answer: {'; '.join(parts)}.")
    return found


def _together(runs: Sequence[RunView]) -> str:
    students, questions, methods = (
        " and of ".join(dict.fromkeys(told(run) for run in runs))
        for told in (_student, lambda run: _questions(table_of(run, "data")), _method)
    )
    return f"{len(runs)} trainings of {students} on {questions}, with {methods.replace(' and of ', ', ')}."


def _student(run: RunView) -> str:
    return str(table_of(run, "student").get("model") or table_of(run).get("student") or "a student")


def _sentence(run: RunView, facts: ReportedRun, begin: str) -> str:
    own, data = table_of(run), table_of(run, "data")
    steps = facts.steps_done if facts.steps_done is not None else own.get("num_steps")
    text = f"{begin}{_student(run)} trained on {_questions(data)} with {_method(run)}"
    text += f" for {steps:,} steps" if isinstance(steps, int) else ""
    text += f" in {said_seconds(facts.seconds)}" if facts.seconds is not None else ""
    teachers = [str(each.get("model", name)) for name, each in table_of(run, "teachers").items()]
    text += f"; its teachers are {', '.join(teachers)}" if teachers and run.verb == "train" else ""
    judge = table_of(run, "judge").get("type")
    text += f"; judge: {judge}" if judge and run.verb == "train" else ""
    seed = own.get("seed")
    return f"{text}; one run, seed {seed}." if seed is not None else f"{text}."


def _method(run: RunView) -> str:
    if run.verb == "sft":
        return "SFT"
    algorithm = table_of(run).get("algorithm")
    name = algorithm.get("name") if isinstance(algorithm, dict) else None
    return str(name) if name else "RIL"


def _questions(data: dict[str, object]) -> str:
    name = next((str(data[key]) for key in ("path", "name", "type") if data.get(key)), "its questions")
    num = data.get("num_questions")
    return f"{num:,} questions of {name}" if isinstance(num, int) else name
