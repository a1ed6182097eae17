"""A vision-language model with all that belongs to it: weights, processor, identity."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rilctl.artifacts.model_files import write_texts
from rilctl.artifacts.weight_files import read_by_loader
from rilctl.config.fields import Dtype, ModelConfig
from rilctl.config.registry import default_dtype
from rilctl.errors import ModelError
from rilctl.models.families.layers import with_layers
from rilctl.models.families.record import Family
from rilctl.models.loaded.identity import ModelIdentity, changed, identify
from rilctl.models.loaded.loadable import check_head, check_json, not_loadable, refuse_quantized
from rilctl.models.loaded.lora import adapter_parameters, merged_state_dict, use_adapter
from rilctl.models.loaded.patch_embedding import multiply_patches
from rilctl.models.loaded.processor import EncodedPrompt, Encoder, load_processor
from rilctl.models.loaded.saving import saving
from rilctl.models.loaded.sharding import Sharding, Unsharded
from rilctl.models.loaded.source import ModelSource, find_source
from rilctl.models.loaded.vocabulary import banned_ids, stop_ids
from rilctl.private.transformers import as_in_checkpoint, keep_precision_of_pictures
from rilctl.private.uses import require

DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SHARD_BYTES = 4_000_000_000
"""Of a file of weights, at most; from a GPU, one file at a time is copied to host memory."""


@dataclass
class Vlm(Encoder):
    """A loaded model.

    Args:
        processor: see `Encoder`.
        source: see `Encoder`.
        model: the Hugging Face model with its language-modelling head.
        dtype: precision of the forward pass; weights that train are float32 under autocast.
        identity: which model was loaded.
        texts: its configuration, tokenizer, processor and templates as they were then, by name.
        adapter: the adapter that belongs to it; other roles may share the frozen weights. None: the weights alone.
        sharding: where the weights are.
        stand_in: a prompt for forward passes that have none, or none with a picture where it has one: every rank and
            every micro-batch then runs the same modules. Its part in the result is zero. None: nobody needs that.
    """

    model: Any
    dtype: torch.dtype
    identity: ModelIdentity
    texts: Mapping[str, bytes]
    adapter: str | None = None
    sharding: Sharding = field(default_factory=Unsharded)
    stand_in: EncodedPrompt | None = None
    stop_ids: tuple[int, ...] = field(init=False)
    banned_ids: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        eos = self.model.generation_config.eos_token_id
        num_logits = int(self.lm_head.weight.shape[0])
        self.stop_ids = stop_ids(self.tokenizer, eos, self.source, num_logits)
        self.banned_ids = banned_ids(self.tokenizer, self.model.config, self.stop_ids, num_logits, self.family)

    @property
    def digest(self) -> str:
        """See `ModelIdentity`."""
        return self.identity.digest

    @property
    def backbone(self) -> Any:
        """The model below the language-modelling head: gives hidden states."""
        return self.model.model

    @property
    def decoder(self) -> Any:
        """See `decoder_of`."""
        return decoder_of(self.model)

    @property
    def lm_head(self) -> Any:
        """Hidden states to logits over the vocabulary."""
        return self.model.get_output_embeddings()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Its adapter is at work, in the precision of `dtype`; the adapter stays at work for backward."""
        use_adapter(self.model, self.adapter)
        in_precision = next(self.model.parameters()).dtype == self.dtype
        with nullcontext() if in_precision else torch.autocast(self.device.type, self.dtype):
            yield

    def trained_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """What trains, by name: its adapter, or all weights that aren't frozen."""
        if self.adapter is not None:
            return adapter_parameters(self.model, self.adapter)
        return [(name, parameter) for name, parameter in self.model.named_parameters() if parameter.requires_grad]


def load_vlm(
    config: ModelConfig, *, base_dir: Path, device: torch.device, trainable: bool = False, reads_weights: bool = True
) -> Vlm:
    """Load a model whole, or refuse it.

    Args:
        config: which model, in which precision; or random weights of its configuration.
        base_dir: folder that relative paths start from.
        device: where the weights go.
        trainable: keep the weights in float32, with the forward pass in `config.dtype`; not needed where an engine
            keeps float32 masters of them.
        reads_weights: otherwise room is set aside for weights and buffers, which another process has. It costs address
            space, and no memory before something is written there.

    Raises:
        ModelError: no such model, no processor, a missing or misshapen weight, or somebody is changing it.
        EngineError: the installed torch or transformers isn't such as we know it.
    """
    require("torch")
    source = find_source(config, base_dir=base_dir)
    if trainable and source.runs_code:
        raise ModelError(
            f"{source.path} runs code of its own, and what is trained is written without it",
            hint="train a model of an architecture that transformers has; `code` is for teachers and judges",
        )
    texts = source.read_texts()
    check_json(source, texts)
    refuse_quantized(source, texts)
    processor = load_processor(source)
    dtype = DTYPES[config.dtype or default_dtype(config.model)]
    weights_dtype = torch.float32 if trainable else dtype
    if not reads_weights:
        model = _room_for(source, weights_dtype)
    elif config.random_weights:
        model = _random_model(source, config.seed)
        for parameter in model.parameters():  # buffers stay as precise as they are in a model that is read
            parameter.data = parameter.data.to(weights_dtype)
    else:
        model = _load_weights(source, weights_dtype)
    check_head(model, source)
    layers = getattr(model.config.get_text_config(), "layer_types", None)  # the library's, where the file has none
    source = replace(source, family=with_layers(source.family, layers))
    multiply_patches(model)
    keep_precision_of_pictures(model)
    identity = identify(config, source)
    if source.read_texts() != texts:
        raise changed(source)
    return Vlm(processor, source, model.to(device).eval(), dtype, identity, texts)


