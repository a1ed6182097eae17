"""Record what TRL's own GRPO trainer computes: advantages, losses and gradients, on logits that we choose.

    pip install torch "trl==1.16.0" && python tests/golden/make_trl_golden.py

writes `trl.json` beside this file; `tests/golden/test_trl.py` compares our functions with it. Everything that
is recorded as an output comes from TRL: a real `GRPOTrainer` scores scripted rollouts
(`_generate_and_score_completions`), and its `_compute_loss` is run on a model whose logits are a parameter and whose
log-probabilities are those of `selective_log_softmax_and_entropy`. No formula is typed here.

Shapes: B rows, R response tokens, V vocabulary.
"""

import json
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl.trainer.utils import selective_log_softmax_and_entropy

GROUP_SIZE, NUM_GROUPS, MAX_TOKENS, VOCABULARY = 4, 2, 4, 6
TEMPERATURE = 0.9
COMPLETIONS = [[1, 2, 3, 0], [2, 0], [3, 3, 0], [4, 1, 2, 2], [5, 0], [1, 1, 0], [2, 5, 4, 3], [4, 0]]
REWARDS: list[float | None] = [2.0, 0.0, 1.0, 1.0, 0.0, None, 1.0, 1.0]
DR_GRPO = {"loss_type": "dr_grpo", "scale_rewards": "none", "epsilon": 0.2}
GRPO = {"loss_type": "grpo", "scale_rewards": "group", "epsilon": 0.2}
DAPO = {"loss_type": "dapo", "scale_rewards": "group", "epsilon": 0.2, "epsilon_high": 0.28, "beta": 0.0}
GSPO = GRPO | {"epsilon": 3e-4, "epsilon_high": 4e-4, "importance_sampling_level": "sequence", "beta": 0.0}
CISPO = {"loss_type": "cispo", "scale_rewards": "group", "epsilon_high": 5.0, "beta": 0.0}
CASES: list[tuple[str, bool, dict[str, Any], dict[str, Any]]] = [
    ("dr_grpo", False, DR_GRPO | {"beta": 0.0}, {"kl_beta": 0.0}),
    ("dr_grpo", False, DR_GRPO | {"beta": 0.04}, {"kl_beta": 0.04}),
    ("dr_grpo", True, DR_GRPO | {"beta": 0.0}, {"kl_beta": 0.0}),
    ("dr_grpo", True, DR_GRPO | {"beta": 0.04}, {"kl_beta": 0.04}),
    (
        "dr_grpo",
        True,
        DR_GRPO | {"beta": 0.04, "importance_sampling_level": "sequence"},
        {"kl_beta": 0.04, "ratio_level": "sequence"},
    ),
    ("grpo", False, GRPO | {"beta": 0.0}, {"kl_beta": 0.0}),
    ("grpo", True, GRPO | {"beta": 0.04}, {"kl_beta": 0.04}),
    ("clip_higher", False, DAPO, {}),
    ("clip_higher", True, DAPO, {}),
    ("clip_higher", True, DAPO | {"beta": 0.04}, {"kl_beta": 0.04}),
    ("gspo", False, GSPO, {}),
    ("gspo", True, GSPO, {}),
    ("gspo", True, GSPO | {"epsilon": 0.05, "epsilon_high": 0.1}, {"clip_low": 0.05, "clip_high": 0.1}),
    ("cispo", False, CISPO, {}),
    ("cispo", True, CISPO, {}),
    ("cispo", True, CISPO | {"epsilon_high": 1.2, "beta": 0.04}, {"clip_high": 0.2, "kl_beta": 0.04}),
]
"""Our algorithm, whether an earlier update of the batch has been made, TRL's options, what our recipe would say."""


