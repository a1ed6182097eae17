"""From what a person writes (`qwen3b`, a directory, a hub id, an artifact) to a directory with a known identity."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST, MOST_JSON_BYTES, RUN, read_regular
from rilctl.artifacts.manifests import is_part_of_run, read_manifest
from rilctl.artifacts.meant import did_you_mean
from rilctl.artifacts.model_files import ADAPTER_CONFIG, read_texts, write_texts
from rilctl.artifacts.read import resolve
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.walk import FOLDER_LEVELS, walk_runs
from rilctl.artifacts.weight_files import read_by_loader, refuse_elsewhere, weight_files
from rilctl.config.fields import ModelConfig, PictureBounds
from rilctl.config.registry import MODELS
from rilctl.config.suggest import nearest
from rilctl.errors import CredentialError, ModelError, RilctlError, UsageError
from rilctl.models.families.record import Family
from rilctl.models.families.table import BY_MODEL_TYPE, family_of
from rilctl.models.loaded.hub import hub_errors
from rilctl.models.loaded.own_code import check_code, read_code, without_code
from rilctl.models.loaded.picture_size import with_bounds
from rilctl.schemas.manifest import WEIGHT_KINDS

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
TEXT_FILES = ["*.json", "*.jinja", "*.txt", "*.model"]
WEIGHT_FILES = ["*.safetensors"]
"""No pickled weights are ever downloaded."""
CODE_FILES = ["*.py"]
_MOST = (
    (re.compile(r"(num|n)_(\w+_)?layers?|depth"), 1000, "layers"),
    (re.compile(r"(\w+_)?max_position_embeddings"), 1 << 24, "tokens of context"),
    (re.compile(r"factor"), 10_000, "times the context"),
)
"""Keys of a configuration, and the most that a model may have: libraries make layer by layer, and angle by angle, all
that it says, before anybody compares it with the weights."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model's files are, and which model it is.

    Args:
        name: what lineage shows: the hub id or the directory.
        path: a local directory with config, tokenizer, processor and (but for random weights) safetensors.
        revision: the hub commit, or None for a directory.
        family: its architecture family.
        bounds: tokens of a picture, where they aren't those of its files.
        system: the recipe's system turn, for conversations without one.
        runs_code: the recipe allows the Python code that comes with it.
    """

    name: str
    path: Path
    revision: str | None
    family: Family
    bounds: PictureBounds | None = None
    system: str | None = None
    runs_code: bool = False

    def own_texts(self) -> dict[str, bytes]:
        """Its texts as they are; those of its code as well, where it is run. Raises as `read_texts` does."""
        return read_texts(self.path) | (read_code(self.path) if self.runs_code else {})

    def read_texts(self) -> dict[str, bytes]:
        """The same with the bounds in them.

        Raises:
            ArtifactError, ModelError: a file can't be read.
            ConfigError: the family can't keep the bounds.
        """
        texts = self.own_texts()
        return texts if self.bounds is None else with_bounds(texts, self.family, self.bounds, self.name)


def find_source(config: ModelConfig, *, base_dir: Path, reads_weights: bool = True) -> ModelSource:
    """The model of a table, with its bounds, system turn and code; see `find_model` and `check_code`."""
    found = find_model(
        config.model,
        revision=config.revision,
        base_dir=base_dir,
        reads_weights=reads_weights,
        reads_code=config.code is not None,
    )
    return as_in_table(found, config)


def as_in_table(source: ModelSource, config: ModelConfig) -> ModelSource:
    """A model as its table of the recipe wants it. Raises `ModelError` where the table allows other code."""
    return replace(
        source,
        bounds=config.picture_bounds,
        system=config.system,
        runs_code=check_code(source.path, config.code),
    )


def find_model(
    name: str, *, revision: str | None, base_dir: Path, reads_weights: bool = True, reads_code: bool = False
) -> ModelSource:
    """Find a model's files, downloading them from the hub if need be.

    Args:
        name: a built-in name, a directory (relative to `base_dir`), or a hub id.
        revision: hub commit or tag.
        base_dir: folder that relative paths start from.
        reads_weights: whether weights are downloaded as well.
        reads_code: whether Python files are.

    Raises:
        UsageError: nothing of that name.
        ModelError: the directory is no model directory, or the hub can't be reached or has no such model.
        CredentialError: the hub shows the model to those alone whom it knows, or whom its owner lets in.
        ArtifactError: something lies in the directory that looks like weights, and that nothing reads.
    """
    path = base_dir / name
    if path.is_dir():
        return _local(name, path)
    check_name(name, base_dir=base_dir)
    registered = MODELS.get(name)
    if registered is not None and registered.model.startswith("package:"):
        return _packaged(name)
    patterns = [*TEXT_FILES, *(WEIGHT_FILES if reads_weights else ()), *(CODE_FILES if reads_code else ())]
    try:
        return _from_hub(registered.model if registered else name, revision, patterns)
    except (CredentialError, ModelError) as error:
        if registered is None and path.parent.is_dir():  # it reads as a path of this machine, too
            hint = did_you_mean(Path(name)) or "name a directory with a model, or a run that made one"
            raise ModelError(f"there is no directory `{name}` here; {error.message}", hint=hint) from error
        raise


def link_files(source: ModelSource, directory: Path) -> None:
    """Make a directory one of this model with its bounds, for a library that loads by rules of its own.

    It gets what was checked and nothing else: texts, without a word of code that isn't allowed, and links to weights.

    Raises:
        ArtifactError, ModelError, ConfigError: see `ModelSource.read_texts`.
    """
    texts = source.read_texts()
    for file in read_by_loader(source.path):
        (directory / file.name).symlink_to(file.resolve())
    write_texts(texts if source.runs_code else without_code(texts), directory)


def find_local(name: str, *, revision: str | None, base_dir: Path) -> ModelSource | None:
    """The same without a download: None where no file of it, or no configuration, is on this machine.

    Raises:
        UsageError: nothing of that name.
        ModelError, ArtifactError: a directory that is no model directory.
    """
    check_name(name, base_dir=base_dir)
    registered = MODELS.get(name)
    if (base_dir / name).is_dir() or (registered is not None and registered.model.startswith("package:")):
        return find_model(name, revision=revision, base_dir=base_dir)
    from huggingface_hub import try_to_load_from_cache

    repo = registered.model if registered else name
    found = try_to_load_from_cache(repo, "config.json", revision=revision)
    if not isinstance(found, str):
        return None
    path = Path(found).parent
    return ModelSource(name=repo, path=path, revision=path.name, family=read_family(path))


def check_name(name: str, *, base_dir: Path, others: Iterable[str] = ()) -> None:
    """Raise `UsageError` unless this can be a model: a built-in name, a directory, or the form of a hub id.

    Args:
        name: what a person wrote.
        base_dir: folder that relative paths start from.
        others: further names that could have been meant.
    """
    path = base_dir / name
    if name in MODELS or path.is_dir() or (HUB_ID.fullmatch(name) and not path.is_file()):
        return
    if path.is_file():
        raise UsageError(f"`{name}` is a file", hint="name a directory with a model, or a run that made one")
    folder = Path(name).parent
    beside = [each.name for each in path.parent.glob("*") if each.is_dir()]
    named = [*others]
    close = nearest(name, [*MODELS, *(str(folder / neighbour) for neighbour in beside), *named])
    here = f"names here: {', '.join(named)}; " if named else ""
    hint = f"did you mean `{close}`?" if close else f"{here}built-in names: {', '.join(MODELS)}"
    if close is None or close in MODELS:  # a folder of that name may stand beside the recipe
        hint = f"a relative path starts from the current directory; {hint}"
    raise UsageError(f"no model `{name}`: not a built-in name, a directory or a hub id", hint=hint)


def read_family(path: Path) -> Family:
    """The architecture family that `config.json` names; `text` for language models, `other` for unknown families.

    Raises:
        ModelError: no such file, a damaged one, an adapter, or a model that isn't a decoder.
    """
    config_file = path / "config.json"
    if (path / ADAPTER_CONFIG).is_file():  # the library would load the base that it names, wherever that is
        raise ModelError(
            f"{path} holds an adapter, which is a model only with the base that it was made on",
            hint="merge it into its base (PEFT's `merge_and_unload`), and save that",
        )
    try:
        refuse_elsewhere(path, config_file)
        config = json.loads(read_regular(config_file, most_bytes=MOST_JSON_BYTES))
    except FileNotFoundError:
        raise ModelError(
            f"{path} has no config.json", hint="give a model directory in the Hugging Face layout"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{config_file} can't be read: {error}", hint="copy the model again") from None
    if not isinstance(config, dict) or not isinstance(model_type := config.get("model_type"), str):
        raise ModelError(f"{config_file} names no model_type", hint="copy the model again")
    if config.get("is_encoder_decoder") and model_type not in BY_MODEL_TYPE:
        hint = f"use a model of another family: {', '.join(BY_MODEL_TYPE)}"
        raise ModelError(f"{config_file}: `{model_type}` has an encoder, which isn't supported", hint=hint)
    if "transformers_weights" in config:
        raise ModelError(
            f"{config_file} says itself which file holds the weights (`transformers_weights`)",
            hint="name that file model.safetensors, and take the key out",
        )
    _refuse_endless(config, config_file)
    return family_of(config)


def _refuse_endless(config: dict[str, object], config_file: Path) -> None:
    """Raise `ModelError` where any part of a configuration has more layers, say, than a model can have."""
    parts: list[dict[str, object]] = [config]
    while parts:
        part = parts.pop()
        parts += [child for child in part.values() if isinstance(child, dict)]
        for key, num in part.items():
            for pattern, most, what in _MOST:
                if isinstance(num, int | float) and num > most and pattern.fullmatch(key):
                    raise ModelError(
                        f"{config_file}: `{key}` is larger than {most:,}, the most {what} that a model may have",
                        hint="copy the model again",
                    )


def _local(name: str, path: Path) -> ModelSource:
    """A model directory, or the student of an artifact or run. Raises `ArtifactError` where one of those has none."""
    try:
        is_artifact = (path / MANIFEST).exists()
        is_role = is_part_of_run(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if is_role and not is_artifact:
        read_manifest(path)  # says that it has lost it
    is_run = not is_artifact and ((path / RUN).is_file() or _is_folder_of_runs(path))
    if is_run or (is_artifact and read_manifest(path).kind not in WEIGHT_KINDS):
        path = resolve(path, "student")
    family = read_family(path)
    weight_files(path)
    return ModelSource(name=name, path=path.resolve(), revision=None, family=family)


def _is_folder_of_runs(path: Path) -> bool:
    """Whether a directory without a model's files has runs in it, such as a workspace."""
    has_model = any((path / name).exists() for name in ("config.json", ADAPTER_CONFIG))
    return not has_model and next(walk_runs(path, most_levels=FOLDER_LEVELS), None) is not None


def _packaged(name: str) -> ModelSource:
    path = Path(str(resources.files("rilctl.quickstart"))) / "models" / name
    return ModelSource(name=name, path=path, revision=None, family=read_family(path))


def _from_hub(repo: str, revision: str | None, patterns: list[str]) -> ModelSource:
    from huggingface_hub import snapshot_download

    try:
        with hub_errors(repo):
            path = Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
    except CredentialError:
        raise
    except RilctlError as error:
        raise ModelError(error.message, hint=f"{error.hint}; or name a local directory") from error
    read_by_loader(path)
    return ModelSource(name=repo, path=path, revision=path.name, family=read_family(path))
