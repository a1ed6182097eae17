"""Benchmarks with short answers."""

from .base import PICTURE, TEXT, StandIn, picture


def chartqa() -> StandIn:
    made = StandIn(
        "lmms-lab-encoder/ChartQA", {"type": TEXT, "question": TEXT, "answer": TEXT, "image": PICTURE}, ["chartqa"]
    )
    rows = [
        ("human_test", "How tall is the bar?", "42", "43.5", "50"),
        ("human_test", "Which bar is tallest?", "Spain", "spain", "Portugal"),
        ("augmented_test", "What share is blue?", "25%", "25%", "40%"),
        ("augmented_test", "What is the value in 2010?", "0.62", "0.63", "0.7"),
        ("augmented_test", "Is the line rising?", "Yes", "Yes", "No"),
    ]
    for number, (kind, question, answer, right, wrong) in enumerate(rows):
        row = {"type": kind, "question": question, "answer": answer, "image": picture(number, question[:6])}
        made.add("test", row, right, wrong)
    return made


def realworldqa() -> StandIn:
    made = StandIn(
        "lmms-lab-encoder/RealWorldQA",
        {"image": PICTURE, "image_path": TEXT, "question": TEXT, "answer": TEXT},
        ["realworldqa"],
    )
    ending = "\nPlease answer directly with only the letter of the correct option and nothing else."
    rows = [
        ("Which way does the road bend?\n\nA. left\nB. right\nC. straight" + ending, "B", "B", "A"),
        ("How many signs are there?\nPlease answer directly with a single word or number.", "3", "3.", "4"),
        ("Is the lamp lit?\nPlease answer directly with a single word or number.", "Yes", "yes", "no"),
        ("Which is nearer?\n\nA. the box\nB. the disc" + ending, "A", "A. the box", "B"),
    ]
    for number, (question, answer, right, wrong) in enumerate(rows):
        row = {"image": picture(number), "image_path": f"{number}.webp", "question": question, "answer": answer}
        made.add("test", row, right, wrong)
    return made
