"""The one model that `sft` or `pretrain-disc` trains."""

from collections.abc import Sequence

import torch

from rilctl.config.engines import TrainingEngineConfig
from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.engines.training.placing import load_role, place_role
from rilctl.engines.training.ranks import Ranks
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.identity import changed
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.context import StageContext


def load_learner(
    context: StageContext,
    student: ModelConfig,
    engine: TrainingEngineConfig,
    lora: LoraConfig | None,
    *,
    adapter: str,
    seed: int,
    device: torch.device,
    ranks: Ranks,
) -> Vlm:
    """The model on its device. Collective.

    Args:
        context: the stage's surroundings.
        student: which model.
        engine: which engine trains.
        lora: the adapter that it gets; None: all weights train.
        adapter: its name.
        seed: of its random weights.
        device: of this process.
        ranks: this process among those that train.

    Raises:
        ModelError, UsageError: as `load_role` and `with_adapter` do.
    """
    with ranks.together():
        vlm = load_role(
            student, engine=engine, base_dir=context.base_dir, device=device, all_train=lora is None, ranks=ranks
        )
        if engine.gradient_checkpointing:
            enable_checkpointing(vlm)
        if lora is not None:
            vlm = with_adapter(vlm, lora, adapter=adapter, seed=seed)
    place_role(vlm, engine, device=device, ranks=ranks)
    return vlm


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
