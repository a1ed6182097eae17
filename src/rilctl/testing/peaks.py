"""Peak memory of a verb in a process of its own, and workspaces with a student large enough that it can be measured."""

import ctypes
import gc
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from rilctl.config.recipe import Verb
from rilctl.planning.plan import plan_object
from rilctl.testing.workspaces import write_workspace

HEAD_SIZE = 64
_M_MMAP_THRESHOLD, _MMAP_BYTES = -3, 65_536
"""glibc's option: larger tensors are mapped, and so leave the process when they are freed, instead of being kept."""
RECIPE = """\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = { images = "image" }

[student]
model = "student"
random_weights = true

[teachers.qwen]
model = "teacher-qwen"

[cache-teacher]
imports = ["answers.jsonl"]
num_responses = 2

[train]
num_steps = 2
questions_per_step = 4
num_student_rows = 4
num_teacher_rows = 4
sampling = { max_new_tokens = 24 }
engine = { tokens_per_micro_batch = 400 }
"""
"""Without `[sft]` and `[pretrain-disc]`: `train` starts from the student and a new discriminator."""
_DISC = (
    "pretrain-disc.num_steps=2",
    "pretrain-disc.num_responses=2",
    "pretrain-disc.rows_per_step=8",
    "pretrain-disc.held_out_share=0.4",
    "pretrain-disc.sampling.max_new_tokens=24",
    "pretrain-disc.engine.tokens_per_micro_batch=400",
)
_SFT = ("sft.num_steps=2", "sft.rows_per_step=8", "sft.engine.tokens_per_micro_batch=400")
_AT_ONCE = "train.engine.tokens_per_micro_batch=4000"
_ADAPTERS = ("train.lora.rank=16", "train.discriminator.lora.rank=16")
CASES: Mapping[str, tuple[Verb, tuple[str, ...]]] = {
    "sft": ("sft", _SFT),
    "sft lora": ("sft", (*_SFT, "sft.lora.rank=16")),
    "pretrain-disc": ("pretrain-disc", _DISC),
    "pretrain-disc lora": ("pretrain-disc", (*_DISC, "pretrain-disc.lora.rank=16")),
    "ril": ("train", ()),
    "ril lora": ("train", _ADAPTERS),
    "ril one micro-batch": ("train", (_AT_ONCE,)),
    "ril lora one micro-batch": ("train", (*_ADAPTERS, _AT_ONCE)),
    "ril lora checkpointing": ("train", (*_ADAPTERS, _AT_ONCE, "train.engine.gradient_checkpointing=true")),
    "ril bfloat16": ("train", ("student.dtype=bfloat16",)),
    "ril lora bfloat16": ("train", (*_ADAPTERS, "student.dtype=bfloat16")),
}
"""What is measured: a verb and its overrides."""
DEEPSPEED_CASES: Mapping[str, tuple[Verb, tuple[str, ...]]] = {
    f"sft ZeRO-{stage}{name}": (
        "sft",
        (*_SFT, "sft.engine.type=deepspeed", f"sft.engine.zero_stage={stage}", f"student.dtype={dtype}"),
    )
    for dtype, name in (("float32", ""), ("bfloat16", " bfloat16"))
    for stage in (0, 1, 2, 3)
}
"""The same in one process of DeepSpeed, where it is installed."""


