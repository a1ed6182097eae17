"""A plan's samplers: what a generation engine needs of one device, and what it has room for."""

from dataclasses import dataclass, field

from rilctl.config.engines import GenerationEngineConfig, VllmEngineConfig, VllmServerEngineConfig
from rilctl.engines.generation.base import questions_at_once
from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.activations import Batch, Precision
from rilctl.planning.memory import Held, Phase, cached_tokens, decoding_phase, pool_phase
from rilctl.planning.plan import Fact
from rilctl.planning.steps import Prompts
from rilctl.stages.shared.plans.devices import PlannedDevice
from rilctl.stages.shared.plans.models import PlannedModel
from rilctl.stages.shared.plans.training import PlannedEngine
from rilctl.stages.shared.student_responses import Snapshot

CPU_CACHE = 2**30
"""vLLM's key/value cache on a CPU, where the recipe doesn't say."""


@dataclass(frozen=True)
class PlannedSampling:
    """Sampling in this process, or somewhere else.

    Args:
        phase: bytes on the device while it samples; None: somewhere else, or unknown.
        stays: what the engine keeps on the device while others learn.
        facts: what a person should know of it.
    """

    phase: Phase | None
    stays: Held = field(default_factory=Held)
    facts: tuple[Fact, ...] = ()


def planned_sampling(
    engine: GenerationEngineConfig,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
    *,
    answering: Precision,
    beside: Held | None,
    rows: int,
    num_responses: int,
    budget: int,
) -> PlannedSampling:
    """What an engine's table comes to.

    Args:
        engine: the table.
        anatomy: of the model that answers.
        prompts: lengths of what it is asked.
        device: where.
        answering: precision of the model.
        beside: what is on the device when it samples; None: nothing but the model itself.
        rows: responses that are asked for at a time, or in all; the engine may take fewer at once.
        num_responses: to each question.
        budget: tokens of a response, at most.
    """
    if isinstance(engine, VllmServerEngineConfig):
        return PlannedSampling(None)
    if isinstance(engine, VllmEngineConfig):
        return _pool(engine, anatomy, prompts, device, answering.products, beside or Held(), budget)
    groups = questions_at_once(min(rows, engine.rows_per_batch), num_responses)
    patches = groups * prompts.most_image_tokens * anatomy.patches_per_token
    batch = Batch(groups, prompts.longest, groups * num_responses, budget, patches)
    held = Held(weights=anatomy.parameters * answering.weights) if beside is None else beside
    return PlannedSampling(decoding_phase(anatomy, held, batch, answering))


def _pool(
    engine: VllmEngineConfig,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
    element_bytes: int,
    beside: Held,
    budget: int,
) -> PlannedSampling:
    """VLLM in this process: weights of its own, keys and values in the rest of its share."""
    own = -(-anatomy.parameters // engine.num_gpus) * element_bytes
    if engine.kv_cache_bytes is not None:
        pool = own + engine.kv_cache_bytes
    elif device.kind == "cpu":
        pool = own + CPU_CACHE
    elif device.capacity is not None:
        pool = int(engine.gpu_memory_share * device.capacity)
    else:
        unknown = Fact("room for keys and values", None, "tokens", "state `plan.device_memory_gb`")
        return PlannedSampling(None, facts=(unknown,))
    phase = pool_phase(anatomy, beside, element_bytes, pool, num_gpus=engine.num_gpus)
    room = cached_tokens(anatomy, phase.cache, element_bytes, num_gpus=engine.num_gpus)
    at_once = room // max(1, prompts.longest + budget)
    if at_once:
        note = f"of vLLM: {at_once:,} of the longest responses at once"
    else:
        note = "of vLLM: less than one response, which it refuses"
    sleeps = engine.sleep and device.kind == "cuda"
    stays = Held() if sleeps else Held(weights=max(own, pool))
    return PlannedSampling(phase, stays, (Fact("room for keys and values", room, "tokens", note),))


def planned_snapshot(
    asked: Snapshot,
    engine: PlannedEngine,
    student: PlannedModel,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
) -> PlannedSampling:
    """The student answers, and leaves, before a model is loaded to learn.

    Args:
        asked: how.
        engine: what trains.
        student: which model.
        anatomy: its sizes.
        prompts: their lengths.
        device: where.
    """
    return planned_sampling(
        asked.generation,
        anatomy,
        prompts,
        device,
        answering=student.frozen,
        beside=None,
        rows=engine.groups_of_a_rank(len(prompts.tokens)) * asked.num_responses,
        num_responses=asked.num_responses,
        budget=asked.sampling.max_new_tokens,
    )
