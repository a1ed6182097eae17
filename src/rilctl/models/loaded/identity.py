"""Which model it is, for all who ask: lineage, what is up to date, the call cache, a discriminator's base."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from rilctl.artifacts.digests import files_digest, weights_digest
from rilctl.artifacts.model_files import joint_digest, read_texts, text_digests
from rilctl.config.fields import ModelConfig
from rilctl.config.registry import default_dtype
from rilctl.errors import ModelError
from rilctl.models.loaded.source import ModelSource


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
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def refuse_other(self, found: "ModelIdentity", source: ModelSource) -> None:
        """Raise `ModelError` where a model was loaded that isn't this one."""
        if found != self:
            raise changed(source)

    def refuse_other_texts(self, source: ModelSource) -> None:
        """Raise `ModelError` where the directory holds other texts by now; its weights are not looked at."""
        if text_digests(read_texts(source.path)) != self.texts:
            raise changed(source)


def identify(config: ModelConfig, source: ModelSource) -> ModelIdentity:
    """Read all of a model, but not the weights of one from the hub. Raises `ArtifactError` where it can't be read."""
    texts = read_texts(source.path)
    if config.random_weights:
        weights = f"random:{config.seed}:{hashlib.sha256(texts['config.json']).hexdigest()}"
    else:
        weights = f"hub:{source.revision}" if source.revision else weights_digest(source.path)
    return ModelIdentity(weights, text_digests(texts), text_digests(source.read_texts()))


def changed(source: ModelSource) -> ModelError:
    """What to raise where somebody edits a model while a command uses it."""
    return ModelError(
        f"{source.path} was changed while the command ran: it isn't the model that the run began with",
        hint="put it back as it was, and run the same command again; or take another `--out`",
    )
