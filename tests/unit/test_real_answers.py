"""The benchmark of real models' answers reads each repository's form, and counts by corrected labels."""

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from real_answers.__main__ import LABELS, Counts, read_labels, score  # noqa: E402
from real_answers.sources import Answer, read_all  # noqa: E402


def test_each_repository_is_read(tmp_path: Path) -> None:
    mathvista = {"question": "Which?", "choices": ["cat", "dog"], "answer": "dog", "answer_type": "text"}
    write(
        tmp_path / "MathVista/results/owl/output_owl.json",
        [{"7": mathvista | {"response": "It is a dog.", "true_false": True}, "8": mathvista | {"response": ""}}],
    )
    write(tmp_path / "MATH-V/data/test.jsonl", [{"id": "3", "question": "How many?", "options": [], "answer": "4"}])
    write(tmp_path / "MATH-V/outputs/text/owl/Owl.jsonl", [{"id": "3", "response": "5", "correct": False}])
    write(
        tmp_path / "MMMU/mmmu-pro/output/owl_vision_cot.jsonl",
        [
            {
                "id": "a",
                "question": "Which?",
                "options": "['2', '3']",
                "answer": "B",
                "response": "B",
                "if_right": "True",
            }
        ],
    )
    solutions = {model: {"solution": "A: 9", "is_correct": True} for model in ("6b_finetuning", "6b_verification")}
    solutions |= {
        model: {"solution": "A: 8", "is_correct": False} for model in ("175b_finetuning", "175b_verification")
    }
    write(
        tmp_path / "grade-school-math/grade_school_math/data/example_model_solutions.jsonl",
        [{"question": "How many?", "ground_truth": "4 + 5\nA: 9", **solutions}],
    )
    write(
        tmp_path / "Qwen2.5-Math/evaluation/data/eval_rm_maj_example/math_cot_100.jsonl",
        [{"idx": 1, "question": "x?", "answer": "2", "code": ["\\boxed{2}", "\\boxed{3}"], "score": [True, False]}],
    )
    write(
        tmp_path / "BIG-Bench-Hard/code-davinci-002-outputs/code-davinci-002-cot/navigate_few_shot_0.json",
        [
            {
                "outputs": [
                    {
                        "input": "Q: Up?\nA: No.\n\nQ: Home?\nOptions:\n- Yes\n- No\nA: Think.",
                        "target": "Yes",
                        "prediction": said,
                    }
                    for said in ("So the answer is Yes.", "So the answer is No.")
                ]
            }
        ],
    )
    write(
        tmp_path / "PromptPG/data/tabmwp/problems_test1k.json",
        [{"4": {"question": "Who?", "answer": "Bob", "choices": ["Ann", "Bob"], "unit": None}}],
    )
    write(
        tmp_path / "PromptPG/results/gpt3/exp1_test.json",
        [{"results": {"4": {"output": "Bob won.\\nThe answer is (B).", "true_false": True}}}],
    )
    log = tmp_path / "zero_shot_cot/log/svamp_zero_shot_cot.log"
    log.parent.mkdir(parents=True)
    block = "Q: How many?\nA: Two and two.\nThe answer is 4.\npred_before : 4.\npred_after : 4\npred_mode : 4\nGT : 4\n"
    log.write_text(f"1st data\n{block}*****\n2st data\n{block.replace('GT : 4', 'GT : 5')}*****\naccuracy : 50\n")
    row = {
        "question": "Which?",
        "options": ["2", "3"],
        "answer": "B",
        "generated_text": "The answer is (B).",
        "pred": "B",
    }
    packed = tmp_path / "MMLU-Pro/eval_results/model_outputs_Owl_5shots.zip"
    packed.parent.mkdir(parents=True)
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(f"{packed.stem}.json", json.dumps(["math", *(row | {"question_id": n} for n in range(64))]))
    asked = {"question": "Is it a cat?", "gt_answer_details": "A dog."}
    said = [asked | {"model_prediction": "No, a dog."}, {**asked, "question": "Gone?", "model_prediction": "No."}]
    for name, rows in (("HallusionBench", [asked | {"gt_answer": "0"}]), ("HallusionBench_result_sample", said)):
        write(tmp_path / f"HallusionBench/{name}.json", [])
        (tmp_path / f"HallusionBench/{name}.json").write_text(json.dumps(rows))
    write(
        tmp_path / "TheoremQA/outputs/owl.jsonl",
        [{"question": "x?", "correct": ["2.5", 2.5], "solution": "The answer is 2.5", "pred": "2.5001"}],
    )
    examples = [
        {
            "index": 3,
            "question": "A. 猫 B. 狗",
            "standard_answer": ["B"],
            "model_answer": ["B"],
            "model_output": "【答案】B",
        },
        {"index": 4, "question": "?", "standard_answer": ["A", "B"], "model_answer": ["A", "B"], "model_output": "AB"},
    ]
    write(tmp_path / "GAOKAO-Bench/Results/gpt_4_0314_obj/gpt-4-0314_2010-2022_Owl_MCQs.json", [{"example": examples}])
    said = [
        {"idx": f"val_{task}_3", "answer": "(B)", "full_prediction": "It is B.", "prediction": "(B)"}
        for task in ("Art_Style", "Counting")
    ]
    blink = tmp_path / "BLINK_Benchmark/eval/saved_outputs/Owl/Art Style.json"
    blink.parent.mkdir(parents=True)
    blink.write_text(json.dumps({"val": said, "test": [said[0] | {"answer": "hidden"}]}))
    answers = {answer.id: answer for answer in read_all(tmp_path)}
    drawn = [answer for answer in answers.values() if answer.source in ("mmlupro", "mmlupro2", "mmlupro3")]
    assert {answer.part for answer in drawn} == {3, 4, 5}
    assert all(answers.pop(answer.id).is_right for answer in drawn)
    assert list(answers) == [
        "mathvista/owl/output_owl.json/7",
        "mathv/Owl/3",
        "mmmupro/owl_vision_cot/a",
        *(f"gsm/{size}_{kind}/0" for size in ("6b", "175b") for kind in ("finetuning", "verification")),
        "qwen/1/0",
        "qwen/1/1",
        "bbh/cot/navigate/0",
        "bbh/cot/navigate/1",
        "tabmwp/exp1/4",
        "zsc/cot/svamp/0",
        "zsc/cot/svamp/1",
        "hallusion/0",
        "theoremqa/owl/0",
        "gaokao/Owl_MCQs/3",
        "blink/Owl/val_Art_Style_3",
    ]
    assert [answers[key].is_right for key in [*answers][-6:]] == [True, False, True, True, True, True]
    assert [answers[key].part for key in [*answers][-6:]] == [3, 3, 3, 4, 4, 7]
    home = answers["bbh/cot/navigate/0"]
    assert (home.question, home.is_right, answers["bbh/cot/navigate/1"].is_right) == (
        "Home?\nOptions:\n- Yes\n- No",
        True,
        False,
    )
    assert answers["tabmwp/exp1/4"].response == "Bob won.\nThe answer is (B)."
    assert {home.part, answers["tabmwp/exp1/4"].part} == {2}
    assert answers["mathvista/owl/output_owl.json/7"].truth == "B"
    assert answers["mathvista/owl/output_owl.json/7"].question == "Which?\nChoices:\n(A) cat\n(B) dog"
    assert answers["mmmupro/owl_vision_cot/a"].question == "Which?\nA. 2\nB. 3"
    assert answers["gsm/6b_finetuning/0"].truth == "9"
    assert answers["qwen/1/0"].part == answers["qwen/1/1"].part
    given, _, differing = score(answers.values(), {})
    assert sum(each.right for each in given.values()) == 12
    assert differing == []


def test_a_corrected_label_counts_and_an_unclear_one_does_not() -> None:
    says = [Answer(f"gsm/owl/{n}", "gsm", "How many?", "4", text, True) for n, text in enumerate(("4", "5", "6"))]
    given, corrected, differing = score(says, {"gsm/owl/1": False, "gsm/owl/2": None})
    assert sum((each.called_wrong for each in given.values()), 0) == 2
    assert [sum(getattr(each, name) for each in corrected.values()) for name in vars(Counts())] == [1, 0, 1, 0]
    assert differing == says[1:]


def test_labels_are_checked_and_those_of_this_repository_are_whole(tmp_path: Path) -> None:
    assert {None, True, False} == set(read_labels(LABELS).values())
    file = tmp_path / "labels.json"
    file.write_text('{"gsm/owl/1": {"right": "yes", "why": "says so"}}')
    with pytest.raises(ValueError, match=r"`gsm/owl/1`: expected `right`"):
        read_labels(file)


def test_a_folder_without_clones_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has none of the folders MathVista"):
        list(read_all(tmp_path))


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