def save_vlm(vlm: Vlm, directory: Path) -> None:
    """Write a directory that `from_pretrained`, vLLM and lmms-eval read, its adapter merged into the weights.

    Tokenizer and processor files are written as they were when the model was loaded, with the bounds that it had.
    """
    state = under_published_names(vlm, merged_state_dict(vlm.model, vlm.adapter))
    with saving(directory):
        vlm.model.save_pretrained(directory, state_dict=state, save_original_format=False, max_shard_size=SHARD_BYTES)
        own = ("config.json", "generation_config.json")  # the library wrote these
        write_texts({name: text for name, text in vlm.texts.items() if name not in own}, directory)


def under_published_names(vlm: Vlm, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by their names in published checkpoints of the family, from those that modules have."""
    return {vlm.family.checkpoint_name(name): tensor for name, tensor in as_in_checkpoint(vlm.model, state).items()}


def decoder_of(model: Any) -> Any:
    """The language model below its head: what has the layers.

    The library's `get_decoder` gives head and all where a class names its parts in another way, as Llama 4's does.
    """
    found = model.get_decoder()
    return found if hasattr(found, "layers") else getattr(found, "model", found)


def auto_class(family: Family) -> Any:
    """The library's class for models of a family."""
    import transformers

    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers.AutoModelForImageTextToText if family.sees_pictures else transformers.AutoModelForCausalLM


def _random_model(source: ModelSource, seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _from_configuration(source)


def _room_for(source: ModelSource, dtype: torch.dtype) -> Any:
    """A model whose tensors hold anything; tied ones are one."""
    with torch.device("meta"):
        model = _from_configuration(source)
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in made:
                made[id(parameter)] = nn.Parameter(torch.empty(parameter.shape, dtype=dtype))
            module.register_parameter(name, made[id(parameter)])
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty_like(buffer, device="cpu"))
    return model


def _from_configuration(source: ModelSource) -> Any:
    from transformers import AutoConfig, GenerationConfig

    try:
        config = AutoConfig.from_pretrained(source.path, trust_remote_code=source.runs_code)
        model = auto_class(source.family).from_config(config, trust_remote_code=source.runs_code)
        if (source.path / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(source.path)
    except Exception as error:
        raise not_loadable(source, error) from error
    return model


def _load_weights(source: ModelSource, dtype: torch.dtype) -> Any:
    if not read_by_loader(source.path):
        raise ModelError(
            f"{source.path} has no safetensors weights",
            hint="convert them, or set `random_weights = true` to start from the configuration alone",
        )
    refuse_larger(source)
    try:
        model, info = auto_class(source.family).from_pretrained(
            source.path,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
            trust_remote_code=source.runs_code,
        )
    except Exception as error:
        raise not_loadable(source, error) from error
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys", "error_msgs"):
        keys = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info.get(what) or ())
        if keys:
            shown = ", ".join(f"`{key}`" for key in keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            raise ModelError(
                f"{source.path}: {what.removesuffix('_keys')} weights: {shown}",
                hint="a model that doesn't load whole is never trained; copy or convert the weights again",
            )
    return model


def refuse_larger(source: ModelSource, *, packed: int = 1) -> None:
    """Raise `ModelError` where the configuration describes a model of far more weights than the files hold.

    The library would make all of it before it misses one: of a configuration without `text_config`, seven billion.

    Args:
        source: the model.
        packed: how many weights a number in the files may stand for.
    """
    num_there = 0
    for file in read_by_loader(source.path):
        try:
            with safe_open(file, framework="pt") as tensors:
                num_there += sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{file} can't be loaded: {error}", hint="copy the model again") from error
    try:
        with torch.device("meta"):
            model = _from_configuration(source)
    except ModelError:
        return  # who loads it says why
    num_described = sum(parameter.numel() for parameter in model.parameters())
    if num_described > 2 * packed * num_there:
        raise ModelError(
            f"{source.path / 'config.json'} describes {num_described:,} weights, the files hold {num_there:,}",
            hint="a model that doesn't load whole is never trained; copy or convert the weights again",
        )
