"""Which model a directory holds: its weights, and every text that shapes what it reads and says.

Two directories with the same weights and another chat template, generation configuration, tokenizer or scale of an
adapter are two models. Texts count by their bytes: a file that reads otherwise for any library is another file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rilctl.artifacts.digests import canonical_json, weights_digest
from rilctl.artifacts.layout import MANIFEST, MOST_JSON_BYTES, RUN, read_regular
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.weight_files import refuse_elsewhere

ADAPTER_CONFIG: Final = "adapter_config.json"
_SUFFIXES: Final = (".json", ".jinja", ".txt", ".model")
_MOST_BYTES: Final = {"tokenizer.json": 256 << 20, "vocab.json": 256 << 20, "tokenizer.model": 256 << 20}
"""Of vocabularies, which are larger than other texts."""
_TEMPLATES: Final = "additional_chat_templates"
"""Where the library looks for templates besides `chat_template.jinja`."""
_WHERE_THE_BASE_LAY: Final = ("base_model_name_or_path", "revision")
"""Keys of an adapter's configuration that are a path or a name; `discriminator.json` says which base it is."""


def text_files(directory: Path) -> dict[str, Path]:
    """Configuration, tokenizer, processor and chat templates, by name with forward slashes, sorted."""
    found = [file for file in directory.iterdir() if file.suffix in _SUFFIXES and ".safetensors" not in file.name]
    found += (directory / _TEMPLATES).glob("*.jinja")
    names = {file.relative_to(directory).as_posix(): file for file in sorted(found) if not file.is_dir()}
    return {name: file for name, file in names.items() if name not in (MANIFEST, RUN) and not name.startswith(".")}


def read_texts(directory: Path) -> dict[str, bytes]:
    """The bytes of `text_files`. Raises `ArtifactError` where one can't be read, or is a link to elsewhere."""
    texts = {}
    for name, file in text_files(directory).items():
        refuse_elsewhere(directory, file)
        try:
            texts[name] = read_regular(file, most_bytes=_MOST_BYTES.get(name, MOST_JSON_BYTES))
        except OSError as error:
            raise unreadable(file, error) from error
    return texts


def write_texts(texts: Mapping[str, bytes], directory: Path) -> None:
    """Put texts into a directory."""
    for name, text in texts.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(text)


def text_digests(texts: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of each text, by name; of an adapter's configuration without the place where its base lay."""
    return {
        name: hashlib.sha256(_without_place(text) if name == ADAPTER_CONFIG else text).hexdigest()
        for name, text in texts.items()
    }


def joint_digest(weights: str, texts: Mapping[str, str]) -> str:
    """One digest over that of the weights and those of the texts."""
    return hashlib.sha256(canonical_json({"weights": weights, "texts": dict(texts)})).hexdigest()


def model_files_digest(directory: Path) -> str:
    """Content digest of a model or adapter directory: weights and texts. Raises `ArtifactError` without weights."""
    return joint_digest(weights_digest(directory), text_digests(read_texts(directory)))


def _without_place(text: bytes) -> bytes:
    try:
        config = json.loads(text)
        if not isinstance(config, dict):
            return text
        return canonical_json({key: value for key, value in config.items() if key not in _WHERE_THE_BASE_LAY})
    except (ValueError, RecursionError):  # no JSON, or with NaN in it
        return text
