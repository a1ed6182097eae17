"""Parts of a made report: charts, results, data, lineage."""

import math
import random

from rilctl.schemas.report import Chart, Line, ReportSign
from rilctl.schemas.report_made import (
    Counted,
    LineageArrow,
    LineageBox,
    RejectedRow,
    ReportData,
    ReportLineage,
)
from rilctl.schemas.report_result import (
    Accuracy,
    Bar,
    Flip,
    FlippedAnswer,
    Flips,
    Score,
)

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1"><b>bold?</b> & \'quotes\' "double"',
    "line\u2028separator\u2029 ]]> --> <!-- {{ 7*7 }} ${7*7} \\u003c \u202egnp.exe",
)
"""What a question, a response or a name may hold."""

SHOWN = (
    ("reward-answer", "rewards", "Answer reward", "share", True, ("students", "teachers")),
    ("reward-similarity", "rewards", "Similarity reward", "share", True, ("students", "teachers")),
    ("validation-accuracy", "accuracy", "Held-out accuracy", "share", False, ("",)),
    ("response-length", "length", "Response length", "tokens", True, ("students", "teachers")),
    ("entropy", "policy", "Entropy", "nats", True, ("",)),
    ("kl", "policy", "KL to the reference", "nats", True, ("",)),
    ("grad-norm", "policy", "Gradient norm", "", True, ("",)),
    ("no-signal", "signal", "Groups without signal", "share", True, ("",)),
    ("rate", "throughput", "Throughput", "tokens/s", True, ("",)),
    (
        "disc-accuracy",
        "discriminator",
        "Discriminator on fresh rows",
        "share",
        True,
        ("AUC", "balanced", "length alone"),
    ),
    ("disc-calibration", "discriminator", "Calibration error", "share", True, ("",)),
    ("judge-missing", "judge", "Missing verdicts", "share", False, ("students", "teachers")),
)


def chart(
    shape: tuple[str, str, str, str, bool, tuple[str, ...]], names: tuple[str, ...], num_steps: int, draw: random.Random
) -> Chart:
    name, group, title, unit, is_noisy, labels = shape
    scale = {"share": 1.0, "tokens": 90.0, "tokens/s": 5000.0}.get(unit, 2.0)
    every = 1 if is_noisy else max(1, num_steps // 6)
    lines = []
    for at, run in enumerate(names):
        for kind, label in enumerate(labels):
            points = [
                (step, scale * min(1, max(0, course(step / num_steps, at + kind) + draw.gauss(0, 0.05))))
                for step in range(1, num_steps + 1, every)
            ]
            band = [(step, 0.9 * value, min(scale, 1.1 * value)) for step, value in points] if not is_noisy else []
            lines.append(Line(run=run, metric=f"{name}/{label}", label=label, points=points, band=band))
    return Chart(
        name=name, group=group, kind="lines", title=title, unit=unit, is_noisy=is_noisy,
        explanation="It should rise.", docs="metrics.md#train", lines=lines,
    )  # fmt: skip


def course(share: float, kind: int) -> float:
    return 0.25 + (0.6 / (1 + math.exp(-9 * (share - 0.3 - kind / 9))))


def phases(run: str, num_steps: int, draw: random.Random) -> Chart:
    lines = [
        Line(
            run=run,
            metric=f"{phase}_s",
            label=phase,
            points=[(step, draw.uniform(0.5, 1)) for step in range(1, num_steps + 1)],
            band=[],
        )
        for phase in ("rollouts", "scoring", "policy update", "other")
    ]
    return Chart(
        name="phases", group="throughput", kind="stack", title="Seconds of a step", unit="s", is_noisy=False,
        explanation="Where time goes.", docs="performance.md", lines=lines,
    )  # fmt: skip


def sign(run: str, num_steps: int) -> ReportSign:
    return ReportSign(
        name="entropy-collapse",
        run=run,
        title="Entropy collapses",
        severity="bad",
        says=f"entropy fell below 0.01 nats {HOSTILE[0]}",
        steps=[num_steps // 2, num_steps],
        means="the policy says one thing alone.",
        advice="a larger `train.algorithm.beta`.",
        docs="train.md#entropy",
        chart="entropy",
    )


def accuracy(run: str, num_steps: int) -> Accuracy:
    before, after = (
        Score(value=0.275, low=0.218, high=0.34, num_questions=200),
        Score(value=0.98, low=0.95, high=0.99, num_questions=200),
    )
    return Accuracy(
        run=run, source="validation", before=before, after=after, after_step=num_steps, best=after, best_step=num_steps
    )


def flips(run: str, digests: list[str]) -> Flips:
    shown = [
        Flip(
            benchmark="digits",
            sample_id=f"test-{index}",
            question=HOSTILE[index % 3],
            truth="8",
            image_digests=digests[index : index + 1],
            before=FlippedAnswer(text="answer 8", is_right=index < 3, verdict="score 1"),
            after=FlippedAnswer(text=HOSTILE[0], is_right=index >= 3, verdict="score 0"),
            way="lost" if index < 3 else "gained",
        )
        for index in range(20)
    ]
    return Flips(
        before="base", after=run, run=run, basis="evaluation", num_questions=200, num_gained=144, num_lost=3,
        p=1e-9, shown=shown, sampling="All that were lost, 17 that were gained.",
    )  # fmt: skip


def bar(name: str, kind: str, draw: random.Random) -> Bar:
    value = draw.uniform(40, 80)
    return Bar(
        name=name,
        kind=kind,
        score=Score(value=value, low=value - 3, high=value + 3) if kind == "run" else Score(value=value),
    )


def data(run: str) -> ReportData:
    return ReportData(
        run=run,
        sources=["digits:train", "teacher:qwen72b"],
        counts=[Counted(name="questions", num=12000)],
        selection=[Counted(name="kept", num=9000), Counted(name="too easy", num=3000)],
        num_rejected=1,
        rejected_reasons=[Counted(name="image-truncated", num=1)],
        rejected=[
            RejectedRow(run=run, sample_id="row 7", source="a.jsonl", reason="image-truncated", message=HOSTILE[0])
        ],
    )


def lineage() -> ReportLineage:
    kinds = (
        ("data", "data"),
        ("model", "teacher"),
        ("model", "student"),
        ("artifact", "teacher-cache"),
        ("artifact", "rollouts"),
    )
    boxes = [
        LineageBox(
            id=label, kind=kind, label=label, name=f"runs/quickstart/{label}", digest=f"sha256:{label}", state="ok"
        )
        for kind, label in kinds
    ]
    pairs = (
        ("data", "teacher-cache"),
        ("teacher", "teacher-cache"),
        ("student", "rollouts"),
        ("teacher-cache", "rollouts"),
    )
    return ReportLineage(boxes=boxes, arrows=[LineageArrow(source=a, target=b, role=a) for a, b in pairs])
