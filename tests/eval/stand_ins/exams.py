"""Benchmarks of exam questions, whose code guesses where it can't read an answer."""

from .base import LETTERS, PICTURE, TEXT, StandIn, options_for, picture


def mmmu() -> StandIn:
    images = {f"image_{number}": PICTURE for number in range(1, 8)}
    names = ["id", "question", "options", "explanation", "img_type", "answer", "topic_difficulty", "question_type"]
    made = StandIn("lmms-lab-encoder/MMMU", dict.fromkeys([*names, "subfield"], TEXT) | images, ["mmmu_val"])
    for number, subject in enumerate(("Art", "Math", "Math", "Biology", "Music") * 3):
        options, place = options_for(number)
        is_open = number % 5 == 2
        two = number % 5 == 3
        question = (
            "How many discs? <image 1>" if is_open else f"Which colour is the square? <image 1>{' <image 2>' * two}"
        )
        row = {
            "id": f"validation_{subject}_{number + 1}",
            "question": question,
            "options": "[]" if is_open else repr(options),
            "explanation": "",
            **{f"image_{i}": picture(number + i) if i == 1 or (two and i == 2) else None for i in range(1, 8)},
            "img_type": "['Drawings']",
            "answer": "12" if is_open else LETTERS[place],
            "topic_difficulty": "Easy",
            "question_type": "open" if is_open else "multiple-choice",
            "subfield": "Drawing",
        }
        right = "12" if is_open else f"({LETTERS[place]})"
        made.add("validation", row, right, "99" if is_open else f"({LETTERS[(place + 1) % 4]})")
        made.add("dev", {**row, "id": f"dev_{subject}_{number + 1}"}, "", "")
        made.add("test", {**row, "id": f"test_{subject}_{number + 1}", "answer": "?"}, "", "")
    return made


def mmmu_pro_standard() -> StandIn:
    images = {f"image_{number}": PICTURE for number in range(1, 8)}
    names = ["id", "question", "options", "explanation", "img_type", "answer", "topic_difficulty", "subject"]
    made = StandIn(
        "MMMU/MMMU_Pro", dict.fromkeys(names, TEXT) | images, ["mmmu_pro_standard"], config="standard (10 options)"
    )
    for number, subject in enumerate(("Art", "Math", "Physics", "Music") * 4):
        options, place = options_for(number, 10)
        row = {
            "id": f"test_{subject}_{number + 1}",
            "question": "Which colour is the square? <image 1>",
            "options": repr(options),
            "explanation": "",
            **{f"image_{i}": picture(number) if i == 1 else None for i in range(1, 8)},
            "img_type": "['Drawings']",
            "answer": LETTERS[place],
            "topic_difficulty": "Hard",
            "subject": subject,
        }
        made.add("test", row, LETTERS[place], LETTERS[(place + 1) % 10])
    return made


def mmmu_pro_vision() -> StandIn:
    names = ["id", "options", "answer", "subject"]
    made = StandIn(
        "MMMU/MMMU_Pro", dict.fromkeys(names, TEXT) | {"image": PICTURE}, ["mmmu_pro_vision"], config="vision"
    )
    for number, subject in enumerate(("Art", "Math", "Physics", "Music")):
        options, place = options_for(number, 10)
        row = {
            "id": f"test_{subject}_{number + 1}",
            "image": picture(number, "which?"),
            "options": repr(options),
            "answer": LETTERS[place],
            "subject": subject,
        }
        made.add("test", row, LETTERS[place], LETTERS[(place + 1) % 10])
    return made
