"""Answers of models with labels of others, as public repositories hold them."""

import ast
import hashlib
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHARES = ("mmlupro", "mmlupro2", "mmlupro3")
_PARTS = {"bbh": 2, "tabmwp": 2, "zsc": 3, "hallusion": 3, "theoremqa": 4, "gaokao": 4}
_PARTS |= {share: part for part, share in enumerate(_SHARES, 3)}
"""Of datasets that were scored later, whole."""
_LOGGED = re.compile(
    r"^Q: (.*?)\nA: (.*?)\npred_before :.*?^pred_mode : (.*?)\nGT : (.*?)\n\*+$", re.MULTILINE | re.DOTALL
)
_MMLU_SHARE = 16
"""One of so many answers is in each part from 3 on."""
_SAID = re.compile(r"the answer is (.*?)\.?\s*$", re.IGNORECASE | re.MULTILINE)
_POINTS = ("Point A", "Point B", "Point C", "Point D")
_BLINK = {
    "Art_Style": (
        "The first image is the reference image. Which of the second and the third image shares the same style as the "
        "reference image?",
        ("the second image", "the third image"),
    ),
    "Visual_Similarity": (
        "The first image is the reference. Which of the other two images is most similar to the first one?",
        ("the second image", "the third image"),
    ),
    "Jigsaw": (
        "The lower right corner of the first image is missing. Which of the second and the third image is the missing "
        "part, the more appropriate one to place in the missing spot?",
        ("the second image", "the third image"),
    ),
    "Forensic_Detection": (
        "You are a judge in a photography competition. Which of these four images is most likely to be a real "
        "photograph?",
        ("the first image", "the second image", "the third image", "the fourth image"),
    ),
    "IQ_Test": (
        "Which picture follows the same pattern or rule as the previous pictures, and is the correct choice?",
        ("picture A", "picture B", "picture C", "picture D"),
    ),
    "Relative_Depth": (
        "Two points are circled on the image, labeled A and B. Which point is closer to the camera?",
        ("A is closer", "B is closer"),
    ),
    "Relative_Reflectance": (
        "Two points on the image are labeled A and B. Which point has the darker surface color, or are the colors "
        "about the same?",
        ("A is darker", "B is darker", "About the same"),
    ),
    "Functional_Correspondence": (
        "Which point on the second image is the corresponding point for the reference point (REF) on the first image, "
        "if we use both items for the action?",
        _POINTS,
    ),
    "Semantic_Correspondence": (
        "Which point on the second image is the corresponding point for the reference point (REF) on the first image?",
        _POINTS,
    ),
    "Visual_Correspondence": (
        "A point is circled on the first image, labeled with REF. Which point on the second image corresponds to the "
        "point in the first image?",
        _POINTS,
    ),
    "Object_Localization": (
        "Which bounding box on the image more accurately localizes and encloses the object?",
        ("Box A", "Box B"),
    ),
    "Spatial_Relation": ("Is it so in the image?", ("yes", "no")),
    "Multi-view_Reasoning": (
        "The images are frames of a video, its beginning and its end. Is the camera moving left or right when shooting "
        "the video?",
        ("left", "right"),
    ),
}
"""What is asked, in other words: that repository has no questions. Those of a task have the same options, but for one
task, which counts and is left out."""
GSM8K_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@dataclass(frozen=True)
class Answer:
    """A model's answer to a question.

    Args:
        id: dataset, model and question, joined by slashes.
        source: dataset and kind of question.
        question: as the model was asked, with its options.
        truth: the ground truth.
        response: what the model said.
        is_right: what the repository says of it.
    """

    id: str
    source: str
    question: str
    truth: str
    response: str
    is_right: bool

    @property
    def part(self) -> int:
        """0 or 1, drawn by question: all answers to one are in the same part; 2 to 7 for what came later."""
        dataset, *_, question = self.id.split("/")
        if dataset == "blink":
            return 6 + hashlib.sha256(question.encode()).digest()[0] % 2
        if dataset in _PARTS:
            return _PARTS[dataset]
        name = self.id.rpartition("/")[0] if dataset == "qwen" else dataset + question
        return hashlib.sha256(name.encode()).digest()[0] % 2


def read_all(folder: Path) -> Iterator[Answer]:
    """The answers of all repositories that a folder has clones of.

    Raises:
        FileNotFoundError: it has none.
    """
    found = [(folder / name, read) for name, read in READERS.items() if (folder / name).is_dir()]
    if not found:
        raise FileNotFoundError(f"`{folder}` has none of the folders {', '.join(READERS)}: clone them into it")
    for clone, read in found:
        yield from read(clone)


