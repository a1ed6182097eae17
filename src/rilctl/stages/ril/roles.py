"""The models of a run: policy, reference and discriminator, on one set of frozen weights where adapters allow it."""

from dataclasses import dataclass

from rilctl.config.fields import ModelConfig
from rilctl.config.train import TrainConfig
from rilctl.errors import UsageError
from rilctl.models.adapters import load_adapter, merge_adapter, with_adapter
from rilctl.models.checkpointing import enable_checkpointing
from rilctl.models.devices import pick_device
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, read_card
from rilctl.models.vlm import Vlm, load_vlm
from rilctl.stages.context import StageContext
from rilctl.stages.inputs import refuse_other_base
from rilctl.stages.ril.inputs import TrainInputs
from rilctl.stages.ril.placement import HOST


@dataclass(frozen=True)
class Roles:
    """Who takes part.

    Args:
        policy: the student that is trained: all its weights, or an adapter.
        reference: the student as it was; with adapters, the frozen weights alone. None: no KL.
        disc: the discriminator, where the algorithm has one.
        disc_waits: policy and discriminator take turns on the device, and the discriminator is on the host now.
    """

    policy: Vlm
    reference: Vlm | None
    disc: Discriminator | None
    disc_waits: bool

    def frozen(self) -> list[Vlm]:
        """Roles on weights that don't train: a reference of its own, or all that share what adapters stand on."""
        roles = [self.policy, *([self.disc.vlm] if self.disc else [])]
        reference = [self.reference] if self.reference else []
        return [*(role for role in roles if role.adapter is not None), *reference]


def load_roles(context: StageContext, config: TrainConfig, inputs: TrainInputs) -> Roles:
    """Load every model of a run.

    With `train.lora` and `train.discriminator.lora` there is one set of weights, frozen, in the student's precision.
    Without, each role has its own: policy and discriminator in float32, unless the engine keeps float32 masters, the
    reference in the student's precision.

    Raises:
        UsageError: the discriminator started from another student, or has another adapter than the recipe says.
        ModelError: a model can't be loaded.
    """
    device = pick_device(config.engine.device)
    is_float32 = config.lora is None and not config.engine.keeps_masters
    student = load_vlm(inputs.student, base_dir=context.base_dir, device=device, trainable=is_float32)
    disc = _load_discriminator(context, config, inputs, student) if config.algorithm.uses_discriminator else None
    policy, reference = student, None
    if config.lora is not None:
        policy = with_adapter(student, config.lora, adapter="policy", seed=config.seed)
    if config.algorithm.kl_beta > 0:
        reference = student if config.lora else load_vlm(inputs.student, base_dir=context.base_dir, device=device)
    if config.engine.gradient_checkpointing:
        for trained in (policy, disc.vlm) if disc else (policy,):
            enable_checkpointing(trained)
    return Roles(policy, reference, disc, disc_waits=disc is not None and disc.vlm.device != policy.device)


def _load_discriminator(context: StageContext, config: TrainConfig, inputs: TrainInputs, student: Vlm) -> Discriminator:
    """The pretrained discriminator, or a new one that starts as the student."""
    path, wanted = inputs.discriminator, config.discriminator.lora
    if path is None:
        context.reporter.warn("no [pretrain-disc] table: the discriminator starts untrained")
        card = DiscriminatorCard(input="response", loss="bce", base_digest=student.digest, lora=wanted)
    else:
        card = read_card(path)
        refuse_other_base(inputs.student.model, student.digest, card.base_digest, path)
    if card.lora and wanted and card.lora != wanted:
        raise UsageError(
            f"the discriminator {path} is an adapter with {card.lora!r}, train.discriminator.lora asks for {wanted!r}",
            hint="make them equal, or run `rilctl pretrain-disc` with the other one",
        )
    is_on_student = path is None or card.lora is not None
    if config.lora and wanted and is_on_student:
        vlm = student
    else:
        source = inputs.student if is_on_student else ModelConfig(model=str(path), dtype=inputs.student.dtype)
        takes_turns = config.take_turns and config.engine.type == "torch"  # DeepSpeed has `offload`
        device = HOST if takes_turns else student.device
        is_float32 = wanted is None and not config.engine.keeps_masters
        vlm = load_vlm(source, base_dir=context.base_dir, device=device, trainable=is_float32)
    lora = card.lora or wanted
    if lora is not None:
        vlm = with_adapter(vlm, lora, adapter="discriminator", seed=config.seed)
    if path is not None and card.lora:
        load_adapter(vlm, path)
    if wanted is None:
        vlm = merge_adapter(vlm)
    disc = Discriminator(vlm, card.model_copy(update={"lora": wanted if is_on_student else None}), seed=config.seed)
    if path is not None:
        disc.load_head(path)
    return disc
