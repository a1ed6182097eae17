"""A plan's models: found without a download, measured without weights."""

from dataclasses import dataclass

from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.config.pretrain_disc import DiscInput, sees_pictures
from rilctl.config.recipe import Verb
from rilctl.config.registry import MODELS, default_dtype
from rilctl.errors import ArtifactError, ModelError
from rilctl.models.loaded.anatomy import Anatomy, read_anatomy
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import as_in_table, find_local
from rilctl.planning.activations import Precision
from rilctl.planning.plan import Fact
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import name_student, refuse_no_student

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class PlannedModel:
    """A model as far as it is known here.

    Args:
        config: which, and in which precision.
        note: where it comes from, where that isn't plain.
        anatomy: its sizes; None: its configuration isn't here.
        encoder: its tokenizer and image processor; None: they aren't here.
        unknown: what is missing, and how to get it.
    """

    config: ModelConfig
    note: str = ""
    anatomy: Anatomy | None = None
    encoder: Encoder | None = None
    unknown: str = ""

    @property
    def dtype_bytes(self) -> int:
        """Bytes of an element of the forward pass."""
        return DTYPE_BYTES[self.config.dtype or default_dtype(self.config.model)]

    @property
    def frozen(self) -> Precision:
        """How it answers."""
        return Precision(self.dtype_bytes, self.dtype_bytes, "nothing")

    def fact(self, name: str = "student") -> Fact:
        """Which it is."""
        dtype = self.config.dtype or default_dtype(self.config.model)
        random = ", random weights" if self.config.random_weights else ""
        return Fact(name, self.config.model, note=f"{dtype}{random}" + (f", {self.note}" if self.note else ""))


def planned_model(context: StageContext, config: ModelConfig, note: str = "") -> PlannedModel:
    """What can be known of a model without a download. Raises as `find_local` and `refuse_no_student` do."""
    source = find_local(config.model, revision=config.revision, base_dir=context.base_dir)
    if source is None:
        fetch = f"`hf download {_repo(config)} --include '*.json' '*.jinja'`"
        return PlannedModel(config, note, unknown=f"not on this machine: {fetch}")
    refuse_no_student(source)
    source = as_in_table(source, config)
    anatomy = read_anatomy(source)
    try:
        encoder, unknown = Encoder(load_processor(source), source), ""
    except ModelError as error:
        encoder, unknown = None, str(error)
    return PlannedModel(config, note, anatomy, encoder, unknown)


def planned_student(context: StageContext, explicit: str | None, *, after: Verb) -> PlannedModel:
    """The student that a verb will start from; that of `[sft]` need not be there yet. Raises as `name_student` does."""
    try:
        return planned_model(context, name_student(context, explicit, after=after))
    except ArtifactError:
        base = context.recipe.student
        if explicit is not None or base is None or context.upstream("sft").exists():
            raise
        config = base.model_copy(update={"dtype": base.dtype or default_dtype(base.model)})
        return planned_model(context, config, "as sft will have trained it")


def parameter_facts(model: PlannedModel) -> list[Fact]:
    """How many parameters a model has."""
    if model.anatomy is None:
        return [Fact("parameters", None, note=model.unknown)]
    vision = f"{model.anatomy.vision:,} of them see" if model.anatomy.vision else ""
    return [Fact("parameters", model.anatomy.parameters, note=vision)]


def trained_parameters(anatomy: Anatomy, lora: LoraConfig | None, *, disc: DiscInput | None = None) -> int:
    """Parameters that train: an adapter's, or all.

    Args:
        anatomy: of the model.
        lora: its adapter.
        disc: what it sees, where it is a discriminator: an untied head has no part in it, nor has a vision tower that
            never sees a picture.
    """
    if lora is not None:
        return anatomy.adapter_parameters(lora)
    unused = 0
    if disc is not None:
        unused = 0 if anatomy.tied else anatomy.head
        unused += 0 if sees_pictures(disc) else anatomy.vision
    return anatomy.parameters - unused


def trained_fact(name: str, anatomy: Anatomy, lora: LoraConfig | None, *, disc: DiscInput | None = None) -> Fact:
    """How many parameters train."""
    how = f"an adapter of rank {lora.rank}" if lora else "all weights, in float32"
    return Fact(name, trained_parameters(anatomy, lora, disc=disc), note=how)


def _repo(config: ModelConfig) -> str:
    return MODELS[config.model].model if config.model in MODELS else config.model
