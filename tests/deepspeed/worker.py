"""One rank of a training run on made-up rows, with every engine in turn: `worker.py OUT CASE ...`.

Started alone, or twice with RANK and the like set, on the device that DS_ACCELERATOR names. The rows are the same
however many ranks share them; of two, one has fewer micro-batches than the other, some of them without a picture.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from rilctl.cli.failures import leave
from rilctl.config.engines import DeepspeedEngineConfig, TorchEngineConfig, TrainingEngineConfig
from rilctl.config.fields import LoraConfig, ModelConfig, OptimConfig
from rilctl.config.pretrain_disc import DiscInput
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.placing import load_role, place_role
from rilctl.engines.training.ranks import Ranks, open_ranks
from rilctl.engines.training.world import find_world
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_logprobs, response_loss
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.stages.shared.disc_update import update_discriminator
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.saved import save_now

DEVICE = torch.device(os.environ["DS_ACCELERATOR"])
NUM_STEPS = 20
NUM_PROMPTS, NUM_ROWS = 7, 3
BUDGET_TOKENS = 25
"""Of a discriminator's micro-batch, which thus has one group."""
PICTURE = ImageRef(lambda: Image.new("RGB", (56, 56), (200, 80, 20)), "drawn")
OPTIM = OptimConfig(lr=1e-4, lr_end=1e-5, weight_decay=0.1, warmup_steps=2)


@dataclass(frozen=True)
class Case:
    """What trains, and how.

    Args:
        engine: the recipe's table.
        lora: an adapter instead of all weights.
        checkpointing: of gradients.
        bfloat16: the forward pass is.
    """

    engine: TrainingEngineConfig
    lora: bool = False
    checkpointing: bool = False
    bfloat16: bool = False


CASES = {
    "torch": Case(TorchEngineConfig()),
    "torch-lora": Case(TorchEngineConfig(), lora=True),
    "torch-bf16": Case(TorchEngineConfig(), bfloat16=True),
    **{f"zero-{stage}": Case(DeepspeedEngineConfig(zero_stage=stage)) for stage in (0, 1, 2, 3)},
    "zero-2-offload": Case(DeepspeedEngineConfig(zero_stage=2, offload="optimizer")),
    "zero-3-offload": Case(DeepspeedEngineConfig(zero_stage=3, offload="all")),
    "zero-3-checkpointing": Case(DeepspeedEngineConfig(zero_stage=3), checkpointing=True),
    "zero-1-offload": Case(DeepspeedEngineConfig(zero_stage=1, offload="optimizer")),
    "zero-2-lora": Case(DeepspeedEngineConfig(zero_stage=2), lora=True),
    "zero-3-lora": Case(DeepspeedEngineConfig(zero_stage=3), lora=True),
    **{f"zero-{stage}-bf16": Case(DeepspeedEngineConfig(zero_stage=stage), bfloat16=True) for stage in (0, 1, 2, 3)},
    "zero-1-bf16-offload": Case(DeepspeedEngineConfig(zero_stage=1, offload="optimizer"), bfloat16=True),
    "zero-3-bf16-offload": Case(DeepspeedEngineConfig(zero_stage=3, offload="all"), bfloat16=True),
}


class Rows:
    """Prompts, every other one without a picture, and responses of random tokens."""

    def __init__(self, vlm: Vlm) -> None:
        pictures = [Image.new("RGB", (56, 56), (i * 30, 80, 200 - i * 20)) for i in range(NUM_PROMPTS)]
        self.vlm = vlm
        self.prompts = [
            drawn_prompt(vlm, f"what is the sum, number {i}?", [pictures[i]] if i % 2 else [])
            for i in range(NUM_PROMPTS)
        ]
        dice = torch.Generator().manual_seed(0)
        lengths = torch.randint(3, 9, (NUM_PROMPTS, NUM_ROWS), generator=dice).tolist()
        self.responses = [[torch.randint(5, 40, (n,), generator=dice).tolist() for n in row] for row in lengths]
        self.num_tokens = sum(map(sum, lengths))

    def loss(self, logprobs_C: Tensor, _: slice) -> Tensor:
        """Of all ranks' tokens."""
        return -logprobs_C.sum() / self.num_tokens

    def batch(self, picks: list[int]) -> tuple[list[EncodedPrompt], Tensor, Tensor, Tensor]:
        prompt_of_row = [place for place, _ in enumerate(picks) for _ in range(NUM_ROWS)]
        responses = [response for pick in picks for response in self.responses[pick]]
        prompt_of_row_N = torch.tensor(prompt_of_row, dtype=torch.long, device=self.vlm.device)
        return [self.prompts[pick] for pick in picks], prompt_of_row_N, *collate_responses(self.vlm, responses)


def read(config: ModelConfig, case: Case, ranks: Ranks) -> Vlm:
    """A model that waits to be placed."""
    return load_role(config, engine=case.engine, base_dir=Path(), device=DEVICE, all_train=not case.lora, ranks=ranks)