def write_sized_workspace(
    directory: Path,
    *,
    hidden: int = 640,
    layers: int = 8,
    vision_layers: int = 4,
    image_px: int = 224,
    num_questions: int = 8,
) -> Path:
    """A workspace whose student has random weights, given sizes, and cached teacher answers to import.

    Args:
        directory: created if missing.
        hidden: width of the language model, a multiple of 64; the vision tower is half as wide.
        layers: of the language model.
        vision_layers: of the vision tower.
        image_px: side of the square pictures; a token is 28 x 28 px.
        num_questions: rows of the data set.

    Returns:
        The recipe's path. Its teachers' answers are in `answers.jsonl`.
    """
    from PIL import Image

    recipe = write_workspace(directory, num_questions=num_questions)
    config_file, pixels_file = directory / "student" / "config.json", directory / "student" / "preprocessor_config.json"
    config, pixels = json.loads(config_file.read_text()), json.loads(pixels_file.read_text())
    half = HEAD_SIZE // 2
    config["text_config"] |= {
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "layer_types": ["full_attention"] * layers,
        "num_attention_heads": hidden // HEAD_SIZE,
        "num_key_value_heads": max(1, hidden // HEAD_SIZE // 4),
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [half // 4, 12, 12]},
    }
    config["vision_config"] |= {
        "depth": vision_layers,
        "hidden_size": hidden // 2,
        "intermediate_size": 2 * hidden,
        "out_hidden_size": hidden,
        "window_size": 112,
        "fullatt_block_indexes": [vision_layers - 1],
    }
    config_file.write_text(json.dumps(config))
    pixels_file.write_text(json.dumps(pixels | {"size": {"shortest_edge": image_px**2, "longest_edge": image_px**2}}))
    (directory / "student" / "model.safetensors").unlink()
    _ban_half_characters(directory / "student")
    for index in range(num_questions):
        Image.new("RGB", (image_px, image_px), (index * 9 % 256, index * 37 % 256, 120)).save(
            directory / f"{index}.png"
        )
    answers = [
        {"sample_id": f"q{index}", "teacher": "qwen", "text": f"{index} + 1 = {index + 1}"}
        for index in range(num_questions)
        for _ in range(2)
    ]
    (directory / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    recipe.write_text(RECIPE)
    return recipe


def _ban_half_characters(model: Path) -> None:
    """Never sample bytes that are no character by themselves: as text they would be three tokens each."""
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    halves = [token for index, token in enumerate(tokens) if "\ufffd" in tokenizer.decode([index])]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in halves], special_tokens=True)
    tokenizer.save_pretrained(model)


def peak_of_verb(
    directory: Path, verb: Verb, overrides: Sequence[str] = (), *, out: Path | None = None
) -> tuple[dict[str, Any], int]:
    """What a verb plans, and the most memory that it then takes beyond what its libraries had, in bytes.

    Of the GPU where there is one, else of the process.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_plan_and_run, directory, verb, overrides, out).result()


def _plan_and_run(
    directory: Path, verb: Verb, overrides: Sequence[str], out: Path | None
) -> tuple[dict[str, Any], int]:
    import torch

    from rilctl.config.load import load_recipe
    from rilctl.pipeline.run import load_stage
    from rilctl.reporting.progress import SilentReporter
    from rilctl.stages.shared.context import StageContext

    torch.set_num_threads(1)
    give_back_freed()
    recipe = load_recipe([directory / "recipe.toml"], overrides)
    out = out or directory / "runs" / "recipe" / verb
    context = StageContext(recipe.seen_by(verb), "recipe", directory, out, SilentReporter(), "rilctl")
    stage = load_stage(verb)
    plan: dict[str, Any] = plan_object(stage.plan(context))["plan"]
    small = load_recipe([directory / "recipe.toml"], [*overrides, "student.model=teacher-qwen"])
    with tempfile.TemporaryDirectory() as warm_up:  # after it, what libraries load late is there
        stage.run(replace(context, recipe=small, out=Path(warm_up) / verb))
    measure = peak_device_bytes if torch.cuda.is_available() else peak_bytes
    return plan, measure(lambda: stage.run(context))


def give_back_freed() -> None:
    """From now on memory of tensors leaves this process when they are freed, so that a peak is theirs."""
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def peak_bytes(function: Callable[[], object]) -> int:
    """Most memory in use while a function runs, beyond what was in use before; of this process, on Linux."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status_bytes("VmRSS")
    function()
    return _status_bytes("VmHWM") - before


def peak_device_bytes(function: Callable[[], object]) -> int:
    """Most memory of tensors on the GPU while a function runs, beyond what was in use before."""
    import torch

    gc.collect()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    function()
    return torch.cuda.max_memory_allocated() - before


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