class LogitsModel(torch.nn.Module):
    """Answers the trainer's forward call with log-probabilities and entropies of its one parameter."""

    def __init__(self, logits_BRV: torch.Tensor) -> None:
        super().__init__()
        self.logits_BRV = torch.nn.Parameter(logits_BRV)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor, **_: Any) -> SimpleNamespace:
        response_ids_BR, labels_BR = input_ids[:, -MAX_TOKENS:], labels[:, -MAX_TOKENS:]
        logprobs_BR, entropy_BR = selective_log_softmax_and_entropy(
            self.logits_BRV, response_ids_BR, temperature=TEMPERATURE, row_mask=labels_BR != -100
        )
        return SimpleNamespace(log_probs=logprobs_BR, entropy=entropy_BR)


def make_trainer(directory: str, options: dict[str, Any]) -> trl.GRPOTrainer:
    """A real trainer with a minute model; its rollouts and rewards are scripted through TRL's own hooks."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w0", pad_token="w0")
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    args = trl.GRPOConfig(
        output_dir=directory, use_cpu=True, bf16=False, report_to=[], num_generations=GROUP_SIZE,
        per_device_train_batch_size=GROUP_SIZE * NUM_GROUPS, max_completion_length=MAX_TOKENS,
        temperature=TEMPERATURE, use_bias_correction_kl=False, **options,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(directory)  # the trainer loads its reference from the same place
    return trl.GRPOTrainer(
        model=directory,
        args=args,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"prompt": "w1"}] * NUM_GROUPS),
        reward_funcs=lambda **_: REWARDS,
        rollout_func=lambda prompts, _: {
            "prompt_ids": [[1]] * len(prompts),
            "completion_ids": COMPLETIONS,
            "logprobs": None,
        },
    )


def main() -> None:
    warnings.simplefilter("ignore")
    generator = torch.Generator().manual_seed(3)
    shape = (GROUP_SIZE * NUM_GROUPS, MAX_TOKENS, VOCABULARY)
    logits_BRV, frozen_BRV, ref_BRV = (
        (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).round(decimals=3)
        for scale in (1.5, 0.3, 0.5)
    )
    frozen_BRV, ref_BRV = logits_BRV + frozen_BRV, logits_BRV + ref_BRV
    cases = []
    for algorithm, is_later, options, ours in CASES:
        with tempfile.TemporaryDirectory() as directory:
            trainer = make_trainer(directory, options)
            trainer.current_gradient_accumulation_steps = 1
            trainer.model.train()
            inputs = trainer._generate_and_score_completions([{"prompt": "w1"}] * len(COMPLETIONS))
            ids_BR, mask_BR = inputs["completion_ids"], inputs["completion_mask"]
            for key, logits, used in (
                ("old_per_token_logps", frozen_BRV, is_later),
                ("ref_per_token_logps", ref_BRV, options["beta"] != 0),
            ):
                inputs.pop(key, None)
                if used:
                    inputs[key] = selective_log_softmax_and_entropy(logits, ids_BR, temperature=TEMPERATURE)[0]
            model = LogitsModel(logits_BRV.clone())
            loss = trainer._compute_loss(model, inputs)
            loss.backward()
            logged = {key: values[-1] for key, values in trainer._metrics["train"].items()}
        cases.append(
            {
                "algorithm": algorithm,
                "is_later_update": is_later,
                "trl": options,
                "ours": ours,
                "advantages": inputs["advantages"].tolist(),
                "loss": loss.item(),
                "grad_logits": model.logits_BRV.grad.tolist(),
                "entropy": logged["entropy"],
                "clip_fraction": logged.get("clip_ratio/region_mean"),
                "kl": logged.get("kl"),
            }
        )
    golden = {
        "made_by": f"trl {trl.__version__}, torch {torch.__version__.split('+')[0]}",
        "temperature": TEMPERATURE,
        "group_size": GROUP_SIZE,
        "max_tokens": MAX_TOKENS,
        "token_ids": ids_BR.tolist(),
        "response_mask": mask_BR.tolist(),
        "rewards": REWARDS,
        "logits": logits_BRV.tolist(),
        "frozen_logits": frozen_BRV.tolist(),
        "ref_logits": ref_BRV.tolist(),
        "cases": cases,
    }
    path = Path(__file__).with_name("trl.json")
    path.write_text(json.dumps(golden).replace('}, {"', '},\n{"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