def _mathvista(clone: Path) -> Iterator[Answer]:
    results = clone / "results"
    for file in sorted(results.glob("*/output*.json")):
        name = file.relative_to(results).as_posix()
        if name.startswith(("random", "leader")) or "_code" in name:  # no models, or answers that are programs
            continue
        for key, row in json.loads(file.read_text(encoding="utf-8")).items():
            if "true_false" not in row or not isinstance(row.get("response"), str) or not row["response"].strip():
                continue
            choices, truth, question = row["choices"], row["answer"], row["question"]
            if choices:
                question += "\nChoices:\n" + _options(choices, "({}) {}")
                truth = LETTERS[choices.index(truth)] if truth in choices else truth
            elif row.get("unit"):
                question += f" (Unit: {row['unit']})"
            source = f"mathvista/{'choice' if choices else row['answer_type']}"
            yield Answer(f"mathvista/{name}/{key}", source, question, truth, row["response"], bool(row["true_false"]))


def _mathv(clone: Path) -> Iterator[Answer]:
    tests = {row["id"]: row for row in _rows(clone / "data" / "test.jsonl")}
    for file in sorted((clone / "outputs").glob("*/*/*.jsonl")):
        for row in _rows(file):
            test, response = tests[row["id"]], str(row["response"])
            if not response.strip():
                continue
            options = test["options"]
            question = test["question"] + ("\n" + _options(options, "({}) {}") if options else "")
            source = f"mathv/{'choice' if options else 'free'}"
            yield Answer(
                f"mathv/{file.stem}/{row['id']}", source, question, test["answer"], response, bool(row["correct"])
            )


def _mmmu_pro(clone: Path) -> Iterator[Answer]:
    for file in sorted((clone / "mmmu-pro" / "output").glob("*.jsonl")):
        for row in _rows(file):
            response = row.get("response")
            if not isinstance(response, str) or not response:
                continue
            options = ast.literal_eval(row["options"]) if isinstance(row["options"], str) else row["options"]
            question = f"{row['question']}\n{_options(options, '{}. {}')}"
            source = f"mmmupro/{file.stem.rpartition('_')[2]}"
            is_right = str(row["if_right"]) == "True"
            yield Answer(f"mmmupro/{file.stem}/{row['id']}", source, question, row["answer"], response, is_right)


def _gsm8k(clone: Path) -> Iterator[Answer]:
    file = clone / "grade_school_math" / "data" / "example_model_solutions.jsonl"
    for number, row in enumerate(_rows(file)):
        truth = row["ground_truth"].rpartition("A: ")[2]
        for model in GSM8K_MODELS:
            said = row[model]
            yield Answer(
                f"gsm/{model}/{number}", "gsm", row["question"], truth, said["solution"], bool(said["is_correct"])
            )


def _math(clone: Path) -> Iterator[Answer]:
    for row in _rows(clone / "evaluation" / "data" / "eval_rm_maj_example" / "math_cot_100.jsonl"):
        for number, (response, score) in enumerate(zip(row["code"], row["score"], strict=True)):
            key = f"qwen/{row['idx']}/{number}"
            yield Answer(key, "qwen-math", row["question"], row["answer"], response, bool(score))


def _bbh(clone: Path) -> Iterator[Answer]:
    """Without labels: what stands behind the last "the answer is", or all of it, has to be the ground truth."""
    outputs = clone / "code-davinci-002-outputs"
    for file in sorted(outputs.glob("*/*.json")):
        way, task = file.parent.name.rpartition("-")[2], file.name.partition("_few_shot")[0]
        for number, row in enumerate(json.loads(file.read_text(encoding="utf-8"))["outputs"]):
            question = row["input"].rpartition("\nQ:")[2].rpartition("\nA:")[0].strip()
            truth, response = row["target"].strip(), row["prediction"].strip()
            said = [*_SAID.findall(response), response][-2:][0].strip().rstrip(".")
            is_right = said.casefold() == truth.rstrip(".").casefold()
            yield Answer(f"bbh/{way}/{task}/{number}", f"bbh/{way}", question, truth, response, is_right)


def _tabmwp(clone: Path) -> Iterator[Answer]:
    problems = json.loads((clone / "data" / "tabmwp" / "problems_test1k.json").read_text(encoding="utf-8"))
    for file in sorted((clone / "results" / "gpt3").glob("*.json")):
        results = json.loads(file.read_text(encoding="utf-8"))["results"]
        for key, problem in problems.items():
            row = results.get(key)
            if row is None or not row["output"].strip():
                continue
            question = problem["question"]
            if problem["choices"]:
                question += "\nOptions: " + _options(problem["choices"], "({}) {}").replace("\n", " ")
            if problem["unit"]:
                question += f" (Unit: {problem['unit']})"
            response = row["output"].replace("\\n", "\n")
            name = f"tabmwp/{file.stem.partition('_')[0]}/{key}"
            yield Answer(name, "tabmwp", question, problem["answer"], response, bool(row["true_false"]))


