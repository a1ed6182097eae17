"""A recipe: one TOML file that describes a whole pipeline, one table per verb."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rilctl.config.arm import ArmConfig
from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.data import DataConfig
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import EXECUTION, IF_SET, ModelConfig, Words
from rilctl.config.judge import JudgeConfig
from rilctl.config.plan import PlanConfig
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.config.sft import SftConfig
from rilctl.config.tracking import TrackingConfig
from rilctl.config.train import TrainConfig
from rilctl.schemas.base import StrictModel

Verb = Literal["cache-teacher", "sft", "pretrain-disc", "train", "judge", "eval"]
VERBS: tuple[Verb, ...] = ("cache-teacher", "judge", "sft", "pretrain-disc", "train", "eval")
"""In the order in which `rilctl run` walks them."""
OWN_DATA_VERBS: tuple[Verb, ...] = ("cache-teacher", "sft", "pretrain-disc", "train")
"""Their tables may hold a `data` table."""


def _named(name: str) -> str:
    if not name.strip():
        raise ValueError("a teacher needs a name, which stands in answers, messages and metrics: `[teachers.NAME]`")
    return name


TeacherName = Annotated[str, AfterValidator(_named)]


class WorkspaceConfig(StrictModel):
    """`[workspace]`: where artifacts go."""

    root: Annotated[Words, EXECUTION] = "runs"
    """Artifacts go to `<root>/<recipe>/<verb>`, the call cache to `<root>/.cache`."""


class Recipe(StrictModel):
    """Everything a recipe can say. A verb's table that is absent means: defaults, and `run` skips the verb."""

    model_config = ConfigDict(validate_by_alias=True, serialize_by_alias=True)

    workspace: WorkspaceConfig = WorkspaceConfig()
    """Where artifacts go."""
    plan: PlanConfig = PlanConfig()
    """Figures for `--dry-run`."""
    tracking: TrackingConfig = TrackingConfig()
    """Mirrors of the metrics."""
    data: DataConfig | None = None
    """Where questions come from."""
    student: ModelConfig | None = None
    """The model that learns."""
    teachers: dict[TeacherName, TeacherConfig] = {}
    """The models it learns from."""
    cache_teacher: CacheTeacherConfig | None = Field(default=None, alias="cache-teacher")
    """Ask the teachers."""
    sft: SftConfig | None = None
    """Warm start."""
    pretrain_disc: PretrainDiscConfig | None = Field(default=None, alias="pretrain-disc")
    """Discriminator, before the loop."""
    train: TrainConfig | None = None
    """The RIL loop."""
    judge: JudgeConfig | None = None
    """Who says what is right."""
    eval: EvalConfig | None = None
    """Measure."""
    arm: Annotated[ArmConfig | None, IF_SET] = None
    """What an overlay is to `rilctl compare`."""

    def seen_by(self, verb: Verb) -> "Recipe":
        """The recipe with the verb's own rows for `[data]`; `judge` sees what teachers are asked, `eval` as `train`."""
        tables = {
            "cache-teacher": self.cache_teacher,
            "judge": self.cache_teacher,
            "sft": self.sft,
            "pretrain-disc": self.pretrain_disc,
            "train": self.train,
            "eval": self.train,
        }
        table = tables[verb]
        return self if table is None or table.data is None else self.model_copy(update={"data": table.data})
