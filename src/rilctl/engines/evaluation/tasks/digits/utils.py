"""The `digits` task's functions, with the names and signatures that lmms-eval expects."""

from collections.abc import Mapping, Sequence
from typing import Any

from rilctl.engines.judging.rule import judge_answer


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The pictures of a question."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """The text of a question."""
    return str(doc["question"])


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """1 for a right response, else 0."""
    verdict = judge_answer(doc["answer"], results[0], question=doc["question"])
    return {"accuracy": float(verdict.correct is True)}
