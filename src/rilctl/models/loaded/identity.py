"""Which model it is, for all who ask: lineage, what is up to date, the call cache, a discriminator's base."""

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rilctl.artifacts.digests import files_digest, weights_digest
from rilctl.artifacts.model_files import joint_digest, text_digests
from rilctl.artifacts.weight_files import weight_files
from rilctl.config.fields import ModelConfig
from rilctl.config.registry import default_dtype
from rilctl.errors import ModelError
from rilctl.models.loaded.source import ModelSource

_SETTLED_NS = 2_000_000_000
"""After so long a file system has another time for the next change."""
_Stamps = dict[Path, tuple[int, ...]]
_known: dict[Path, tuple[_Stamps, str]] = {}
"""Weights that this process has read: what their files were like, and their digest."""


@dataclass(frozen=True)
class ModelIdentity:
    """Weights, and everything else that shapes what a model reads and says.

    Args:
        weights: content digest of a directory's weights, `hub:COMMIT`, or `random:SEED:SHAPE`.
        texts: sha256 of its configuration, tokenizer, processor and templates, by name.
        read: the same as they are read, with the recipe's bounds of pictures in them.
    """

    weights: str
    texts: Mapping[str, str]
    read: Mapping[str, str]

    @property
    def digest(self) -> str:
        """As lineage has it. Of a directory it is the content digest of a `student` artifact with the same files."""
        if ":" in self.weights:  # a person can look the commit up
            return f"{self.weights}:{files_digest(self.texts)}"
        return joint_digest(self.weights, self.texts)

    def answering(self, config: ModelConfig, engine: str = "hf") -> str:
        """As the call cache has it: with the precision, and the engine, as each samples other tokens from a seed."""
        identity = {
            "weights": self.weights,
            "dtype": config.dtype or default_dtype(config.model),
            "texts": dict(self.read),
            **({} if engine == "hf" else {"engine": engine}),
            **({} if config.system is None else {"system": config.system}),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def refuse_other(self, found: "ModelIdentity", source: ModelSource) -> None:
        """Raise `ModelError` where a model was loaded that isn't this one."""
        if found != self:
            raise changed(source)

    def refuse_other_texts(self, source: ModelSource) -> None:
        """Raise `ModelError` where the directory holds other texts by now; its weights are not looked at."""
        if text_digests(source.own_texts()) != self.texts:
            raise changed(source)


def identify(config: ModelConfig, source: ModelSource) -> ModelIdentity:
    """Read all of a model, but not the weights of one from the hub, nor those that this process has read before.

    Raises:
        ArtifactError: it can't be read.
    """
    texts = source.own_texts()
    if config.random_weights:
        weights = f"random:{config.seed}:{hashlib.sha256(texts['config.json']).hexdigest()}"
    else:
        weights = f"hub:{source.revision}" if source.revision else _weights(source.path)
    return ModelIdentity(weights, text_digests(texts), text_digests(source.read_texts()))


def _weights(directory: Path) -> str:
    """`weights_digest`; of files that are as they were when they were read last, without reading them again."""
    stamps = _stamps(directory)
    known = _known.get(directory)
    if known is not None and known[0] == stamps:
        return known[1]
    is_settled = all(time.time_ns() - changed_ns > _SETTLED_NS for *_, changed_ns in stamps.values())
    digest = weights_digest(directory)
    if is_settled and _stamps(directory) == stamps:
        _known[directory] = stamps, digest
    return digest


def _stamps(directory: Path) -> _Stamps:
    """Device, inode, size and times of change; the last one nobody can set. Who reads a file says why it can't be."""
    found: _Stamps = {}
    for file in weight_files(directory):
        with contextlib.suppress(OSError):
            about = file.stat()
            found[file] = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    return found


def changed(source: ModelSource) -> ModelError:
    """What to raise where somebody edits a model while a command uses it."""
    return ModelError(
        f"{source.path} was changed while the command ran: it isn't the model that the run began with",
        hint="put it back as it was, and run the same command again; or take another `--out`",
    )
