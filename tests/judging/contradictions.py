"""Responses that are right under two truths that can't both be: `python -m tests.judging.contradictions SEED SECONDS`.

Random sentences made of answers and of what people put between them. A judge that reads one final answer, without
knowing the truth, finds none.
"""

import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from rilctl.engines.judging.rule import judge_answer

PICTURE = "Which animal is in the picture?\nA. a dog\nB. a cat\nC. a horse\nD. a cow"
GLUE = (
    " ", "\n", "\n\n", ". ", ", ", "; ", " = ", ": ", " (", ") ", " so ", "! ", "? ", ". so ", ". then ", ". It is ",
    ". I think ", ". which is ", ".\nso ", "\nit is ", " because ", " which is ", "</answer>", "<answer>", " or ",
    "The answer is ", "Answer: ", "Wait, the answer is ", "Actually, the answer is ", "\\boxed{", "} ", " not ",
    " but ", ", not ", "**", "Final answer: ", "\n#### ", "$", " and ", "Total: ", "There is no doubt: ", '"', "答案是",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A question, the pieces of its answers, and truths of which one holds at most."""

    question: str
    pieces: tuple[str, ...]
    truths: tuple[str, ...]


WORLDS = {
    "number": World(
        "How many apples?",
        ("4", "5", "6", "7", "four", "five", "six", "seven", "4.", "5.", "5 apples", "40%"),
        ("4", "5", "6", "7"),
    ),
    "choice": World(
        PICTURE,
        ("A", "B", "C", "D", "(A)", "(B)", "(C)", "a dog", "a cat", "a horse", "A.", "B."),
        ("A", "B", "C", "D"),
    ),
    "yes-no": World("Is the door open?", ("yes", "no", "Yes.", "No.", "Yes", "No", "not", "true"), ("yes", "no")),
    "text": World("What colour?", ("red", "blue", "green"), ("red", "blue", "green")),
    "interval": World(
        "Which interval?", ("[0, 1]", "(0, 1)", "[0, 1)", "0, 1", "(1, 0)"), ("[0, 1]", "(0, 1)", "[0, 1)", "(1, 0)")
    ),
    "formula": World("Which?", ("x^2", "2x", "$x^2$", "x + 1", "√2"), ("x^2", "2x", "x + 1", "\\sqrt{2}")),
    "date": World("When?", ("May 1, 2020", "1 May 2020", "2020-05-02", "May 2, 2020"), ("May 1, 2020", "May 2, 2020")),
    "charge": World("What is the charge of the ion?", ("7+", "+7", "7-", "-7", "6+", "7"), ("+7", "-7", "+6")),
    "factor": World(
        "By what factor does the energy change?",
        ("it triples", "3 times as large", "it doubles", "decreases by a factor of 2", "2", "halved", "twice"),
        ("It triples", "It doubles", "It is halved"),
    ),
    "vector": World(
        "Which vector?",
        ("i + 2j + 3k", "2(1, 2, 3)", "(1, 2, 3)", "i + 3j + 2k", "2i + 4j + 6k", "(1, 3, 2)", "1/2"),
        ("(1, 2, 3)", "(1, 3, 2)", "(2, 4, 6)"),
    ),
    "named": World(
        "What are the period and the amplitude?",
        ("period 4", "amplitude 3", "period 3", "amplitude 4", "period", "amplitude", "3", "4"),
        ("period 4, amplitude 3", "period 3, amplitude 4"),
    ),
    "ratio": World(
        "What is the ratio of cats to dogs?",
        ("2:3", "3:2", "2/3", "3/2", "2 to 3", "cats to dogs", "dogs to cats"),
        ("2:3", "3:2"),
    ),
    "unit": World("How long?", ("5 m", "5 cm", "500 cm", "5 km"), ("5 m", "5 cm", "5 km")),
}


def contradictions(seed: int) -> Iterator[tuple[str, str | None]]:
    """For each response that was tried its world, and the response where it is right under two truths; without end.

    Args:
        seed: of the responses.
    """
    source = random.Random(seed)
    while True:
        name = source.choice(list(WORLDS))
        world = WORLDS[name]
        text = "".join(
            source.choice(GLUE) * (source.random() < 0.8) + source.choice(world.pieces)
            for _ in range(source.randint(2, 6))
        )
        right = [truth for truth in world.truths if judge_answer(truth, text, question=world.question).correct]
        yield name, text if len(right) > 1 else None


def main() -> int:
    """Try for as long as was asked, and print what was found, the shortest first."""
    tried: dict[str, int] = defaultdict(int)
    found: dict[str, list[str]] = defaultdict(list)
    until = time.monotonic() + float(sys.argv[2])
    for world, text in takewhile(lambda _: time.monotonic() < until, contradictions(int(sys.argv[1]))):
        tried[world] += 1
        if text is not None:
            found[world].append(text)
    print(f"{sum(tried.values())} tried, {sum(map(len, found.values()))} right under two truths")
    for world, texts in found.items():
        print(world, len(texts), sorted(texts, key=len)[:8])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
