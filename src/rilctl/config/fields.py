"""Building blocks of all tables: semantic and execution fields, sampling, optimisation, models, LoRA.

A field is *semantic* unless it is marked with `EXECUTION`: changing a semantic field changes what an artifact
means, changing an execution field (batch per device, workers, placement) only how it is made.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from rilctl.schemas.base import StrictModel

EXECUTION = Field(json_schema_extra={"execution": True})
"""Marks a field that doesn't change what an artifact means: `x: Annotated[int, EXECUTION] = 8`."""

IF_SET = Field(exclude_if=lambda value: value is None)
"""Marks a semantic field that came later: where it is absent, digests are those of recipes that can't say it."""


def if_not(default: JsonValue) -> Any:
    """Marks a semantic field that came later, with its default: where it has that, digests are as with `IF_SET`."""
    return Field(exclude_if=lambda value: value == default)


PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Words = Annotated[str, Field(pattern=r"\S")]
"""Text that isn't only white space."""
Dtype = Literal["float32", "bfloat16", "float16"]
OtherPicture = Literal["swapped", "none"]
"""What a question is shown instead of its own picture: another question's, or none."""
Picture = Literal["right", OtherPicture]


def _address_alone(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:  # brackets, port or labels
        raise ValueError("expected an address such as http://gpu-box:8000/v1; host or port make no sense") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ValueError("expected an address that starts with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("expected an address alone; keys and passwords are never written here")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_address_alone)]
"""Where a server is. It stands in messages and artifacts, so it holds no secret."""


@dataclass(frozen=True)
class _DefaultType(Discriminator):
    """See `default_type`; the JSON Schema says the same."""

    default: str = ""

    def __get_pydantic_json_schema__(self, union: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With OpenAPI's `discriminator` (`defaultMapping` is of its version 3.2); only the default may lack `type`."""
        schema = handler(union)
        mapping: dict[str, str] = {}
        for member in schema["oneOf"]:
            table = handler.resolve_ref_schema(member)
            tag = table["properties"]["type"]["const"]
            mapping[tag] = member["$ref"]
            required = table.get("required", [])
            if tag != self.default and "type" not in required:  # `oneOf` takes no table that fits several
                table["required"] = ["type", *required]
        return schema | {
            "discriminator": {"propertyName": "type", "mapping": mapping, "defaultMapping": mapping[self.default]}
        }


def default_type(name: str) -> Discriminator:
    """For a union of tables told apart by `type`: one without it is the member of this name, which stands first.

    A validator that filled `type` in would hand on a table of Python's, where strict mode takes no list for a tuple.
    """

    def tag(table: Any) -> str:
        return str(table.get("type", name) if isinstance(table, dict) else getattr(table, "type", name))

    return _DefaultType(tag, default=name)


class SamplingConfig(StrictModel):
    """How responses are sampled. Top-p, top-k and repetition penalty distort the trained policy, so they are off."""

    max_new_tokens: PositiveInt = 256
    """Token budget of a response; also Dr.GRPO's constant denominator per row."""
    temperature: NonNegativeFloat = 1.0
    """0 is greedy decoding."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus mass that is kept; 1 keeps all."""
    top_k: NonNegativeInt = 0
    """Most probable tokens that are kept; 0 keeps all."""
    repetition_penalty: PositiveFloat = 1.0
    """Divides the logits of tokens already seen; 1 is off."""


Schedule = Literal["constant", "linear", "cosine", "wsd"]


class OptimConfig(StrictModel):
    """AdamW with linear warm-up, then a schedule of the learning rate."""

    lr: PositiveFloat
    """Peak learning rate."""
    lr_end: NonNegativeFloat | None = None
    """Learning rate of the last step; absent: 0, but for a `constant` schedule."""
    schedule: Annotated[Schedule | None, IF_SET] = None
    """After the warm-up: `constant`; down to `lr_end` on a line or a half `cosine`; or `wsd`, which is constant until
    it goes down on a line over the `decay_share`. Absent: `linear` where `lr_end` is set, else `constant`."""
    decay_share: Annotated[Share, if_not(0.2)] = 0.2
    """The last share of all steps, over which `wsd` goes down."""
    warmup_steps: NonNegativeInt = 0
    """Steps from 0 to `lr`."""
    weight_decay: NonNegativeFloat = 0.0
    """AdamW's decoupled weight decay; norms, biases and embeddings are exempt."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """AdamW's moment decays."""
    max_grad_norm: PositiveFloat = 1.0
    """Gradients are clipped to this norm."""
    max_bad_steps: Annotated[PositiveInt, EXECUTION] = 5
    """A step whose loss or gradient isn't finite changes no weight and is counted; so many in a row end the run."""

    @property
    def shape(self) -> Schedule:
        """The schedule, whether it is named or not."""
        return self.schedule or ("constant" if self.lr_end is None else "linear")

    @model_validator(mode="after")
    def _fits_schedule(self) -> "OptimConfig":
        if self.schedule == "constant" and self.lr_end is not None:
            raise ValueError('schedule = "constant" has no end: leave lr_end out')
        if "decay_share" in self.model_fields_set and self.schedule != "wsd":
            raise ValueError('decay_share is for schedule = "wsd"')
        return self


class LoraConfig(StrictModel):
    """A low-rank adapter on frozen weights instead of full fine-tuning."""

    rank: PositiveInt = 16
    """Rank of the update."""
    alpha: PositiveFloat = 32.0
    """The update is scaled by alpha / rank."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the language model's linear layers that get an adapter."""


@dataclass(frozen=True)
class PictureBounds:
    """How many tokens a picture may take, marks around them not counted; None: as the model's own files say."""

    min_tokens: int | None
    max_tokens: int | None


class PictureSizeMixin(StrictModel):
    """The size of pictures that a model is shown. Absent keys are no part of what an artifact means."""

    max_image_tokens: Annotated[PositiveInt | None, IF_SET] = None
    """A larger picture is made smaller, by the rule of the model's own image processor: fewer pixels or fewer tiles.
    Absent: as large as its files allow. Written into the files of a student that is trained."""
    min_image_tokens: Annotated[PositiveInt | None, IF_SET] = None
    """A smaller picture is made larger, likewise."""

    @model_validator(mode="after")
    def _in_order(self) -> "PictureSizeMixin":
        low, high = self.min_image_tokens, self.max_image_tokens
        if low is not None and high is not None and low > high:
            raise ValueError("min_image_tokens is over max_image_tokens")
        return self

    @property
    def picture_bounds(self) -> PictureBounds | None:
        """Both bounds; None where neither is set."""
        if self.max_image_tokens is None and self.min_image_tokens is None:
            return None
        return PictureBounds(self.min_image_tokens, self.max_image_tokens)


class ModelConfig(PictureSizeMixin):
    """A model to load: hub id, directory, built-in name such as `qwen3b`, or a `student` artifact.

    Its name and revision are execution fields: which weights they stand for is recorded by digest.
    """

    model: Annotated[str, EXECUTION]
    """Hub id, directory, or a name that `rilctl doctor --models` lists."""
    revision: Annotated[str | None, EXECUTION] = None
    """Hub commit or tag; recorded in every artifact."""
    dtype: Dtype | None = None
    """Precision of the forward pass; weights that train are float32. Absent: a built-in name's own, else float32."""
    random_weights: bool = False
    """Take only the configuration and start from random weights."""
    seed: NonNegativeInt = 0
    """Seed of random weights."""
    system: Annotated[Words | None, IF_SET] = None
    """System turn of prompts whose row has none of its own. Absent: what the chat template does by itself."""
    code: Annotated[str | None, Field(pattern=r"^sha256:[0-9a-f]{64}$"), EXECUTION] = None
    """Digest of the Python code that comes with a teacher's or judge's model, as the refusal says it: it is run while
    it is that code. Absent: none is run. What it does is part of which model it is."""


class DurationMixin(StrictModel):
    """Either `num_steps` or `num_epochs`."""

    num_steps: PositiveInt | None = None
    """Optimizer steps."""
    num_epochs: PositiveFloat | None = None
    """Passes over the data; the default is one."""

    @model_validator(mode="after")
    def _one_of(self) -> "DurationMixin":
        if self.num_steps is not None and self.num_epochs is not None:
            raise ValueError("set num_steps or num_epochs, not both")
        return self

    def steps_for(self, num_rows: int, rows_per_step: int) -> int:
        """Optimizer steps for a data set of `num_rows` rows."""
        if self.num_steps is not None:
            return self.num_steps
        return max(1, round((self.num_epochs or 1.0) * num_rows / rows_per_step))


def semantic_config(model: BaseModel) -> dict[str, JsonValue]:
    """The config without execution fields, as JSON values: what a provenance digest is taken over."""
    dumped: dict[str, JsonValue] = model.model_dump(mode="json", by_alias=True)
    return _prune(model, dumped)


def _prune(model: BaseModel, dumped: dict[str, JsonValue]) -> dict[str, JsonValue]:
    kept: dict[str, JsonValue] = {}
    for name, info in type(model).model_fields.items():
        key = info.serialization_alias or info.alias or name
        extra = info.json_schema_extra
        if isinstance(extra, dict) and (extra.get("execution") or extra.get("own_data")):  # rows count by their digest
            continue
        if key in dumped:
            kept[key] = _prune_value(getattr(model, name), dumped[key])
    extra_keys = model.model_extra or {}
    return kept | {key: _prune_value(value, dumped[key]) for key, value in extra_keys.items()}


def _prune_value(value: Any, dumped: JsonValue) -> JsonValue:
    if isinstance(value, BaseModel) and isinstance(dumped, dict):
        return _prune(value, dumped)
    if isinstance(value, dict) and isinstance(dumped, dict):
        return {k: _prune_value(value[k], dumped[k]) for k in dumped}
    return dumped
