"""What each run read and made, in rows."""

from collections import Counter

from rilctl.schemas.report_made import Counted, RejectedRow, ReportData
from rilctl.views.report.nearby import nearby
from rilctl.views.runs.view import RunView

MOST_REJECTED = 100
_LEFT_OUT = "sft/num_left_out/"


def data_of(run: RunView) -> ReportData:
    """Sources, sizes, what was left out and why."""
    rejected = run.rejected()
    reasons = Counter(row.reason for row in rejected)
    return ReportData(
        run=run.name,
        sources=[f"{entry.role}: {nearby(entry.name)}" for entry in run.inputs],
        counts=_counts(run),
        selection=_selection(run),
        num_rejected=max((manifest.num_rejected for manifest in run.manifests.values()), default=len(rejected)),
        rejected_reasons=[Counted(name=reason, num=num) for reason, num in reasons.most_common()],
        rejected=[
            RejectedRow(
                run=run.name, sample_id=row.sample_id, source=row.source, reason=row.reason, message=row.message
            )
            for row in rejected[:MOST_REJECTED]
        ],
    )


def _counts(run: RunView) -> list[Counted]:
    found = [
        Counted(name=f"{role}: {unit}", num=num)
        for role, manifest in run.manifests.items()
        for unit, num in (("rows", manifest.num_rows), ("response tokens", manifest.num_tokens))
        if num is not None
    ]
    verdicts = [m.metrics for m in run.manifests.values() if m.kind == "verdicts"]
    for metrics in verdicts:
        missing = {name: metrics[name] for name in ("num_no_verdict", "num_no_truth") if name in metrics}
        found += [
            Counted(name=name.replace("num_", "").replace("_", " "), num=int(num)) for name, num in missing.items()
        ]
    return found


def _selection(run: RunView) -> list[Counted]:
    """Of `sft`, which keeps some responses and leaves out others, each with its reason."""
    first = {name: points[0][1] for name, points in run.metrics.items() if name.startswith("sft/num_") and points}
    kept = [Counted(name="kept", num=int(first["sft/num_kept"]))] if "sft/num_kept" in first else []
    return kept + [
        Counted(name=name.removeprefix(_LEFT_OUT), num=int(num))
        for name, num in first.items()
        if name.startswith(_LEFT_OUT)
    ]
