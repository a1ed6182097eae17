"""What `sft.whole_conversations` is worth: learned tokens per CPU second, with a row for each answer and in one pass.

    python benchmarks/conversations.py [--turns 1 2 4 8] [--repeats N] [--json]

Conversations about one picture of 112 x 112 px, turns of about a dozen words, on a Qwen2.5-VL of the pocket student's
shape: random weights, since only the time counts. Both ways start from prompts that are encoded already, and do the
forward and backward passes of a step of `sft`, with its budget of tokens for a micro-batch. CPU seconds of this
process, one thread, the least of the repetitions.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from rilctl.config.engines import TorchEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation, Turn
from rilctl.data.micro_batches import micro_batches
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_prompt, encode_response
from rilctl.stages.sft.passes import EncodedRow, Pass, in_one, one_by_one, passes_loss
from rilctl.testing.small_vlms import build_small_vlm

NUM_CONVERSATIONS = 4
SIDE_PX = 112
ASKED = "what is the sum of the digits in row {} of the picture, and why is that so?"
SAID = "the digits of row {} are 3 and 4 and 1, so the sum of them is 8, I think."


def conversation(vlm: Vlm, number: int, num_turns: int) -> list[EncodedRow]:
    """The rows of one conversation, one for each answer."""
    picture = ImageRef(Image.effect_noise((SIDE_PX, SIDE_PX), 64).convert("RGB").copy, f"picture {number}")
    rows, said = list[EncodedRow](), list[Turn]()
    for turn in range(num_turns):
        asked = Turn("user", (*([] if turn else [picture]), ASKED.format(turn)))
        answer = SAID.format(turn)
        prompt = encode_prompt(vlm, Conversation(asked, tuple(said)))
        rows.append((prompt, encode_response(vlm, answer, stopped=True)))
        said += [asked, Turn("assistant", (answer,))]
    return rows


def cpu_seconds(vlm: Vlm, passes: Sequence[Pass], budget_tokens: int) -> float:
    """Of one step's forward and backward passes."""
    vlm.model.zero_grad()
    start_s = time.process_time()
    for picks in micro_batches([each.size for each in passes], budget_tokens):
        passes_loss(vlm, [passes[pick] for pick in picks]).backward()  # type: ignore[no-untyped-call]
    return time.process_time() - start_s


def measure(vlm: Vlm, num_turns: int, repeats: int) -> dict[str, float]:
    """Tokens per CPU second of both ways."""
    conversations = [conversation(vlm, number, num_turns) for number in range(NUM_CONVERSATIONS)]
    together = [each for rows in conversations if (each := in_one(rows)) is not None]
    assert len(together) == NUM_CONVERSATIONS
    alone = [each for rows in conversations for each in one_by_one(rows)]
    learned = sum(each.num_learned for each in alone)
    budget = TorchEngineConfig().tokens_per_micro_batch
    alone_s, together_s = (
        min(cpu_seconds(vlm, passes, budget) for _ in range(repeats)) for passes in (alone, together)
    )
    return {
        "turns": num_turns,
        "learned_tokens": learned,
        "rows_tokens_per_s": learned / alone_s,
        "whole_tokens_per_s": learned / together_s,
        "ratio": alone_s / together_s,
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = ModelConfig(model=str(build_small_vlm(Path(folder) / "model", "pocket-student")))
        vlm = load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True)
        found = [measure(vlm, num_turns, args.repeats) for num_turns in args.turns]
    if args.json:
        print(json.dumps(found, indent=2))
        return
    print("turns  learned  rows, tokens/s  whole, tokens/s  ratio")
    for row in found:
        print(
            f"{row['turns']:5.0f}  {row['learned_tokens']:7.0f}  {row['rows_tokens_per_s']:14,.0f}  "
            f"{row['whole_tokens_per_s']:15,.0f}  {row['ratio']:5.2f}"
        )


if __name__ == "__main__":
    main()
