"""Models with code of their own, and with weights that were not verified."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from . import bombs
from .attack import MARKER, Attack, model_of, put_template, seal_anew
from .world import World

CODE = f"""
from pathlib import Path
Path({MARKER!r}).touch()
from transformers import PreTrainedConfig
class Own(PreTrainedConfig):
    model_type = "own"
"""
AUTO_MAP = dict.fromkeys(
    (
        "AutoConfig",
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForImageTextToText",
        "AutoProcessor",
        "AutoImageProcessor",
        "AutoFeatureExtractor",
        "AutoVideoProcessor",
    ),
    "own.Own",
) | {"AutoTokenizer": ["own.Own", "own.Own"]}
ESCAPES_OF_THE_SANDBOX = (
    "{{ cycler.__init__.__globals__.os.system('touch ran') }}",
    "{{ lipsum.__globals__['os'].popen('touch ran').read() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__class__.__base__.__subclasses__() }}",
    "{{ raise_exception.__globals__['__builtins__']['open']('ran', 'w') }}",
    "{{ strftime_now.__globals__['os'].system('touch ran') }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').system('touch ran') }}",
    "{{ messages.__reduce_ex__(2)[0].__globals__['__builtins__']['exec']('open(\"ran\", \"w\")') }}",
    "{{ (messages|attr('__class__')).__init__.__globals__ }}",
    "{{ '%s'.format.__self__.__class__.__base__.__subclasses__() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.system('touch ran') }}",
)


def code() -> Iterator[Attack]:
    texts = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
    for where, name, form in itertools.product(("model", "student"), texts, ("here", "elsewhere", "needed", "nested")):

        def do(world: World, where: str = where, name: str = name, form: str = form) -> Path:
            path = model_of(world, where)
            (path / "own.py").write_text(CODE)
            (path / "custom_generate").mkdir()
            (path / "custom_generate" / "generate.py").write_text(CODE)
            file = path / name
            settings = json.loads(file.read_text()) if file.exists() else {}
            prefix = "someone/else--" if form == "elsewhere" else ""
            auto_map = json.loads(json.dumps(AUTO_MAP).replace("own.Own", f"{prefix}own.Own"))
            if form == "nested":
                for part in ("text_config", "vision_config", "image_processor", "tokenizer"):
                    settings[part] = {**(settings.get(part) or {}), "auto_map": auto_map}
            else:
                settings["auto_map"] = auto_map
            if form == "needed":
                settings |= dict.fromkeys(
                    ("model_type", "tokenizer_class", "processor_class", "image_processor_type"), "Own"
                )
            file.write_text(json.dumps(settings))
            seal_anew(where, world)
            return path

        yield Attack(f"code {where} {name} {form}", "code", where, do, refused=False)
    for name, key in itertools.product(
        ("config.json", "generation_config.json"),
        (
            "custom_generate",
            "attn_implementation",
            "_attn_implementation",
            "experts_implementation",
            "base_model_tp_plan",
        ),
    ):

        def put(world: World, name: str = name, key: str = key) -> Path:
            (world.model / "generate.py").write_text(CODE)
            world.edit(world.model / name, lambda settings: settings.update({key: "someone/kernel"}))
            return world.model

        yield Attack(f"code key {name} {key}", "code", "model", put, refused=False)
    places = (
        "chat_template.jinja",
        "chat_template.json",
        "tokenizer_config.json",
        "additional_chat_templates/default.jinja",
    )
    for number, (template, place) in enumerate(itertools.product(ESCAPES_OF_THE_SANDBOX, places)):

        def fill(world: World, template: str = template, place: str = place) -> Path:
            put_template(world.model, place, template)
            return world.model

        yield Attack(f"code template {number} {place}", "code", "model", fill, refused=False)


def weights() -> Iterator[Attack]:
    for where, (name, spoil) in itertools.product(("model", "student", "discriminator"), WEIGHTS.items()):

        def do(world: World, where: str = where, spoil: Callable[[Path, Path], Path] = spoil) -> Path:
            file = spoil(model_of(world, where), world.model / "model.safetensors")
            seal_anew(where, world)
            return file

        yield Attack(f"weights {where} {name}", "weights", where, do)


def _index_to(target: str) -> Callable[[Path, Path], Path]:
    def spoil(path: Path, other: Path) -> Path:
        content = other.read_bytes()
        (path / "model.safetensors").unlink(missing_ok=True)
        file = Path(str(target).replace("{outside}", str(path.parent))) if target.startswith("{") else path / target
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        names = dict.fromkeys(bombs.tensor_names(content), str(file) if target.startswith("{") else target)
        (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
        return path / "model.safetensors.index.json"

    return spoil


def _beside(name: str) -> Callable[[Path, Path], Path]:
    def spoil(path: Path, other: Path) -> Path:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bombs.pickled(MARKER) if not name.endswith("safetensors") else other.read_bytes())
        return file

    return spoil


def _instead(name: str) -> Callable[[Path, Path], Path]:
    def spoil(path: Path, other: Path) -> Path:
        (path / "model.safetensors").unlink()
        return _beside(name)(path, path / "config.json")

    return spoil


def _explicit(path: Path, other: Path) -> Path:
    (path / "evil.safetensors").write_bytes(other.read_bytes())
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**settings, "transformers_weights": "evil.safetensors"}))
    return path


def _adapter(path: Path, other: Path) -> Path:
    settings = {"peft_type": "LORA", "base_model_name_or_path": str(other.parent), "task_type": "CAUSAL_LM"}
    (path / "adapter_config.json").write_text(json.dumps(settings))
    (path / "adapter_model.bin").write_bytes(bombs.pickled(MARKER))
    return path


def _linked(path: Path, other: Path) -> Path:
    outside = path.parent / "outside.safetensors"
    outside.write_bytes((path / "model.safetensors").read_bytes())
    (path / "model.safetensors").unlink()
    (path / "model.safetensors").symlink_to(outside)
    return path / "model.safetensors"


def _doubled(path: Path, other: Path) -> Path:
    content = other.read_bytes()
    (path / "model.safetensors").unlink()
    for name in ("a.safetensors", "b.safetensors"):
        (path / name).write_bytes(content)
    names = {tensor: "ab"[number % 2] + ".safetensors" for number, tensor in enumerate(bombs.tensor_names(content))}
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return path / "b.safetensors"


WEIGHTS: dict[str, Callable[[Path, Path], Path]] = {
    "index to the folder above": _index_to("../evil.safetensors"),
    "index to an absolute path": _index_to("{outside}/evil.safetensors"),
    "index to a hidden folder": _index_to(".hidden/evil.safetensors"),
    "index to a hidden file": _index_to(".evil.safetensors"),
    "index to a folder below": _index_to("below/evil.safetensors"),
    "index to a text": _index_to("evil.txt"),
    "a link": _linked,
    "one tensor twice": _doubled,
    "named by the configuration": _explicit,
    "an adapter": _adapter,
    **{
        f"beside it {name}": _beside(name)
        for name in (
            "pytorch_model.bin",
            "adapter_model.bin",
            "training_args.bin",
            "optimizer.pt",
            "consolidated.00.pth",
            "consolidated.safetensors",
            "model.fp16.safetensors",
            "model-00002-of-00002.safetensors",
            "below/model.safetensors",
            "adapter_model.safetensors",
            "tf_model.h5",
            "flax_model.msgpack",
            "model.gguf",
        )
    },
    **{f"instead of it {name}": _instead(name) for name in ("pytorch_model.bin", "model.ckpt", "adapter_model.bin")},
}
