"""From a recipe's engine table to the training engine that it describes."""

from collections.abc import Iterable

from PIL import Image

from rilctl.config.engines import DeepspeedEngineConfig, TrainingEngineConfig
from rilctl.config.fields import OptimConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.deepspeed_engine import DeepspeedTraining
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.engines.training.zero import initialize
from rilctl.models.discriminator import Discriminator
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_prompt
from rilctl.private.peft import is_of_adapters

_PICTURE_PX = 56
"""Side of the picture in a stand-in; two patches of the largest that our families have, so none enlarges it."""


def open_training(
    trained: Vlm | Discriminator, optim: OptimConfig, engine: TrainingEngineConfig, *, num_steps: int, ranks: Ranks
) -> TrainingEngine:
    """What trains a model: all its weights, or its adapter.

    DeepSpeed takes all weights over. Adapters are whole on every rank, whatever becomes of the frozen weights.

    Args:
        trained: the model, placed (`place_role`).
        optim: optimizer and schedule.
        engine: which engine.
        num_steps: optimizer steps of the whole run, for the schedule.
        ranks: this process among those that train.

    Raises:
        UsageError: DeepSpeed isn't installed.
    """
    parameters = trained.trained_parameters()
    if not isinstance(engine, DeepspeedEngineConfig):
        return TorchTraining(parameters, optim, num_steps=num_steps)
    vlm, sees_pictures = (trained, True) if isinstance(trained, Vlm) else (trained.vlm, trained.sees_pictures)
    # Alone too, on ZeRO-3 and on ZeRO-2 with offload: what a step's first micro-batch doesn't use keeps the gradient of
    # the step before there.
    keeps_gradients = engine.zero_stage == 3 or (engine.zero_stage == 2 and engine.offload != "none")
    if ranks.size > 1 or (keeps_gradients and vlm.adapter is None):
        _use_every_module(vlm, sees_pictures=sees_pictures)
    if vlm.adapter is not None:
        return TorchTraining(parameters, optim, num_steps=num_steps, ranks=ranks)
    model = trained.model if isinstance(trained, Vlm) else trained
    if engine.keeps_masters and isinstance(trained, Discriminator):
        trained.head.to(vlm.dtype)  # it is float32 still
    head = vlm.lm_head.weight if isinstance(trained, Vlm) else None
    beside = list(vlm.model.parameters())  # a discriminator has a head over the vocabulary that it doesn't use
    training = DeepspeedTraining(model, head, beside, parameters, optim, engine, num_steps=num_steps, ranks=ranks)
    vlm.sharding = training.sharding
    return training


def open_frozen(vlms: Iterable[Vlm], engine: TrainingEngineConfig, *, ranks: Ranks) -> None:
    """Models with weights that don't train: a reference, or what adapters stand on. ZeRO-3 divides them over the ranks.

    Args:
        vlms: all roles that such weights play, placed; some may share them.
        engine: which engine trains.
        ranks: this process among those that train.

    Raises:
        UsageError: as `open_training`.
    """
    if not isinstance(engine, DeepspeedEngineConfig):
        return
    shared: dict[int, list[Vlm]] = {}
    for vlm in vlms:
        if ranks.size > 1:
            _use_every_module(vlm, sees_pictures=True)
        shared.setdefault(id(vlm.model), []).append(vlm)
    for roles in shared.values() if engine.zero_stage == 3 else ():
        model = roles[0].model
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(is_of_adapters(name))
        sharding = initialize(model, roles[0].lm_head.weight, engine)[1]
        for role in roles:
            role.sharding = sharding


def _use_every_module(vlm: Vlm, *, sees_pictures: bool) -> None:
    """Run the same modules as other ranks and other micro-batches do, whatever this one's rows are."""
    drawn = ImageRef(Image.new("RGB", (_PICTURE_PX, _PICTURE_PX)).copy, "the stand-in")
    pictures = [drawn] if sees_pictures and vlm.family.sees_pictures else []
    vlm.stand_in = encode_prompt(vlm, Conversation.of("", pictures))
