"""Of judges: those that `train` asks, and the verb `judge`."""

from dataclasses import replace

from rilctl.reporting.known_metrics.shared import in_room
from rilctl.reporting.metric import Metric

_WITH_JUDGE = "with an answer reward"
_JUDGE = (
    Metric(
        "input_tokens", "tokens", "run", "that the endpoint counted, of what it was asked", when="with an LLM judge"
    ),
    Metric("output_tokens", "tokens", "run", "that the endpoint counted, of its replies", when="with an LLM judge"),
    Metric("cost", "price", "run", "of both", when="with prices in `judge.endpoint`"),
)
"""What replies cost."""
_LLM_JUDGE = (
    *(
        replace(metric, name=f"canary/{metric.name}", over="sum", meaning=f"{metric.meaning}; of the newest check")
        for metric in _JUDGE
    ),
    Metric("canary/num", "canaries", "sum", "of the newest check"),
    Metric("canary/num_no_verdict", "canaries", "sum", "without a verdict"),
    Metric("canary/false_positive_rate", "share", "canaries", "wrong ones that were called right"),
    Metric("canary/false_positive_low", "share", "canaries", "lower end of its 95 % interval (Wilson)"),
    Metric("canary/false_positive_high", "share", "canaries", "upper end"),
    Metric("canary/false_negative_rate", "share", "canaries", "right ones that were called wrong"),
    Metric("canary/false_negative_low", "share", "canaries", "lower end of its 95 % interval (Wilson)"),
    Metric("canary/false_negative_high", "share", "canaries", "upper end"),
    Metric("rules_first_share", "share", "rows", "that the rules settled", when="with `judge.rules_first`"),
)
"""What an LLM judge knows about itself."""

JUDGE_IN_TRAIN: tuple[Metric, ...] = (
    Metric(
        "judge/missing_share_student", "share", "student rows", "without a verdict", side="student", when=_WITH_JUDGE
    ),
    Metric(
        "judge/missing_share_teacher",
        "share",
        "teacher rows",
        "without a verdict",
        side="teacher",
        when="with an answer reward and teacher rows",
    ),
    Metric(
        "judge/missing_mean_tokens", "tokens", "rows", "length of rows without a verdict", when="where there are any"
    ),
    *in_room("judge/", ("train",), (*_JUDGE, *_LLM_JUDGE), "with an LLM judge"),
)
VERDICTS: tuple[Metric, ...] = (
    Metric("accuracy", "share", "rows", "judged right, among those with a verdict", ("judge",)),
    Metric("accuracy/SOURCE", "share", "rows", "the same for one teacher, `student` or `stdin`", ("judge",)),
    Metric("num_no_verdict", "rows", "sum", "without a verdict, though with a ground truth", ("judge",)),
    Metric("num_no_truth", "rows", "sum", "without a ground truth", ("judge",), when="where there are any"),
    *in_room("", ("judge",), (*_JUDGE, *_LLM_JUDGE), "with an LLM judge"),
)
