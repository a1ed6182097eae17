"""How a verb that trains begins: its model on its device, its encoded prompts, its optimizer."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from rilctl.config.engines import TrainingEngineConfig
from rilctl.config.fields import LoraConfig, ModelConfig, OptimConfig
from rilctl.config.recipe import Verb
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.placing import load_role, place_role
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator
from rilctl.models.loaded.adapters import with_adapter, without_adapter
from rilctl.models.loaded.devices import pick_device, pick_num_workers
from rilctl.models.loaded.identity import changed
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.phases import phase

Equipped = TypeVar("Equipped")


def open_trained(
    context: StageContext,
    verb: Verb,
    student: ModelConfig,
    engine: TrainingEngineConfig,
    lora: LoraConfig | None,
    inputs: Sequence[InputEntry],
    ranks: Ranks,
    *,
    adapter: str,
    seed: int,
) -> tuple[Vlm, KeptPrompts]:
    """The one model that `sft` or `pretrain-disc` trains, on its device, and its encoded prompts. Collective.

    Args:
        context: the stage's surroundings.
        verb: whose model it is.
        student: which model.
        engine: which engine trains.
        lora: the adapter that it gets; None: all weights train.
        inputs: what the run is pinned to.
        ranks: this process among those that train.
        adapter: its name.
        seed: of its random weights.

    Raises:
        ModelError, UsageError: as `open_model`, `with_adapter` and `refuse_changed` do.
    """

    def equip(vlm: Vlm) -> Vlm:
        return vlm if lora is None else with_adapter(vlm, lora, adapter=adapter, seed=seed)

    with phase(verb, "loading"):
        device = pick_device(engine.device)
        vlm = open_model(context, student, engine, equip, device=device, all_train=lora is None, ranks=ranks)
        refuse_changed(vlm, inputs, ranks)
    return vlm, open_prompts(context, vlm, engine)


def open_model(
    context: StageContext,
    model: ModelConfig,
    engine: TrainingEngineConfig,
    equip: Callable[[Vlm], Equipped],
    *,
    device: torch.device,
    all_train: bool,
    learns: bool = True,
    ranks: Ranks,
) -> Equipped:
    """Read a model for those who play a role on it, and place it. Collective.

    Args:
        context: the stage's surroundings.
        model: which.
        engine: which engine trains.
        equip: gives it, in place, the adapters that it will have.
        device: where it goes.
        all_train: all weights do, not an adapter's alone.
        learns: somebody has gradients of it.
        ranks: this process among those that train.

    Returns:
        What `equip` does.

    Raises:
        ModelError, UsageError: as `load_role` and `equip` do.
    """
    with ranks.together():
        vlm = load_role(
            model, engine=engine, base_dir=context.base_dir, device=device, all_train=all_train, ranks=ranks
        )
        if learns and engine.gradient_checkpointing:
            enable_checkpointing(vlm)
        equipped = equip(vlm)
    place_role(vlm, engine, device=device, ranks=ranks)
    return equipped


def open_reference(
    context: StageContext, student: ModelConfig, engine: TrainingEngineConfig, trained: Vlm, ranks: Ranks
) -> Vlm:
    """The student as it is before it learns, which stays so: below the adapter that trains, else weights of its own.

    Args:
        context: the stage's surroundings.
        student: which model.
        engine: which engine trains.
        trained: the one that learns.
        ranks: this process among those that train.

    Raises:
        ModelError: as `load_role` does. Collective.
    """
    if trained.adapter is not None:
        return without_adapter(trained)
    return open_model(
        context, student, engine, lambda vlm: vlm, device=trained.device, all_train=False, learns=False, ranks=ranks
    )


def open_prompts(context: StageContext, vlm: Vlm, engine: TrainingEngineConfig) -> KeptPrompts:
    """The encoded prompts of a model that trains."""
    num_workers = pick_num_workers(engine.num_workers, vlm.device)
    return KeptPrompts(vlm, num_workers=num_workers, warn=context.reporter.warn)


def open_optimizer(
    verb: Verb,
    trained: Vlm | Discriminator,
    optim: OptimConfig,
    engine: TrainingEngineConfig,
    *,
    num_steps: int,
    ranks: Ranks,
    beside: Sequence[Vlm] = (),
) -> TrainingEngine:
    """What trains the one model of a verb; see `open_training` for the arguments. Collective.

    `beside`: frozen ones, such as a reference, which may stand on the same weights.
    """
    vlm = trained if isinstance(trained, Vlm) else trained.vlm
    with phase(verb, "loading"):
        open_frozen([*([vlm] if vlm.adapter is not None else []), *beside], engine, ranks=ranks)
        return open_training(trained, optim, engine, num_steps=num_steps, ranks=ranks)


def refuse_changed(vlm: Vlm, inputs: Sequence[InputEntry], ranks: Ranks) -> None:
    """See that what was loaded is the student that the run is pinned to. Collective.

    Raises:
        ModelError: its directory was changed between the two.
    """
    with ranks.together():
        for entry in inputs:
            # Artifacts up to schema version 2 are known by their weights alone.
            if entry.role == "student" and entry.digest not in (vlm.digest, vlm.identity.weights):
                raise changed(vlm.source)