def train(case: Case, ranks: Ranks, scratch: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Losses of every step, and what else is compared."""
    config = ModelConfig(model="pocket-student", dtype="bfloat16" if case.bfloat16 else "float32")
    runs = []
    for start in (0, NUM_STEPS // 2):  # the second time from the first one's checkpoint
        vlm = read(config, case, ranks)
        if case.checkpointing:
            enable_checkpointing(vlm)
        base = vlm
        if case.lora:
            vlm = with_adapter(vlm, LoraConfig(rank=4), adapter="policy", seed=0)
        place_role(vlm, case.engine, device=DEVICE, ranks=ranks)
        rows = Rows(vlm)
        whole = load_vlm(config, base_dir=Path(), device=DEVICE, trainable=not case.engine.keeps_masters)
        with torch.no_grad():
            shared = response_logprobs(whole, *rows.batch([1, 3]))[0]
        if case.lora:
            open_frozen([vlm, base], case.engine, ranks=ranks)
        engine = open_training(vlm, OPTIM, case.engine, num_steps=NUM_STEPS, ranks=ranks)
        with torch.no_grad():
            in_engine = response_logprobs(vlm, *rows.batch([1, 3]))[0]
        if start:
            engine.load(scratch)
        own = ranks.share(range(NUM_PROMPTS))
        parts = [own[at : at + 2] for at in range(0, len(own), 2)]
        if ranks.size > 1 and not ranks.is_main:
            parts = [[], *parts]  # one that has nothing to say at first
        losses, norms = [], []
        for step in range(start, NUM_STEPS):
            total = 0.0
            for part in ranks.padded(parts, []):
                loss, _, _ = response_loss(vlm, *rows.batch(part), rows.loss)
                engine.backward(loss)
                total += float(loss.detach())
            norms.append(engine.step().grad_norm)
            losses.append(ranks.add_up({"loss": total})["loss"])
            if step == 0:
                save_now(engine, scratch / "first", ranks)
            if step + 1 == NUM_STEPS // 2 and start == 0:
                save_now(engine, scratch, ranks)
        with torch.no_grad():
            logprobs = response_logprobs(vlm, *rows.batch([0, 3, 5]))[0]
        runs.append({"losses": losses, "grad_norms": norms})
        if start == 0:
            tensors = {"logprobs": logprobs, "shared": shared, "in_engine": in_engine}
        else:
            tensors["logprobs_resumed"] = logprobs
    return {"run": runs[0], "resumed": runs[1], "num_parts": ranks.gather(len(parts))}, tensors


def tell_apart(case: Case, ranks: Ranks) -> dict[str, object]:
    """Two updates of a policy and of two discriminators in one process group; losses, and each rank's micro-batches."""
    found: dict[str, object] = {}
    num_parts: dict[str, list[int]] = {}
    policy = read(ModelConfig(model="pocket-student"), case, ranks)
    place_role(policy, case.engine, device=DEVICE, ranks=ranks)
    rows = Rows(policy)
    engine = open_training(policy, OPTIM, case.engine, num_steps=2, ranks=ranks)
    inputs: tuple[DiscInput, ...] = ("response", "image+question+response")
    for disc_input in inputs:
        vlm = read(ModelConfig(model="pocket-student"), case, ranks)
        place_role(vlm, case.engine, device=DEVICE, ranks=ranks)
        disc = Discriminator(vlm, DiscriminatorCard(input=disc_input, loss="bce", base_digest=vlm.digest))
        disc_engine = open_training(disc, OPTIM, case.engine, num_steps=2, ranks=ranks)
        own = ranks.share(range(3))  # the second of two has one of the three groups, and the only picture
        texts = [
            DiscriminatorRow(Conversation.of(f"question {i}", (PICTURE,) if i == 1 else ()), f"{side} {i}")
            for i in own
            for side in ("i see", "answer")
        ]
        batch = LabelledRows(texts, [True, False] * len(own), [i for i in own for _ in range(2)])
        parts = batch.parts(disc, [disc.encode(row) for row in texts], BUDGET_TOKENS)
        num_parts[disc_input] = ranks.gather(len(list(parts)))
        reports = []
        for _ in range(2):
            reports.append(
                update_discriminator(disc, disc_engine, batch, optim=OPTIM, budget_tokens=BUDGET_TOKENS, ranks=ranks)[1]
            )
            for part in ranks.padded([[pick] for pick in own], []):
                loss, _, _ = response_loss(policy, *rows.batch(part), rows.loss)
                engine.backward(loss)
            reports.append({"policy": engine.step().grad_norm})
        found[disc_input] = reports
    return {"reports": found, "num_parts": num_parts}


def main() -> None:
    torch.set_num_threads(1)
    out, names = Path(sys.argv[1]), sys.argv[2:]
    with open_ranks(find_world(os.environ), grouped=True) as ranks:
        for name in names:
            report, tensors = train(CASES[name], ranks, out / "scratch" / name)
            if not CASES[name].lora and not CASES[name].bfloat16 and name in ("torch", "zero-2", "zero-3"):
                report["disc"] = tell_apart(CASES[name], ranks)
            if ranks.is_main:
                (out / f"{name}.json").write_text(json.dumps(report))
                tensors = {key: tensor.float().contiguous() for key, tensor in tensors.items()}
                save_file(tensors, out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
    leave(0)
