"""Which roles stand on one set of weights, and which wait for one another: a plan and its run ask here."""

from rilctl.config.fields import LoraConfig
from rilctl.config.train import TrainConfig


def shares_weights(config: TrainConfig, *, is_new: bool, pretrained: LoraConfig | None) -> bool:
    """Whether policy and discriminator are adapters on the student's frozen weights.

    Args:
        config: the `[train]` table.
        is_new: whether the discriminator starts as the student, untrained.
        pretrained: the adapter that it was pretrained with; None: it has weights of its own, or is new.
    """
    both_adapt = config.lora is not None and config.discriminator.lora is not None
    return both_adapt and (is_new or pretrained is not None)


def take_turns(config: TrainConfig, device: str, *, shared: bool) -> bool:
    """Whether of policy and discriminator one waits in host memory; DeepSpeed has `offload` instead.

    Args:
        config: the `[train]` table.
        device: type of the one on which they train.
        shared: see `shares_weights`.
    """
    return config.take_turns and config.engine.type == "torch" and not shared and device != "cpu"
