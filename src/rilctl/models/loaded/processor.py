"""Tokenizer, image processor and chat template of a model directory, without a video processor or torchvision.

The library's Qwen-VL and InternVL processors insist on a video processor, which needs torchvision. Ours are the same
classes with that attribute left out, and always decode with Pillow, so that pixels are the same on every machine.
"""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from rilctl.artifacts.model_files import write_texts
from rilctl.errors import ConfigError, ModelError
from rilctl.models.families.record import Family
from rilctl.models.loaded.context_length import context_tokens
from rilctl.models.loaded.own_code import brings_code, code_hint
from rilctl.models.loaded.source import ModelSource
from rilctl.models.loaded.template_probe import ends
from rilctl.private.transformers import image_only
from rilctl.private.uses import require

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")
_TEMPLATE_HINT = "add chat_template.jinja from the base model"
_NOT_READ = {"config.json", "generation_config.json", "discriminator.json"}
"""Text files of a model directory that say nothing about how it reads text and pictures beyond its family."""


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as the model reads it.

    Args:
        token_ids_P: image placeholders expanded, generation prompt included.
        type_ids_P: 1 at image placeholders, 0 at text.
        features: the processor's image tensors, first dimension over images or patches; empty for text.
    """

    token_ids_P: Tensor
    type_ids_P: Tensor
    features: dict[str, Tensor]

    @property
    def num_bytes(self) -> int:
        """Memory of the tensors."""
        tensors = (self.token_ids_P, self.type_ids_P, *self.features.values())
        return sum(tensor.nbytes for tensor in tensors)


@dataclass
class Encoder:
    """What turns text and pictures into a model's tensors; needs none of its weights.

    Args:
        processor: text and images to tensors; a tokenizer for text models.
        source: where it came from.
    """

    processor: Any
    source: ModelSource

    @property
    def family(self) -> Family:
        """Architecture family."""
        return self.source.family

    @property
    def tokenizer(self) -> Any:
        """The tokenizer."""
        return tokenizer_of(self.processor)

    @cached_property
    def context_tokens(self) -> int | None:
        """Prompt and response together at most; None where the model's configuration doesn't say."""
        return context_tokens(self.source)

    def reads_like(self, other: "Encoder") -> bool:
        """Whether both make the same tensors: by the recipe's system turn, and by the same files."""
        if self.source.system != other.source.system:
            return False
        if (self.source.path, self.source.bounds) == (other.source.path, other.source.bounds):
            return True
        mine, others = (
            {name: text for name, text in source.read_texts().items() if name not in _NOT_READ}
            for source in (self.source, other.source)
        )
        return self.family == other.family and mine == others


def load_processor(source: ModelSource) -> Any:
    """The processor of a model; for text models its tokenizer.

    Raises:
        ModelError: the directory lacks a processor, tokenizer or chat template.
        ConfigError: the family can't keep the source's bounds.
        EngineError: the installed transformers isn't such as we know it.
    """
    require("transformers")
    path, family = source.path, source.family
    if not any((path / name).is_file() for name in TOKENIZER_FILES):  # the library would make an empty tokenizer
        raise ModelError(
            f"{path} has no tokenizer: none of {', '.join(TOKENIZER_FILES)}",
            hint="copy the tokenizer files from the base model",
        )
    if not (path / "tokenizer_config.json").is_file():  # the library would guess, and cut texts differently
        raise ModelError(f"{path} has no tokenizer_config.json", hint="copy the tokenizer files from the base model")
    try:
        loaded = _from_files(source)
    except (ConfigError, ModelError):
        raise
    except Exception as error:  # on damaged files the library raises anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if brings_code(path):
            raise ModelError(
                f"{path} has no processor that can be loaded without its own code (`auto_map`): {reason}",
                hint=code_hint(path),
            ) from error
        raise ModelError(
            f"{path} has no complete processor for the family {family.name}: {reason}",
            hint="a model directory needs tokenizer, processor and chat template files; copy them from the base model",
        ) from error
    if not loaded.chat_template:
        raise ModelError(f"{path} has no chat template", hint=_TEMPLATE_HINT)
    _check_template(path, loaded, family)
    return loaded


def _from_files(source: ModelSource) -> Any:
    """The library reads a directory: with bounds, one that is made for it."""
    import transformers

    with nullcontext(source.path) if source.bounds is None else TemporaryDirectory() as directory:
        path = Path(directory)
        if source.bounds is not None:
            write_texts(source.read_texts(), path)
        if not source.family.sees_pictures:
            return transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=source.runs_code)
        if source.runs_code:
            return transformers.AutoProcessor.from_pretrained(path, trust_remote_code=True)  # type: ignore[no-untyped-call]
        return image_only(_processor_class(path, source.family)).from_pretrained(
            path, backend="pil", trust_remote_code=False
        )


def _check_template(path: Path, processor: Any, family: Family) -> None:
    """See that a question and a picture come out of the chat template. Raises `ModelError`."""
    content: Any = "a question"
    if family.sees_pictures:
        content = [{"type": "image"}, {"type": "text", "text": content}]
    message = {"role": "user", "content": content}
    templates = processor.chat_template
    if not all(map(ends, templates.values() if isinstance(templates, dict) else [templates])):
        raise ModelError(f"{path}: the chat template doesn't end, or fills the memory", hint=_TEMPLATE_HINT)
    try:
        text = processor.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template is a program
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: the chat template can't be filled in: {reason}", hint=_TEMPLATE_HINT) from error
    parts = {"question": "a question"} | ({"image placeholder": processor.image_token} if family.sees_pictures else {})
    for what, part in parts.items():
        if part not in text:
            raise ModelError(f"{path}: the chat template leaves the {what} out", hint=_TEMPLATE_HINT)


def tokenizer_of(processor: Any) -> Any:
    """The tokenizer inside a processor, or the tokenizer itself."""
    return getattr(processor, "tokenizer", processor)


def _processor_class(path: Path, family: Family) -> Any:
    """The library's class; of an unknown family the one that its files name. Raises `ValueError`, `AttributeError`."""
    import transformers

    name = family.processor
    for file in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if name is None and (path / file).is_file():
            name = json.loads((path / file).read_text()).get("processor_class")
    if name is None:
        raise ValueError("no file names a `processor_class`")
    return getattr(transformers, name)
