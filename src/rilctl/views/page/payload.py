"""What the page's scripts read: the report's charts, rollouts and pictures as JSON that may stand within HTML."""

import json
from typing import Any

from rilctl.schemas.report import Report

_READ_BY_SCRIPTS = frozenset(
    {"runs", "signs", "accuracies", "benchmarks", "sizes", "picture_use", "charts", "rollouts", "pictures", "lineage"}
)
_DIGITS = 5
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""What could end a script element, or a line of JavaScript; within JSON these stand in strings alone."""


def payload_of(report: Report) -> str:
    """JSON of what scripts read; numbers have five significant digits, which is more than a chart shows."""
    data = _rounded(report.model_dump(mode="json", include=set(_READ_BY_SCRIPTS)))
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def _rounded(value: Any) -> Any:  # JSON of any shape
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return value
