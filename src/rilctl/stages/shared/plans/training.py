"""A plan's models that learn: what an engine holds of a model on one device, and in which precision it computes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rilctl.config.engines import DeepspeedEngineConfig, TrainingEngineConfig
from rilctl.config.fields import LoraConfig
from rilctl.config.pretrain_disc import DiscInput
from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.activations import FLOAT32, Layout, Precision
from rilctl.planning.memory import Device, Held, Phase, torch_state, writing_phase
from rilctl.planning.zero import Zero, divided_weights, loading_phase, saving_phase, zero_state
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.models import PlannedModel, trained_parameters


@dataclass(frozen=True)
class PlannedEngine:
    """What trains.

    Args:
        config: the engine's table.
        zero: how DeepSpeed divides; None: torch in one process.
    """

    config: TrainingEngineConfig
    zero: Zero | None

    @property
    def ranks(self) -> int:
        """Devices that share a step's groups."""
        return self.zero.ranks if self.zero else 1

    def groups_of_a_rank(self, groups: int) -> int:
        """Of a step's groups, those of the device that has most."""
        return -(-groups // self.ranks)

    def trained(
        self,
        model: PlannedModel,
        anatomy: Anatomy,
        lora: LoraConfig | None,
        *,
        disc: DiscInput | None = None,
        on_shared: bool = False,
    ) -> Held:
        """Weights, gradients and optimizer of a model on one device; an adapter is whole on each.

        Args:
            model: which.
            anatomy: its sizes.
            lora: its adapter; None: all weights train.
            disc: see `trained_parameters`.
            on_shared: the frozen weights below the adapter are another role's, and counted there.
        """
        trained = trained_parameters(anatomy, lora, disc=disc)
        if lora is not None:
            below = Held() if on_shared else self.frozen(anatomy.parameters, model.dtype_bytes)
            return torch_state(trained) + below
        unused = anatomy.parameters - trained
        if self.zero is None or self.zero.stage == 0:
            return torch_state(trained, unused, FLOAT32)
        return zero_state(trained, model.dtype_bytes, self.zero) + self.frozen(unused, model.dtype_bytes)

    def frozen(self, parameters: int, weight_bytes: int) -> Held:
        """Weights that don't train, on one device."""
        return divided_weights(parameters, weight_bytes, self.zero) if self.zero else Held(parameters * weight_bytes)

    def whole(self, held: Held, model: PlannedModel, anatomy: Anatomy) -> Held:
        """What is held where divided weights come together all at once, as they do while they sample."""
        return replace(held, gathered=max(held.gathered, self.whole_bytes(model, anatomy)))

    def whole_bytes(self, model: PlannedModel, anatomy: Anatomy) -> int:
        """Weights that come together to sample, and to be written; 0: they are whole."""
        return anatomy.parameters * model.dtype_bytes if self.zero and self.zero.divides_weights else 0

    def around(
        self,
        model: PlannedModel,
        anatomy: Anatomy,
        held: Held,
        precision: Precision,
        device: Device,
        phases: Mapping[str, Phase],
        *,
        written: int,
        merged: int = 0,
        also_reads: tuple[int, ...] = (),
    ) -> dict[str, Phase]:
        """The phases of a step of one model that learns, with those before and after.

        Args:
            model: which.
            anatomy: its sizes.
            held: what the engine holds of it.
            precision: how it computes.
            device: where.
            phases: of a step.
            written: weights that are written at the end.
            merged: weights that an adapter adds to, where they are written merged.
            also_reads: bytes of a weight of each other model that is read after it, such as a reference.
        """
        element = precision.weights
        sizes = (self.whole_bytes(model, anatomy), merged * element, written * element)
        return {
            "loading": loading_phase([(anatomy, each) for each in (element, *also_reads)], self.zero, device),
            "idle": held.idle.at_rest,
            **phases,
            "checkpoint": saving_phase(held.idle, anatomy.embedding, self.zero),
            "writing": writing_phase(held.idle, *sizes, device),
        }

    def precision(self, model: PlannedModel, lora: LoraConfig | None) -> Precision:
        """How a model learns: torch has float32 weights under autocast, ZeRO has them in the lower precision."""
        recomputes, low = self.config.gradient_checkpointing, model.dtype_bytes
        if lora is not None:
            return Precision(low, low, "adapter", lora.rank, recomputes)
        has_masters = self.zero is not None and self.zero.stage > 0
        return Precision(low if has_masters else FLOAT32, low, "all", recomputes=recomputes)

    def layout(self, model: PlannedModel, device: Device, *, with_gradient: bool) -> Layout:
        """How a group's rows meet their prompt: `models/shared_prefix/form.py`.

        A GPU packs short groups too; their masks are too small to count.
        """
        if (with_gradient and self.config.gradient_checkpointing) or (self.zero and self.zero.divides_weights):
            return "packed"
        has_kernel = device == "cpu" or model.dtype_bytes < FLOAT32
        shares_keys = model.anatomy is None or model.anatomy.shares_keys
        return "shared" if has_kernel and shares_keys else "expanded"


def planned_engine(context: StageContext, config: TrainingEngineConfig) -> PlannedEngine:
    """What an engine's table comes to on the devices that the recipe plans for."""
    if not isinstance(config, DeepspeedEngineConfig):
        return PlannedEngine(config, None)
    return PlannedEngine(config, Zero(config.zero_stage, context.recipe.plan.num_gpus, config.offload))
