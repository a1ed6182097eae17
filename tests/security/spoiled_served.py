"""Models for vLLM in this process, which loads by its own rules what our checks let through."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from . import bombs
from .attack import PAYLOADS, Attack
from .spoiled_models import AUTO_MAP, CODE, ESCAPES_OF_THE_SANDBOX, WEIGHTS
from .world import World

MODEL = "pocket-teacher-qwen"
"""One that vLLM's CPU kernels can run."""
Settings = dict[str, Any]


def _with_code(path: Path, name: str, change: Callable[[Settings], object] = lambda settings: None) -> Path:
    (path / "own.py").write_text(CODE)
    return _edited(path, name, lambda settings: (settings.update(auto_map=AUTO_MAP), change(settings)))


def _edited(path: Path, name: str, change: Callable[[Settings], object]) -> Path:
    file = path / name
    settings = json.loads(file.read_text()) if file.exists() else {}
    change(settings)
    file.write_text(json.dumps(settings))
    return file


def _unknown(settings: Settings) -> None:
    settings.update(architectures=["Own"])


def _unknown_type(settings: Settings) -> None:
    settings.update(architectures=["Own"], model_type="own")


def _nested(settings: Settings) -> None:
    for part in ("text_config", "vision_config"):
        settings[part] = {**settings.get(part, {}), "auto_map": AUTO_MAP}


CODE_OF_ITS_OWN: dict[str, Callable[[Path], object]] = {
    "config.json": lambda path: _with_code(path, "config.json"),
    "config.json unknown": lambda path: _with_code(path, "config.json", _unknown),
    "config.json unknown type": lambda path: _with_code(path, "config.json", _unknown_type),
    "config.json nested": lambda path: _with_code(path, "config.json", _nested),
    "preprocessor_config.json": lambda path: _with_code(
        path, "preprocessor_config.json", lambda s: s.update(image_processor_type="Own", processor_class="Own")
    ),
    "processor_config.json": lambda path: _with_code(
        path, "processor_config.json", lambda s: s.update(processor_class="Own")
    ),
    "tokenizer_config.json": lambda path: _with_code(
        path, "tokenizer_config.json", lambda s: s.update(tokenizer_class="Own")
    ),
    "generation_config.json": lambda path: _with_code(path, "generation_config.json"),
    "quantization": lambda path: _with_code(
        path, "config.json", lambda s: s.update(quantization_config={"quant_method": "own.Own", "auto_map": AUTO_MAP})
    ),
}
NEEDED = ("config.json unknown", "config.json unknown type", "quantization")
"""Without its code there is no such model; of the others the library has the class."""


def _set(**values: object) -> Callable[[Path], object]:
    return lambda path: _edited(path, "config.json", lambda settings: settings.update(values))


def _set_text(**values: object) -> Callable[[Path], object]:
    return lambda path: _edited(path, "config.json", lambda s: s["text_config"].update(values))


def _set_vision(**values: object) -> Callable[[Path], object]:
    return lambda path: _edited(path, "config.json", lambda s: s["vision_config"].update(values))


def _quantized(**values: object) -> Callable[[Path], object]:
    return _set(quantization_config=values)


def _beside(name: str, content: object) -> Callable[[Path], object]:
    return lambda path: (path / name).write_text(json.dumps(content))


def _mistral(path: Path) -> None:
    """The other format that vLLM knows, in a shard of that name."""
    content = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").rename(path / "consolidated.safetensors")
    names = dict.fromkeys(bombs.tensor_names(content), "consolidated.safetensors")
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    (path / "params.json").write_text(json.dumps({"dim": 64, "n_layers": 1, "model_type": "own", "auto_map": AUTO_MAP}))


