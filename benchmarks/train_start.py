"""What `train` needs to begin with so many cached responses: see `train_start_s` and `train_start_gb` in `startup.py`.

Made once in the folder that is given, and kept: a data set of questions without pictures, a `teacher-cache` of 32
responses to each by two teachers, of 120 to 240 tokens, and a model of a few kilobytes. Then, in a process of its own:
the data set, the cache and the model are read as `train` reads them, up to the prompts and teachers' rows of the first
step (144 questions, 4 rows each).
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

QUESTIONS, TEACHERS, PER_TEACHER, FEWEST_TOKENS, MOST_TOKENS = 40_000, ("internvl", "qwen"), 16, 120, 240
PER_QUESTION = len(TEACHERS) * PER_TEACHER
NUM_RESPONSES = QUESTIONS * PER_QUESTION
FEW_QUESTIONS, NUM_STEPS = 200, 5
RECIPE = """\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = { images = "" }

[student]
model = "student"
random_weights = true

[train]
questions_per_step = 144
num_teacher_rows = 4
teacher_cache = "cache"
sampling = { max_new_tokens = 1024 }
"""


def train_start(folder: Path, num_rows: int) -> dict[str, float]:
    """Seconds to the first step's inputs, and gigabytes beyond what the same takes with a tiny cache."""
    few, many = (
        json.loads(
            subprocess.run(
                [sys.executable, __file__, str(write_workspace(folder / f"{num}-questions", num))],
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        )
        for num in (FEW_QUESTIONS, num_rows // PER_QUESTION)
    )
    peak_gb = (many["peak_bytes"] - few["peak_bytes"]) / 1e9
    return {"train_start_s": many["s"], "train_start_gb": peak_gb, "step_teacher_rows_s": many["step_cpu_s"]}


def write_workspace(folder: Path, num_questions: int) -> Path:
    """The folder, with everything in it; one that is whole stays as it is."""
    from shapes import SHAPES, write_model

    from rilctl.artifacts.runs import open_run
    from rilctl.schemas.records import ResponseRecord

    if (folder / "cache" / "manifest.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    words = [" " + "".join(letters) for letters in zip("bcdfgklm" * 5, "aeiou" * 8, "bdgklmnp" * 5, strict=True)]
    (folder / "recipe.toml").write_text(RECIPE)
    write_model(folder / "student", SHAPES["small"])
    questions = ["what is" + "".join(chance.choices(words, k=20)) + "?" for _ in range(num_questions)]
    lines = [{"id": f"q{at}", "question": text, "answer": "bab"} for at, text in enumerate(questions)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def responses() -> Iterator[ResponseRecord]:
        for source in TEACHERS:
            for at, question in enumerate(questions):
                for index in range(PER_TEACHER):
                    num_tokens = chance.randint(FEWEST_TOKENS, MOST_TOKENS)
                    yield ResponseRecord(
                        sample_id=f"q{at}",
                        source=source,
                        side="teacher",
                        response_index=index,
                        question=question,
                        answer="bab",
                        image_digests=[],
                        text="".join(chance.choices(words, k=num_tokens)),
                        token_ids=chance.choices(range(100_000), k=num_tokens),
                        finish_reason="stop",
                    )

    with open_run(
        folder / "cache",
        verb="cache-teacher",
        config={},
        semantic={},
        inputs=[],
        roles={"teacher-cache": "teacher-cache"},
    ) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(responses())
        writer.commit()
    return folder


def main() -> None:
    """Begin in a folder, and print how long it took and the most memory."""
    import torch
    from opened import context_of, peak_bytes

    from rilctl.config.train import TrainConfig
    from rilctl.data.batches import batches
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.models.prompts.kept import KeptPrompts
    from rilctl.stages.shared.inputs import name_student
    from rilctl.stages.train.inputs import find_inputs, input_entries, teacher_rows

    folder = Path(sys.argv[1])
    context = context_of(folder)
    config = context.recipe.train or TrainConfig()
    vlm = load_vlm(name_student(context, None, after="train"), base_dir=folder, device=torch.device("cpu"))
    started = time.perf_counter()
    inputs = find_inputs(context, config)
    input_entries(context, inputs)
    teachers, samples = teacher_rows(context, config, inputs, vlm)
    prompts = KeptPrompts(vlm)
    held = []
    for pick in next(batches(len(samples), config.questions_per_step, config.seed)):
        rows = teachers.pick(samples[pick].id, config.num_teacher_rows, step=1)
        held.append((prompts.get(samples[pick].conversation), rows))
    passed_s = time.perf_counter() - started
    most_bytes = peak_bytes()
    steps_s = []
    for step, picks in enumerate(
        islice(batches(len(samples), config.questions_per_step, config.seed, 1), NUM_STEPS), 2
    ):
        before_s = time.process_time()
        for pick in picks:
            teachers.pick(samples[pick].id, config.num_teacher_rows, step=step)
        steps_s.append(time.process_time() - before_s)
    print(json.dumps({"s": passed_s, "peak_bytes": most_bytes, "step_cpu_s": median(steps_s)}))


if __name__ == "__main__":
    main()
