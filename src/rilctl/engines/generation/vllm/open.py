"""Engines over vLLM from the recipe's tables; vLLM starts when the first prompt comes."""

import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rilctl.config.engines import VllmEngineConfig, VllmServerEngineConfig
from rilctl.config.fields import Dtype, ModelConfig
from rilctl.config.registry import default_dtype
from rilctl.engines.generation.vllm.backend import Backend
from rilctl.engines.generation.vllm.engine import VllmGeneration
from rilctl.engines.generation.vllm.gpu_transfer import GpuTransfer
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.local import LocalVllm
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.generation.vllm.served import ServedModel
from rilctl.engines.generation.vllm.server import VllmServer
from rilctl.engines.generation.vllm.transfer import DiskTransfer, Transfer
from rilctl.engines.parts import part_of
from rilctl.errors import EngineError, ModelError, RilctlError, UsageError
from rilctl.models.families.record import Family
from rilctl.models.loaded.devices import pick_device
from rilctl.models.loaded.identity import identify
from rilctl.models.loaded.loadable import check_json, not_loadable
from rilctl.models.loaded.own_code import brings_code, code_hint
from rilctl.models.loaded.picture_size import check_sizes
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import ModelSource, find_source, link_files
from rilctl.models.loaded.vlm import DTYPES, Vlm, refuse_larger
from rilctl.models.loaded.vocabulary import banned_ids, stop_ids
from rilctl.models.loaded.weights import export_untied, file_checksums, names_in_files
from rilctl.models.prompts.kept import KeptPrompts

VllmConfig = VllmEngineConfig | VllmServerEngineConfig
_MOST_PACKED = 16
"""Weights in a number of quantized files: 32 bits hold sixteen of two."""
_MOST_REASON_CHARS = 300


def open_vllm(
    model: ModelConfig,
    engine: VllmConfig,
    base_dir: Path,
    *,
    warn: Callable[[str], object],
    check_stop: Callable[[], object],
) -> VllmGeneration[Any]:
    """An engine over a model that stays as it is; its directory is loaded as it is.

    Raises:
        UsageError: vLLM isn't installed, would compute something else, or the model has random weights.
        ModelError: the model can't be read, by us or by vLLM.
    """
    if model.random_weights:
        raise UsageError("vLLM loads weights from files, not random ones", hint='use an engine with type = "hf"')
    source = find_source(model, base_dir=base_dir)
    _check_runs(engine, source.family)
    dtype = model.dtype or default_dtype(model.model)
    identity = identify(model, source)
    digest = identity.answering(model, "vllm")
    is_quantized = "quantization_config" in json.loads((source.path / "config.json").read_text())
    if isinstance(engine, VllmEngineConfig):
        _check_names(source)  # of files that were read whole

    def reader() -> Reader:
        """Also refuses what is wrong with the files, before vLLM sees them."""
        identity.refuse_other_texts(source)  # the call cache would keep its answers as this one's
        texts = source.read_texts()
        check_json(source, texts)
        check_sizes(texts, str(source.path))
        refuse_larger(source, packed=_MOST_PACKED if is_quantized else 1)
        encoder = Encoder(load_processor(source), source)
        return _reader(encoder, KeptPrompts(encoder, warn=warn), engine)

    if isinstance(engine, VllmServerEngineConfig):
        return ServedModel(
            lambda: (VllmServer(engine, ServerHttp(engine, warn, check_stop), None), reader()),
            source=source,
            dtype=dtype,
            is_quantized=is_quantized,
            checksums=lambda: file_checksums(source.path, pick_device("auto")),
            model_digest=digest,
            num_places=engine.rows_per_batch,
            warn=warn,
        )

    def start() -> tuple[LocalVllm, Reader]:
        own = reader()
        return _local(source, dtype, engine), own

    return VllmGeneration(
        start,
        model_name=source.name,
        model_digest=digest,
        num_places=engine.rows_per_batch,
    )


def open_vllm_rollouts(
    policy: Vlm,
    prompts: KeptPrompts,
    engine: VllmConfig,
    base_dir: Path,
    *,
    warn: Callable[[str], object],
    check_stop: Callable[[], object],
    rank: int,
    num_ranks: int,
) -> VllmRollouts:
    """An engine over a copy of a policy that is trained; see `open_rollouts`.

    Raises:
        UsageError: vLLM isn't installed, would compute something else, or should run on several GPUs in this process.
    """
    _check_runs(engine, policy.family)
    (dtype,) = (name for name, each in DTYPES.items() if each == policy.dtype)
    max_images = engine.max_images if isinstance(engine, VllmEngineConfig) else None
    reader = Reader(policy, prompts, policy.stop_ids, policy.banned_ids, max_images)
    if isinstance(engine, VllmServerEngineConfig):
        engine = engine.model_copy(update={"rows_per_batch": max(1, part_of(engine.rows_per_batch, rank, num_ranks))})
        http = ServerHttp(engine, warn, check_stop)
        start = _server_start(policy, engine, base_dir, reader, http, sends=rank == 0)
    elif engine.num_gpus > 1:
        raise UsageError(
            "train.generation.num_gpus > 1: in `train`, vLLM in this process runs on one GPU",
            hint='for more, run `vllm serve` and set type = "vllm-server"; see docs/vllm.md',
        )
    else:
        start = _local_start(policy, engine, dtype, reader)
    return VllmRollouts(
        policy,
        start,
        num_places=engine.rows_per_batch,
        dtype=dtype,
        max_logprob_error=engine.max_logprob_error,
        is_shared=num_ranks > 1,
    )


def _local(source: ModelSource, dtype: Dtype, engine: VllmEngineConfig) -> LocalVllm:
    folder = tempfile.TemporaryDirectory(prefix="rilctl-model-")
    link_files(source, Path(folder.name))
    try:
        return LocalVllm(Path(folder.name), dtype, engine, runs_code=source.runs_code, on_close=folder.cleanup)
    except RilctlError:
        folder.cleanup()
        raise
    except Exception as error:  # vLLM raises anything
        folder.cleanup()
        raise _not_served(source, error) from error


def _not_served(source: ModelSource, error: Exception) -> RilctlError:
    """What to raise where vLLM can't load a model: for its last reason, as it wraps them."""
    reason = " ".join(str(error).split())[:_MOST_REASON_CHARS] or type(error).__name__
    if "memory" in reason.lower():
        return EngineError(
            f"vLLM has no room for {source.path}: {reason}",
            hint="lower `max_length_tokens`, `kv_cache_bytes` or `gpu_memory_share`, or take a smaller model",
        )
    if brings_code(source.path) and not source.runs_code:
        reason, hint = "it needs code of its own (`auto_map`)", code_hint(source.path)
    else:
        hint = "copy the model again; vLLM's documentation lists the architectures that it has"
    return ModelError(f"vLLM can't load {source.path}: {reason}", hint=hint)


def _local_start(
    policy: Vlm, engine: VllmEngineConfig, dtype: Dtype, reader: Reader
) -> Callable[[], tuple[Backend, Reader]]:
    def start() -> tuple[Backend, Reader]:
        folder = tempfile.TemporaryDirectory(prefix="rilctl-policy-")
        sleeps = engine.sleep and torch.cuda.is_available()
        try:
            export_untied(policy, Path(folder.name), DTYPES[dtype])
            backend = LocalVllm(Path(folder.name), dtype, engine, updates=True, sleeps=sleeps, on_close=folder.cleanup)
        except BaseException:
            folder.cleanup()
            raise
        return backend, reader

    return start


def _server_start(
    policy: Vlm, engine: VllmServerEngineConfig, base_dir: Path, reader: Reader, http: ServerHttp, *, sends: bool
) -> Callable[[], tuple[Backend, Reader]]:
    def start() -> tuple[Backend, Reader]:
        transfer: Transfer | None
        if not sends:
            transfer = None
        elif engine.transfer == "disk":
            folder = None if engine.transfer_dir is None else base_dir / engine.transfer_dir
            transfer = DiskTransfer(http, policy, folder)
        else:
            transfer = GpuTransfer(engine, http, policy)
        return VllmServer(engine, http, transfer), reader

    return start


def _reader(encoder: Encoder, prompts: KeptPrompts, engine: VllmConfig) -> Reader:
    from transformers import AutoConfig, GenerationConfig

    path = encoder.source.path
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=encoder.source.runs_code)
        has_file = (path / "generation_config.json").is_file()
        generation = GenerationConfig.from_pretrained(path) if has_file else GenerationConfig.from_model_config(config)
        num_logits = int(config.get_text_config().vocab_size)
    except Exception as error:  # on damaged files the library raises anything
        raise not_loadable(encoder.source, error) from error
    stops = stop_ids(encoder.tokenizer, generation.eos_token_id, encoder.source, num_logits)
    banned = banned_ids(encoder.tokenizer, config, stops, num_logits, encoder.family)
    return Reader(encoder, prompts, stops, banned, engine.max_images if isinstance(engine, VllmEngineConfig) else None)


def _check_runs(engine: VllmConfig, family: Family) -> None:
    if not isinstance(engine, VllmEngineConfig):
        return
    if importlib.util.find_spec("vllm") is None:
        raise UsageError('an engine has type = "vllm", and vLLM is not installed', hint="pip install 'rilctl[vllm]'")
    if family.sees_more is not None and not torch.cuda.is_available():
        raise UsageError(
            f"vLLM on a CPU: its attention doesn't let a picture's tokens see one another, as {family.name} has it",
            hint='use an engine with type = "hf", or a GPU',
        )


def _check_names(source: ModelSource) -> None:
    """Raise `ModelError` where vLLM would end with names of its own modules."""
    for name in names_in_files(source.path):
        published = source.family.checkpoint_name(name)
        if name != published:
            raise ModelError(
                f"{source.path}: the weight `{name}` is `{published}` in published checkpoints, and so in vLLM",
                hint='use an engine with type = "hf", or save it with rilctl: a student that it saves has those names',
            )
