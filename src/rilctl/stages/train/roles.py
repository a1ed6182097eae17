"""The models of a run: policy, reference and discriminator, on one set of frozen weights where adapters allow it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.config.train import TrainConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import UsageError
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, read_card
from rilctl.models.loaded.adapters import load_adapter, merge_adapter, with_adapter
from rilctl.models.loaded.devices import pick_device
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import refuse_other_base
from rilctl.stages.shared.learning import open_model, open_prompts
from rilctl.stages.train.distilling import TeacherRole, check_endings
from rilctl.stages.train.inputs import TrainInputs
from rilctl.stages.train.placement import HOST
from rilctl.stages.train.sharing import shares_weights, take_turns


@dataclass(frozen=True)
class Roles:
    """Who takes part.

    Args:
        policy: the student that is trained: all its weights, or an adapter.
        reference: the student as it was; with adapters, the frozen weights alone. None: no KL.
        disc: the discriminator, where the algorithm has one.
        prompts: encoded prompts of the policy; the discriminator's as well where it reads alike.
        disc_waits: policy and discriminator take turns on the device, and the discriminator is on the host now.
        teacher: whose distribution is learned; None: nobody's.
    """

    policy: Vlm
    reference: Vlm | None
    disc: Discriminator | None
    prompts: KeptPrompts
    disc_waits: bool
    teacher: TeacherRole | None = None

    def frozen(self) -> list[Vlm]:
        """Roles on weights that don't train: a reference of its own, a teacher, those that adapters stand on."""
        roles = [self.policy, *([self.disc.vlm] if self.disc else [])]
        reference = [self.reference] if self.reference else []
        teacher = [self.teacher.vlm] if self.teacher else []
        return [*(role for role in roles if role.adapter is not None), *reference, *teacher]


@dataclass(frozen=True)
class _DiscStart:
    """What the discriminator starts from.

    Args:
        path: the pretrained one; None: it starts as the student, untrained.
        card: what it is.
        lora: the adapter that it trains; None: all its weights.
        seed: of random weights.
    """

    path: Path | None
    card: DiscriminatorCard
    lora: LoraConfig | None
    seed: int

    @property
    def is_on_student(self) -> bool:
        """Whether its weights below an adapter are the student's."""
        return self.path is None or self.card.lora is not None

    def equip(self, vlm: Vlm) -> Vlm:
        """The model in the discriminator's role: with the adapter that it has, merged where all its weights train."""
        lora = self.card.lora or self.lora
        if lora is not None:
            vlm = with_adapter(vlm, lora, adapter="discriminator", seed=self.seed)
        if self.path is not None and self.card.lora:
            load_adapter(vlm, self.path)
        return merge_adapter(vlm) if self.lora is None else vlm

    def finish(self, vlm: Vlm, prompts: KeptPrompts | None) -> Discriminator:
        """The discriminator on that model, once it is on its device; see there for `prompts`."""
        card = self.card.model_copy(update={"lora": self.lora if self.is_on_student else None})
        disc = Discriminator(vlm, card, seed=self.seed, prompts=prompts)
        if self.path is not None:
            disc.load_head(self.path)
        return disc


def load_roles(context: StageContext, config: TrainConfig, inputs: TrainInputs, ranks: Ranks) -> Roles:
    """Load every model of a run, each placed before the next one is read. Collective.

    With `train.lora` and `train.discriminator.lora` there is one set of weights, frozen, in the student's precision.
    Without, each role has its own: policy and discriminator in float32, unless the engine keeps float32 masters, the
    reference in the student's precision.

    Raises:
        UsageError: the discriminator started from another student, or has another adapter than the recipe says.
        ModelError: a model can't be loaded.
    """
    device, lora = pick_device(config.engine.device), config.lora
    opened = partial(open_model, context, engine=config.engine, ranks=ranks)

    def equip(student: Vlm) -> tuple[Vlm, Vlm, _DiscStart | None, Vlm | None]:
        start = _disc_start(context, config, inputs, student) if config.algorithm.uses_discriminator else None
        disc = None
        if start is not None and shares_weights(config, is_new=start.path is None, pretrained=start.card.lora):
            disc = start.equip(student)
        policy = student if lora is None else with_adapter(student, lora, adapter="policy", seed=config.seed)
        return student, policy, start, disc

    student, policy, start, disc_vlm = opened(inputs.student, equip=equip, device=device, all_train=lora is None)
    if start is not None and disc_vlm is None:
        where = HOST if take_turns(config, device.type, shared=False) else device
        source = inputs.student
        if not start.is_on_student:
            source = ModelConfig(model=str(start.path), dtype=inputs.student.dtype, system=inputs.student.system)
        disc_vlm = opened(source, equip=start.equip, device=where, all_train=start.lora is None)
    reference = None
    if config.algorithm.kl_beta > 0:
        reference = student
        if lora is None:
            reference = opened(inputs.student, equip=lambda vlm: vlm, device=device, all_train=False, learns=False)
    prompts, disc, teacher = open_prompts(context, policy, config.engine), None, None
    with ranks.together():
        if start is not None and disc_vlm is not None:
            disc = start.finish(disc_vlm, prompts if disc_vlm.reads_like(policy) else None)
    if inputs.teacher is not None:
        vlm = opened(inputs.teacher.model, equip=lambda vlm: vlm, device=device, all_train=False, learns=False)
        with ranks.together():
            check_endings(policy, vlm, inputs.teacher.name)
            teacher = TeacherRole(vlm, prompts if vlm.reads_like(policy) else open_prompts(context, vlm, config.engine))
    waits = disc is not None and disc.vlm.device != policy.device
    return Roles(policy, reference, disc, prompts, waits, teacher)


def _disc_start(context: StageContext, config: TrainConfig, inputs: TrainInputs, student: Vlm) -> _DiscStart:
    """The pretrained discriminator, or a new one that starts as the student."""
    path, wanted = inputs.discriminator, config.discriminator.lora
    if path is None:
        context.reporter.warn("no [pretrain-disc] table: the discriminator starts untrained")
        card = DiscriminatorCard(input="response", loss="bce", base_digest=student.digest, lora=wanted)
    else:
        card = read_card(path)
        refuse_other_base(inputs.student.model, student.identity, card.base_digest, path)
    if card.lora and wanted and card.lora != wanted:
        raise UsageError(
            f"the discriminator {path} is an adapter with {card.lora!r}, train.discriminator.lora asks for {wanted!r}",
            hint="make them equal, or run `rilctl pretrain-disc` with the other one",
        )
    return _DiscStart(path, card, wanted, config.seed)
