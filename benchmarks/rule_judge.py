"""How often rules are wrong about labelled answers, and how many they judge in a second.

`python benchmarks/rule_judge.py [FILE …]`: JSON Lines with `question`, `answer`, `text` and `right`; without a file,
those of `tests/judging/corpus`. In brackets: Wilson's 95 % interval.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rilctl.algorithms.statistics import wilson_interval
from rilctl.engines.judging.rule import judge_answer
from rilctl.schemas.answers import answer_text

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "judging" / "corpus"
SHORT = (
    ("What is the sum?", "8", "i see {a}+{b}={c}. answer {c}"),
    ("How many apples are there?", "5", "There are {a} apples in picture {b}{c}."),
    ("Which animal?\nA. a dog\nB. a cat\nC. a horse", "B", "Picture {a}{b}{c} shows a cat, so the answer is B."),
    ("Is the door open?", "yes", "Yes, door {a}{b}{c} is open."),
)
"""Questions of the kind that a policy answers thousands of times in a step."""


def main(files: Sequence[Path]) -> None:
    """Measure and print."""
    for file in files:
        wrong = {True: 0, False: 0}
        total = {True: 0, False: 0}
        for case in (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()):
            total[case["right"]] += 1
            wrong[case["right"]] += _verdict(case) is not case["right"]
        print(f"{file.name}: false positives {_rate(wrong[False], total[False])}")
        print(f"{file.name}: false negatives {_rate(wrong[True], total[True])}")
    print(f"{_answers_per_s():.0f} short answers a second, each another text")


def _verdict(case: dict[str, Any]) -> bool:
    return bool(judge_answer(answer_text(case["answer"], "answer"), case["text"], question=case["question"]).correct)


def _rate(count: int, total: int) -> str:
    interval = wilson_interval(count, total)
    return f"{count} of {total}, {count / total:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _answers_per_s(num: int = 4000) -> float:
    texts = [
        (q, truth, text.format(a=i % 10, b=i // 10 % 10, c=i)) for i in range(num // 4) for q, truth, text in SHORT
    ]
    started = time.perf_counter()
    for question, truth, text in texts:
        judge_answer(truth, text, question=question)
    return len(texts) / (time.perf_counter() - started)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(CORPUS.glob("*.jsonl")))
