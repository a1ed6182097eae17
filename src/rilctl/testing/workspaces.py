"""A whole small workspace on disk: pictures, questions, models with random weights, a recipe for every verb."""

import json
from pathlib import Path

from rilctl.quickstart.shapes import ShapeName
from rilctl.testing.small_vlms import build_small_vlm

RECIPE = """\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = { images = "image" }
validation = { share = 0.25 }

[student]
model = "student"

[teachers.qwen]
model = "teacher-qwen"

[teachers.internvl]
model = "teacher-internvl"

[cache-teacher]
num_responses = 2
sampling = { max_new_tokens = 8 }
engine = { rows_per_batch = 4 }

[judge]

[sft]
num_steps = 6
rows_per_step = 8
optim = { lr = 1e-3, lr_end = 1e-4 }
validate_every = 3
checkpoint_every = 2

[pretrain-disc]
num_responses = 2
num_steps = 4
rows_per_step = 8
held_out_share = 0.3
sampling = { max_new_tokens = 8 }
optim = { lr = 1e-3 }
checkpoint_every = 2

[train]
num_steps = 6
questions_per_step = 3
num_student_rows = 2
num_teacher_rows = 2
sampling = { max_new_tokens = 32 }
optim = { lr = 1e-3 }
discriminator = { optim = { lr = 1e-3 }, reward = "binary" }
validate_every = 3
num_validation_questions = 4
checkpoint_every = 2

[eval]
limit = 8
"""


def write_workspace(directory: Path, student: ShapeName = "pocket-student", *, num_questions: int = 24) -> Path:
    """Write `recipe.toml` and everything that it names into a directory, and return the recipe's path.

    Args:
        directory: created if missing.
        student: the student's architecture; the teachers are one of each family.
        num_questions: rows of the data set, each with a picture of its own.
    """
    from PIL import Image

    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(num_questions):
        Image.new("RGB", (56, 56), (index * 9 % 256, index * 37 % 256, 120)).save(directory / f"{index}.png")
        row = {
            "id": f"q{index}",
            "image": f"{index}.png",
            "question": f"what is {index} plus 1?",
            "answer": str(index + 1),
        }
        lines.append(json.dumps(row) + "\n")
    (directory / "questions.jsonl").write_text("".join(lines))
    shapes: dict[str, ShapeName] = {
        "student": student,
        "teacher-qwen": "pocket-teacher-qwen",
        "teacher-internvl": "pocket-teacher-internvl",
    }
    for seed, (name, shape) in enumerate(shapes.items()):
        build_small_vlm(directory / name, shape, seed=seed)
    recipe = directory / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe
