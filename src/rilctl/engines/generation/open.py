"""From a recipe's engine table to the generation engine that it describes."""

import warnings
from collections.abc import Callable
from pathlib import Path

from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.generation.base import GenerationEngine, RolloutEngine
from rilctl.engines.generation.hf import load_engine, shared_engine
from rilctl.engines.generation.vllm.open import open_vllm, open_vllm_rollouts
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.shared_prefix.kept import KeptPrefix


def open_generation(
    model: ModelConfig,
    engine: GenerationEngineConfig,
    base_dir: Path,
    *,
    warn: Callable[[str], object] = warnings.warn,
    check_stop: Callable[[], object] = lambda: None,
    between_tokens: Callable[[int], object] = lambda num: None,
) -> GenerationEngine:
    """An engine over a model that stays as it is: a teacher, a student that is sampled or measured.

    Args:
        model: which model.
        engine: what runs it.
        base_dir: folder that relative paths start from.
        warn: told what a person should know, once.
        check_stop: called while a server is waited for; may raise to stop.
        between_tokens: told often how many tokens a batch has, by Hugging Face; may raise to stop.
    """
    if isinstance(engine, HfEngineConfig):
        return load_engine(model, engine, base_dir, warn=warn, between_tokens=between_tokens)
    return open_vllm(model, engine, base_dir, warn=warn, check_stop=check_stop)


def open_rollouts(
    policy: Vlm,
    prompts: KeptPrompts,
    engine: GenerationEngineConfig,
    base_dir: Path,
    *,
    kept: KeptPrefix | None = None,
    warn: Callable[[str], object] = warnings.warn,
    check_stop: Callable[[], object] = lambda: None,
    between_tokens: Callable[[int], object] = lambda num: None,
    rank: int = 0,
    num_ranks: int = 1,
) -> RolloutEngine:
    """An engine over a policy that is trained.

    Of several ranks that sample from one server, the first sends the weights, and each may ask for its share of
    `rows_per_batch` at once, but for one response at least.

    Args:
        policy: the model whose weights change.
        prompts: its encoded prompts.
        engine: what samples from it.
        base_dir: folder that relative paths start from.
        kept: may keep prompts from rollouts to the update, where this process samples.
        warn: told what a person should know.
        check_stop: called while a server is waited for; may raise to stop.
        between_tokens: see `open_generation`.
        rank: of this process among those that train.
        num_ranks: how many train.
    """
    if isinstance(engine, HfEngineConfig):
        return shared_engine(policy, prompts, engine, kept, between_tokens)
    return open_vllm_rollouts(
        policy, prompts, engine, base_dir, warn=warn, check_stop=check_stop, rank=rank, num_ranks=num_ranks
    )