CONFIGS: dict[str, Callable[[Path], object]] = {
    "no such architecture": _set(architectures=["Own"]),
    "no architecture": _set(architectures=[]),
    "architecture of a pickle": _set(architectures=["torch.load"]),
    "architecture that is a number": _set(architectures=[5]),
    "architecture of escapes": _set(architectures=[PAYLOADS[0]]),
    "another architecture": _set(architectures=["LlamaForCausalLM"]),
    "quantized by nobody": _quantized(quant_method="own.Own"),
    "quantized by a number": _quantized(quant_method=5),
    "quantized by torchao": _quantized(
        quant_method="torchao",
        quant_type={"default": {"_type": "os.system", "_data": {"command": "touch ran"}, "_version": 1}},
    ),
    "quantized by compressed tensors": _quantized(quant_method="compressed-tensors", format="own"),
    "quantized by gptq": _quantized(quant_method="gptq", bits=10**9, group_size=-5, desc_act=True),
    "quantized beside it": _beside("hf_quant_config.json", {"quantization": {"quant_algo": "own.Own"}}),
    "the other format": _mistral,
    "wide": _set_text(hidden_size=10**7),
    "feed-forward": _set_text(intermediate_size=10**9),
    "vocabulary": _set_text(vocab_size=10**11),
    "layers": _set_text(num_hidden_layers=10**9),
    "layers below the limit": _set_text(num_hidden_layers=999),
    "tower": _set_vision(depth=999),
    "no heads": _set_text(num_attention_heads=0),
    "fewer than no heads": _set_text(num_attention_heads=-4),
    "patches": _set_vision(patch_size=10**9),
    "context": _set_text(max_position_embeddings=10**12),
    "no context": _set_text(max_position_embeddings=0),
    "rotary factor": _set_text(
        rope_parameters={"rope_type": "yarn", "factor": 1e12, "original_max_position_embeddings": 32768}
    ),
    "rotary type": _set_text(rope_parameters={"rope_type": "own.Own"}),
    "a number in place of a part": _set(text_config=5),
}
"""`config.json` as vLLM reads it."""
PIXELS: dict[str, Settings] = {
    "terapixels": {"size": {"shortest_edge": 3136, "longest_edge": 10**13}},
    "fewer than no pixels": {"size": {"shortest_edge": -5, "longest_edge": -5}},
    "patches of nothing": {"patch_size": 0, "merge_size": 0},
    "large patches": {"patch_size": 10**9},
    "not a number": {"rescale_factor": float("nan"), "image_mean": [float("inf")] * 3},
}
GENERATION: dict[str, Settings] = {
    "end": {"eos_token_id": 10**30},
    "negative end": {"eos_token_id": -1},
    "many ends": {"eos_token_id": list(range(10**6))},
    "lengths": {"max_new_tokens": 10**18, "max_length": -1, "min_length": 10**9},
    "numbers": {"temperature": 1e308, "top_k": -(10**18), "top_p": 1e9, "repetition_penalty": 0.0},
    "no numbers": {"temperature": "hot", "top_p": None, "cache_implementation": "own.Own"},
    "a generator of its own": {"custom_generate": "own", "trust_remote_code": True},
}


def put_model(world: World) -> None:
    """Make the world's model one that vLLM can run."""
    shutil.rmtree(world.model)
    shutil.copytree(Path(str(resources.files("rilctl.quickstart"))) / "models" / MODEL, world.model)


def served() -> Iterator[Attack]:
    """In process; a model that vLLM loads and that does no harm passes where nothing has to be refused."""
    found: list[tuple[str, Callable[[Path], object], bool]] = [
        *((f"code {name}", do, name in NEEDED) for name, do in CODE_OF_ITS_OWN.items()),
        *((f"config {name}", do, name not in HARMLESS) for name, do in CONFIGS.items()),
        *(
            (f"pixels {name}", _put("preprocessor_config.json", values), "pixels" in name)
            for name, values in PIXELS.items()
        ),
        *((f"generation {name}", _put("generation_config.json", values), False) for name, values in GENERATION.items()),
        *((f"template {name}", _template(text), name != "nothing") for name, text in bombs.TEMPLATES.items()),
        *((f"escape {at}", _template(text), False) for at, text in enumerate(ESCAPES_OF_THE_SANDBOX)),
        *((f"tokenizer {name}", _text("tokenizer.json", text), True) for name, text in bombs.TOKENIZERS.items()),
        *((f"header {name}", _header(content), True) for name, content in bombs.HEADERS.items()),
        *((f"weights {name}", _weights(spoil), True) for name, spoil in WEIGHTS.items()),
    ]
    for name, spoil, refused in found:

        def do(world: World, spoil: Callable[[Path], object] = spoil) -> Path:
            put_model(world)
            spoil(world.model)
            return world.model

        yield Attack(f"served {name}", "served", "served", do, refused=refused)


HARMLESS = ("no architecture", "quantized by compressed tensors", "quantized beside it", "the other format")


def _put(name: str, values: Settings) -> Callable[[Path], object]:
    return lambda path: _edited(path, name, lambda settings: settings.update(values))


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda path: (path / name).write_text(text)


def _template(text: str) -> Callable[[Path], object]:
    return _text("chat_template.jinja", text)


def _header(content: bytes) -> Callable[[Path], object]:
    return lambda path: (path / "model.safetensors").write_bytes(content)


def _weights(spoil: Callable[[Path, Path], Path]) -> Callable[[Path], object]:
    def do(path: Path) -> None:
        other = path.parent / "other.safetensors"
        shutil.copy(path / "model.safetensors", other)
        spoil(path, other)

    return do
