"""Benchmarks that need a judge, for every answer or for those that can't be read."""

from typing import Any

from datasets import Sequence as Many

from .base import LETTERS, PICTURE, REAL, TEXT, WHOLE, StandIn, options_for, picture


def mathvista() -> StandIn:
    details = [
        "category",
        "context",
        "grade",
        "img_height",
        "img_width",
        "language",
        "skills",
        "source",
        "split",
        "task",
    ]
    kinds: dict[str, Any] = dict.fromkeys(details, TEXT) | {
        "img_height": WHOLE,
        "img_width": WHOLE,
        "skills": Many(TEXT),
    }
    names = ["pid", "question", "image", "unit", "answer", "question_type", "answer_type", "query"]
    made = StandIn(
        "AI4Math/MathVista",
        dict.fromkeys(names, TEXT)
        | {"decoded_image": PICTURE, "choices": Many(TEXT), "precision": REAL, "metadata": kinds},
        ["mathvista_testmini_cot", "mathvista_testmini_format", "mathvista_testmini_solution"],
    )
    rows = [
        ("multi_choice", "text", "Which is larger?", ["left", "right", "equal"], "right", 0.0, "right", "left"),
        ("free_form", "integer", "How many discs are there?", None, "7", 0.0, "7", "9"),
        ("free_form", "float", "How long is the side?", None, "1.2", 1.0, "1.2", "3.4"),
        ("free_form", "list", "Which years?", None, "[2007, 2008]", 0.0, "The answer is [2007, 2008]", "[1, 2]"),
        ("multi_choice", "text", "What is the angle?", ["30°", "45°"], "45°", 0.0, "The answer is (B)", "(A)"),
    ]
    for number, (kind, answer_type, question, choices, answer, precision, right, wrong) in enumerate(rows):
        listed = "\n".join(f"({LETTERS[i]}) {choice}" for i, choice in enumerate(choices or []))
        row = {
            "pid": str(number + 1),
            "question": question,
            "image": f"images/{number + 1}.jpg",
            "decoded_image": picture(number),
            "choices": choices,
            "unit": None,
            "precision": precision,
            "answer": answer,
            "question_type": kind,
            "answer_type": answer_type,
            "query": f"Hint: Please answer the question.\nQuestion: {question}\n{listed}".strip(),
            "metadata": {
                "category": "math-targeted-vqa",
                "context": "synthetic scene",
                "grade": "elementary school",
                "img_height": 84,
                "img_width": 84,
                "language": "english",
                "skills": ["arithmetic reasoning"],
                "source": "drawn",
                "split": "testmini",
                "task": "math word problem",
            },
        }
        made.add("testmini", row, right, wrong)
        made.add("test", {**row, "pid": str(number + 101), "answer": "", "choices": choices}, right, wrong)
    return made


def mmbench(config: str, question: str) -> StandIn:
    """Three questions, each with all rotations of its options, and one with a single row."""
    letters = dict.fromkeys("ABCD", TEXT)
    made = StandIn(
        "lmms-lab-encoder/MMBench",
        {"index": WHOLE, "question": TEXT, "hint": TEXT, "answer": TEXT, **letters}
        | {"category": TEXT, "image": PICTURE, "source": TEXT, "L2-category": TEXT, "comment": TEXT, "split": TEXT},
        [f"mmbench_{config}_dev"],
        config=config,
    )
    for number in range(4):
        options, place = options_for(number, 3 if number == 2 else 4)
        for turn in range(1 if number == 3 else len(options)):
            turned = options[turn:] + options[:turn]
            answer = LETTERS[turned.index(options[place])]
            cells = dict(zip("ABCD", [*turned, "nan"], strict=False))
            row = {
                "index": number + 1 + 1_000_000 * turn,
                "question": question.format(number),
                "hint": "Look at the square." if number == 1 else "nan",
                "answer": answer,
                **cells,
                "category": "attribute_recognition" if number < 2 else "object_localization",
                "image": picture(number),
                "source": "drawn",
                "L2-category": "finegrained_perception",
                "comment": "nan",
                "split": "dev",
            }
            # One answer that only a judge can read, in words of its own.
            right = f"it looks {'-'.join(options[place])} to me" if number == 1 and turn == 0 else answer
            made.add("dev", row, right, LETTERS[(LETTERS.index(answer) + 1) % len(options)])
            made.add("test", {**row, "answer": "nan", "split": "test"}, "", "")
    return made


def mmvet() -> StandIn:
    names = ["question_id", "image_source", "question", "answer", "capability"]
    made = StandIn("lmms-lab-encoder/MMVet", dict.fromkeys(names, TEXT) | {"image": PICTURE}, ["mmvet"])
    rows = [
        ("What is x in the equation?", "-1<AND>-5", "math,ocr", "x is -1 and -5", "x is 3"),
        ("Which city is this?", "Rome<OR>Roma", "rec,know", "this is Rome", "this is Oslo"),
        ("What does the sign say?", "stop", "ocr", "it says stop", "it says go"),
        ("How many discs?", "one", "rec", "there is one", "there are nine"),
    ]
    for number, (question, answer, capability, right, wrong) in enumerate(rows):
        row = {
            "question_id": f"v1_{number}",
            "image": picture(number),
            "image_source": "drawn",
            "question": question,
            "answer": answer,
            "capability": capability,
        }
        made.add("test", row, right, wrong)
    return made


def mmvet_v2() -> StandIn:
    images = {f"image_{number}": PICTURE for number in range(17)}
    made = StandIn(
        "whyu/mm-vet-v2",
        {"id": TEXT, "question": TEXT, "answer": TEXT, **images, "capability": Many(TEXT), "added_in": TEXT},
        ["mmvetv2"],
    )
    rows = [
        ("What stands in the picture?<IMG><image_0>", "seven", ["ocr"], "seven", "eight"),
        (
            "Compare <IMG><image_0><IMG> with <IMG><image_1>",
            "smaller<AND>darker",
            ["rec", "seq"],
            "smaller and darker",
            "equal",
        ),
        ("Which one?<IMG><image_0>", "left", ["spat"], "the left one", "the upper one"),
    ]
    for number, (question, answer, capability, right, wrong) in enumerate(rows):
        shown = {name: picture(number * 2 + i) if f"<{name}>" in question else None for i, name in enumerate(images)}
        row = {
            "id": f"v2_{number}",
            "question": question,
            "answer": answer,
            **shown,
            "capability": capability,
            "added_in": "v2",
        }
        made.add("test", row, right, wrong)
    return made
