"""The peers: TRL's Dr.GRPO step and the library's `generate`, on the same model directory, rows and rewards."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from clock import Seconds, now
from shapes import Shape, is_right, load
from torch import nn

from rilctl.config import fields
from rilctl.data.sample import Sample
from rilctl.models.loaded.patch_embedding import PatchEmbedding
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import collate_prompts


def library_vlm(directory: Path, shape: Shape, device: Literal["cpu", "cuda"] = "cpu") -> Vlm:
    """The model as the library makes it, without our patch embedding."""
    vlm = load(directory, shape, device, trainable=not shape.lora)
    for module in vlm.model.modules():
        if isinstance(module, PatchEmbedding):
            module.__class__ = nn.Conv3d
    return vlm


def train_with_trl(
    directory: Path,
    shape: Shape,
    samples: Sequence[Sample],
    after_step: Callable[[int, Seconds], None],
    device: Literal["cpu", "cuda"] = "cpu",
) -> None:
    """Train with TRL's `GRPOTrainer` and call `after_step(step, seconds)` after each step; its time doesn't count.

    Dr.GRPO without a reference, AdamW at 1e-5, gradients clipped at 1, as `ours.OurSide("dr_grpo")`; with LoRA an
    adapter of the same size on the same layers.

    Raises:
        AssertionError: a response hasn't the forced number of tokens, or a step had no gradient.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    vlm = library_vlm(directory, shape, device)
    rows = Dataset.from_dict(
        {
            "prompt": [[{"role": "user", "content": sample.question}] for sample in samples],
            "image": [sample.images[0].load() for sample in samples],
        }
    )
    num_steps = len(samples) // shape.num_questions
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=device == "cpu",
        bf16=shape.dtype == "bfloat16",
        loss_type="dr_grpo",
        scale_rewards="none",
        beta=0.0,
        num_generations=shape.num_rows,
        per_device_train_batch_size=shape.num_rows * shape.num_questions // shape.trl_parts,
        gradient_accumulation_steps=shape.trl_parts,
        max_completion_length=shape.new_tokens,
        max_steps=num_steps,
        learning_rate=1e-5,
        lr_scheduler_type="constant",
        temperature=1.0,
        gradient_checkpointing=shape.trl_gradient_checkpointing,
        shuffle_dataset=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=0,
        generation_kwargs=_forced(vlm, shape),
    )
    trainer = GRPOTrainer(
        model=vlm.model,
        reward_funcs=_reward,
        args=config,
        train_dataset=rows,
        processing_class=vlm.processor,
        callbacks=[_step_callback(after_step)],
        peft_config=_adapter() if shape.lora else None,
    )
    trainer.remove_callback(_printer())
    trainer.train()
    history = [row for row in trainer.state.log_history if "grad_norm" in row]
    assert len(history) == num_steps
    assert all(row["completions/mean_length"] == shape.new_tokens for row in history)
    assert all(row["grad_norm"] > 0 for row in history)


def generate_with_library(vlm: Vlm, shape: Shape, prompts: Sequence[EncodedPrompt]) -> None:
    """`model.generate(num_return_sequences=…)`. Raises `AssertionError` where a row has another number of tokens."""
    batch = collate_prompts(vlm, prompts)
    with torch.inference_mode(), vlm.forward_pass():
        token_ids = vlm.model.generate(
            input_ids=batch.token_ids_BP,
            attention_mask=batch.mask_BP,
            mm_token_type_ids=batch.type_ids_BP,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=shape.new_tokens,
            num_return_sequences=shape.num_rows,
            **_forced(vlm, shape),
            **batch.features,
        )
    num_rows = shape.num_rows * len(prompts)
    assert token_ids.shape == (num_rows, batch.token_ids_BP.shape[1] + shape.new_tokens)


def _forced(vlm: Vlm, shape: Shape) -> dict[str, Any]:
    """The same tokens can be sampled as on our side, and exactly as many are."""
    return {"min_new_tokens": shape.new_tokens, "suppress_tokens": list(vlm.banned_ids)}


def _adapter() -> Any:
    """For PEFT what our adapter is: the language model's layers alone."""
    from peft import LoraConfig

    ours = fields.LoraConfig()
    names = "|".join(ours.targets)
    return LoraConfig(r=ours.rank, lora_alpha=ours.alpha, target_modules=rf".*language_model\..*\.({names})")


def _reward(completions: list[list[dict[str, str]]], **_: object) -> list[float]:
    return [float(is_right(messages[0]["content"])) for messages in completions]


def _step_callback(after_step: Callable[[int, Seconds], None]) -> Any:
    from transformers import TrainerCallback

    class StepClock(TrainerCallback):
        def on_train_begin(self, *_: object, **__: object) -> None:
            self.start = now()

        def on_step_end(self, _: object, state: Any, *__: object, **___: object) -> None:
            after_step(state.global_step - 1, now() - self.start)
            self.start = now()

    return StepClock()


def _printer() -> Any:
    from transformers import PrinterCallback

    return PrinterCallback