def _zero_shot(clone: Path) -> Iterator[Answer]:
    """Right where what stands in the log as read from the answer is the ground truth."""
    for file in sorted((clone / "log").glob("*.log")):
        task, way = file.stem.split("_zero_shot")
        text = file.read_text(encoding="utf-8")
        for number, (question, response, read, truth) in enumerate(_LOGGED.findall(text)):
            key = f"zsc/{way.strip('_') or 'direct'}/{task}/{number}"
            is_right = read.strip().casefold() == truth.strip().casefold()
            yield Answer(key, f"zsc/{task}", question.strip(), truth.strip(), response.strip(), is_right)


def _mmlu_pro(clone: Path) -> Iterator[Answer]:
    """Three shares of the answers, drawn by model and question."""
    for file in sorted((clone / "eval_results").glob("*_5shots.zip")):
        model = file.stem.removeprefix("model_outputs_").removesuffix("_5shots")
        with zipfile.ZipFile(file) as packed:
            rows = json.loads(packed.read(f"{file.stem}.json"))
        for row in rows:
            if isinstance(row, str):  # categories, left among the rows of one model
                continue
            key = f"mmlupro/{model}/{row['question_id']}"
            share = hashlib.sha256(key.encode()).digest()[1] % _MMLU_SHARE
            response = row.get("generated_text") or row.get("model_outputs")
            if not response or share >= len(_SHARES):
                continue
            source = _SHARES[share]
            key = f"{source}/{model}/{row['question_id']}"
            question = f"{row['question']}\n{_options(row['options'], '{}. {}')}"
            yield Answer(key, source, question, row["answer"], response, row["pred"] == row["answer"])


def _hallusion(clone: Path) -> Iterator[Answer]:
    """Without labels: the first word has to be the ground truth. Questions that were changed since are left out."""
    tests = json.loads((clone / "HallusionBench.json").read_text(encoding="utf-8"))
    truths = {(row["question"], row["gt_answer_details"]): "yes" if row["gt_answer"] == "1" else "no" for row in tests}
    for number, row in enumerate(json.loads((clone / "HallusionBench_result_sample.json").read_text(encoding="utf-8"))):
        truth, response = truths.get((row["question"], row["gt_answer_details"])), row["model_prediction"]
        if truth is not None:
            is_right = response.casefold().startswith(truth)
            yield Answer(f"hallusion/{number}", "hallusion", row["question"], truth, response, is_right)


def _theorem_qa(clone: Path) -> Iterator[Answer]:
    """Right where what was read from the answer is the ground truth to three digits."""
    for file in sorted((clone / "outputs").glob("*.jsonl")):
        for number, row in enumerate(_rows(file)):
            truth, read = str(row["correct"][0]), str(row["pred"]).strip()
            try:
                is_right = math.isclose(float(truth), float(read), rel_tol=1e-3)
            except ValueError:
                is_right = truth.casefold() == read.casefold()
            if row["solution"].strip():
                key = f"theoremqa/{file.stem}/{number}"
                yield Answer(key, "theoremqa", row["question"], truth, row["solution"].strip(), is_right)


def _gaokao(clone: Path) -> Iterator[Answer]:
    """Examples with one question."""
    for file in sorted((clone / "Results" / "gpt_4_0314_obj").glob("*_MCQs.json")):
        for row in json.loads(file.read_text(encoding="utf-8"))["example"]:
            if len(row["standard_answer"]) == 1:
                key = f"gaokao/{file.stem.rpartition('2022_')[2] or file.stem}/{row['index']}"
                is_right = row["model_answer"] == row["standard_answer"]
                yield Answer(key, "gaokao", row["question"], row["standard_answer"][0], row["model_output"], is_right)


def _blink(clone: Path) -> Iterator[Answer]:
    for file in sorted((clone / "eval" / "saved_outputs").glob("*/*.json")):
        for row in json.loads(file.read_text(encoding="utf-8"))["val"]:
            task, response = row["idx"].removeprefix("val_").rpartition("_")[0], row["full_prediction"]
            if task not in _BLINK or not response.strip():
                continue
            asked, options = _BLINK[task]
            key, question = f"blink/{file.parent.name}/{row['idx']}", f"{asked}\n{_options(list(options), '({}) {}')}"
            yield Answer(key, "blink", question, row["answer"], response, row["prediction"] == row["answer"])


READERS = {
    "MathVista": _mathvista,
    "MATH-V": _mathv,
    "MMMU": _mmmu_pro,
    "grade-school-math": _gsm8k,
    "Qwen2.5-Math": _math,
    "BIG-Bench-Hard": _bbh,
    "PromptPG": _tabmwp,
    "zero_shot_cot": _zero_shot,
    "MMLU-Pro": _mmlu_pro,
    "HallusionBench": _hallusion,
    "TheoremQA": _theorem_qa,
    "GAOKAO-Bench": _gaokao,
    "BLINK_Benchmark": _blink,
}
"""By the name of the folder that a repository is cloned into."""


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _options(texts: list[Any], form: str) -> str:
    return "\n".join(form.format(letter, text) for letter, text in zip(LETTERS, texts, strict=False))
