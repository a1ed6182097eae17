"""Questions in words with short answers, and a recipe for a language model that asks them of itself."""

import json
from pathlib import Path

_QUESTIONS = {
    "What is the capital of France?": "Paris",
    "What is the capital of Japan?": "Tokyo",
    "What is the capital of Italy?": "Rome",
    "What is the capital of Egypt?": "Cairo",
    "How many legs does a spider have?": "8",
    "How many days are in a week?": "7",
    "What is 3 + 4?": "7",
    "What is 10 - 4?": "6",
    "What colour is the sky on a clear day?": "blue",
    "What colour is fresh snow?": "white",
    "Which planet is the largest in the solar system?": "Jupiter",
    "Who wrote Romeo and Juliet?": "Shakespeare",
}
_RECIPE = """\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = { images = "" }
validation = { share = 0.25 }

[student]
model = "smollm2"

[teachers.itself]
model = "smollm2"

[cache-teacher]
num_responses = 2
sampling = { max_new_tokens = 16, temperature = 0.7 }

[judge]

[sft]
responses = "teacher-cache"
num_steps = 3
rows_per_step = 4
optim = { lr = 1e-4 }
lora = { rank = 8 }

[pretrain-disc]
num_responses = 2
num_steps = 2
rows_per_step = 4
held_out_share = 0.3
sampling = { max_new_tokens = 16 }
optim = { lr = 1e-4 }
lora = { rank = 8 }

[train]
num_steps = 2
questions_per_step = 2
num_student_rows = 2
num_teacher_rows = 2
sampling = { max_new_tokens = 16 }
optim = { lr = 1e-4 }
lora = { rank = 8 }
discriminator = { optim = { lr = 1e-4 }, lora = { rank = 8 } }
validate_every = 2

[eval]
suite = "suite.toml"
"""
_SUITE = """\
name = "words"
about = "questions in words"

[[benchmarks]]
name = "Words"
tasks = ["words"]
dataset = "questions.jsonl"
split = "test"
metric = "accuracy"
"""
_TASK = """\
task: words
dataset_path: json
dataset_kwargs:
  data_files:
    test: questions.jsonl
test_split: test
output_type: generate_until
doc_to_visual: !function words_utils.no_pictures
doc_to_text: question
doc_to_target: answer
generation_kwargs:
  max_new_tokens: 16
  temperature: 0
  do_sample: false
process_results: !function words_utils.process_results
metric_list:
  - metric: accuracy
    aggregation: mean
    higher_is_better: true
"""
_UTILS = """\
from rilctl.engines.judging.rule import judge_answer


def no_pictures(doc):
    return []


def process_results(doc, results):
    return {"accuracy": float(judge_answer(doc["answer"], results[0]).correct or 0)}
"""


def write_questions(directory: Path) -> None:
    """Data, a recipe for all verbs and a suite; the model `smollm2` must be there as well."""
    lines = [json.dumps({"id": f"q{n}", "question": q, "answer": a}) for n, (q, a) in enumerate(_QUESTIONS.items())]
    files = {"recipe.toml": _RECIPE, "suite.toml": _SUITE, "words.yaml": _TASK, "words_utils.py": _UTILS}
    for name, text in {**files, "questions.jsonl": "\n".join(lines)}.items():
        (directory / name).write_text(text)
