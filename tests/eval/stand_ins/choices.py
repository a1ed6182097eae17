"""Benchmarks whose answer is an option's letter."""

from collections.abc import Iterator

from datasets import Sequence as Many
from datasets import Value

from .base import LETTERS, PICTURE, TEXT, WHOLE, StandIn, options_for, picture


def ai2d() -> StandIn:
    made = StandIn(
        "lmms-lab-encoder/ai2d",
        {"question": TEXT, "options": Many(TEXT), "answer": TEXT, "image": PICTURE},
        ["ai2d"],
    )
    for number in range(5):
        options, place = options_for(number)
        row = {
            "question": f"What colour is the box labelled {number}?",
            "options": options,
            "answer": str(place),
            "image": picture(number),
        }
        made.add("test", row, LETTERS[place], LETTERS[(place + 1) % 4] + ".")
    return made


def mmstar() -> StandIn:
    made = StandIn(
        "Lin-Chen/MMStar",
        {"index": WHOLE, "question": TEXT, "image": PICTURE, "answer": TEXT, "category": TEXT, "l2_category": TEXT}
        | {"meta_info": {"source": TEXT, "split": TEXT, "image_path": TEXT}},
        ["mmstar"],
    )
    kinds = [
        ("math", "geometry"),
        ("math", "geometry"),
        ("math", "geometry"),
        ("logical reasoning", "common reasoning"),
    ]
    for number, (category, l2_category) in enumerate(kinds):
        options, place = options_for(number)
        listed = ", ".join(f"{LETTERS[i]}: {text}" for i, text in enumerate(options))
        row = {
            "index": number,
            "question": f"Which colour is the square?\nOptions: {listed}",
            "image": picture(number),
            "answer": LETTERS[place],
            "category": category,
            "l2_category": l2_category,
            "meta_info": {"source": "drawn", "split": "val", "image_path": f"images/{number}.jpg"},
        }
        made.add("val", row, f"{LETTERS[place]}: {options[place]}", LETTERS[(place + 1) % 4])
    return made


def blink() -> Iterator[StandIn]:
    """All 14 configurations, two rows each but for one with three."""
    names = (
        "Art_Style Counting Forensic_Detection Functional_Correspondence IQ_Test Jigsaw Multi-view_Reasoning "
        "Object_Localization Relative_Depth Relative_Reflectance Semantic_Correspondence Spatial_Relation "
        "Visual_Correspondence Visual_Similarity"
    )
    images = {f"image_{number}": PICTURE for number in range(1, 5)}
    for which, name in enumerate(names.split()):
        made = StandIn(
            "BLINK-Benchmark/BLINK",
            {"idx": TEXT, "question": TEXT, "sub_task": TEXT, **images, "choices": Many(TEXT), "answer": TEXT}
            | {"prompt": TEXT, "explanation": TEXT},
            ["blink_" + name.lower().replace("-", "_")],
            config=name,
        )
        for number in range(3 if name == "Counting" else 2):
            count = 2 + (which + number) % 3
            options, place = options_for(number + which, count)
            num_images = 1 + which % 4
            listed = "\n".join(f"({LETTERS[i]}) {text}" for i, text in enumerate(options))
            row = {
                "idx": f"val_{name}_{number + 1}",
                "question": "Which colour is the square?",
                "sub_task": name,
                **{f"image_{i}": picture(which + number + i) if i <= num_images else None for i in range(1, 5)},
                "choices": options,
                "answer": f"({LETTERS[place]})",
                "prompt": f"Look. Which colour is the square?\nSelect from the following choices.\n{listed}",
                "explanation": "",
            }
            made.add("val", row, f"The answer is ({LETTERS[place]}).", f"({LETTERS[(place + 1) % count]})")
            made.add("test", {**row, "idx": f"test_{name}_{number + 1}", "answer": "hidden"}, "", "")
        yield made


def seedbench() -> StandIn:
    made = StandIn(
        "lmms-lab-encoder/SEED-Bench",
        {"answer": TEXT, **{f"choice_{letter}": TEXT for letter in "abcd"}, "data_id": TEXT, "data_type": TEXT}
        | {"question": TEXT, "question_id": TEXT, "question_type_id": Value("int16"), "image": Many(PICTURE)}
        | {"segment": Many(WHOLE)},
        ["seedbench"],
    )
    for number, kind in enumerate(("image", "image", "video", "image")):
        options, place = options_for(number)
        row = {
            "answer": LETTERS[place],
            **{f"choice_{letter}": text for letter, text in zip("abcd", options, strict=True)},
            "data_id": str(number),
            "data_type": kind,
            "question": "Which colour is the square?",
            "question_id": str(100 + number),
            "question_type_id": number + 1,
            "image": [picture(number + frame) for frame in range(8 if kind == "video" else 1)],
            "segment": [0, 8] if kind == "video" else None,
        }
        if kind == "video":  # not asked
            made.splits["test"].append(row)
        else:
            made.add("test", row, LETTERS[place], f"{LETTERS[(place + 1) % 4]}.")
    return made


def seedbench_2_plus() -> StandIn:
    names = "answer data_id data_source data_type level question question_id question_image_subtype question_image_type"
    made = StandIn(
        "doolayer/SEED-Bench-2-Plus",
        dict.fromkeys(names.split(), TEXT) | {f"choice_{letter}": TEXT for letter in "ABCD"} | {"image": PICTURE},
        ["seedbench_2_plus"],
    )
    for number, kind in enumerate(("Chart", "Map", "Web", "Chart")):
        options, place = options_for(number)
        row = {
            "answer": LETTERS[place],
            **{f"choice_{letter}": text for letter, text in zip("ABCD", options, strict=True)},
            "data_id": f"{kind}/{number}.png",
            "data_source": "drawn",
            "data_type": "Single Image",
            "level": "L1",
            "question": "Which colour is the square? <img>",
            "question_id": str(number),
            "question_image_subtype": "drawing",
            "question_image_type": kind.lower(),
            "image": picture(number),
        }
        made.add("test", row, LETTERS[place], LETTERS[(place + 1) % 4])
    return made
