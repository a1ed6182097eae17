"""`ask`: one question to one model of a recipe, what it saw, and what it said."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.engines import GenerationEngineConfig, HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.config.registry import default_dtype
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.openai import open_endpoint
from rilctl.errors import DataError, RowError, UsageError
from rilctl.models.loaded.processor import EncodedPrompt, Encoder, load_processor
from rilctl.models.loaded.source import check_name, find_source
from rilctl.models.prompts.encode import encode_prompt
from rilctl.models.prompts.lengths import image_tokens
from rilctl.stages.look.readers import STUDENT, Reader
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import name_student, refuse_no_student
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.shared.trained import last_student

JUDGE = "judge"
_GREEDY = SamplingConfig(temperature=0.0)


@dataclass(frozen=True)
class Asked:
    """Who is asked, and how.

    Args:
        role: `student`, `judge`, a teacher's name in the recipe, or empty for a model that is none of them.
        model: which model it is.
        endpoint: where it answers; None: it is loaded here.
        engine: what runs it, if it is loaded here.
        sampling: how its answer is sampled.
        system: a teacher's system turn; a student's stands with its model.
    """

    role: str
    model: ModelConfig
    endpoint: EndpointConfig | None
    engine: GenerationEngineConfig
    sampling: SamplingConfig
    system: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a model saw and said.

    Args:
        asked: who.
        prompt: the text in its chat template, or an endpoint's messages without the pictures' bytes.
        sizes_px: of the pictures, (width, height), as they came.
        processed: what its image processor made of them; empty for an endpoint.
        num_prompt_tokens: pictures included; of an endpoint what it counted, None where it counted nothing.
        num_image_tokens: of them those of pictures; None for an endpoint, and where the processor has no rule.
        response: what it said.
        seconds: it took to answer, after it was loaded.
    """

    asked: Asked
    prompt: str | list[dict[str, object]]
    sizes_px: tuple[tuple[int, int], ...]
    processed: tuple[str, ...]
    num_prompt_tokens: int | None
    num_image_tokens: int | None
    response: Response
    seconds: float


def ask(
    context: StageContext, name: str, question: str, images: Sequence[Path], *, max_new_tokens: int | None
) -> Answer:
    """Put one question to a model.

    Args:
        context: the surroundings.
        name: `student`, `judge`, a teacher of the recipe, or a model's directory, hub id or built-in name.
        question: what is asked.
        images: shown before it.
        max_new_tokens: instead of the recipe's budget.

    Raises:
        UsageError: nobody of that name.
        ArtifactError: a discriminator, which says nothing.
        DataError: a picture can't be read, or the model can't be asked that.
    """
    asked = find_asked(context, name, max_new_tokens)
    refs = tuple(ImageRef(context.base_dir / image, str(image)) for image in images)
    conversation = Conversation.of(question, refs).led_by(asked.system)
    try:
        for image in refs:
            image.load()  # before a model is
        encoder = None if asked.endpoint else _encoder(context, asked.model)
        prompt = Reader(asked.role, encoder).prompt(conversation)
        encoded = None if encoder is None else encode_prompt(encoder, conversation)
        with _opened(context, asked) as engine:
            began = time.monotonic()
            (answered,) = engine.generate([GenerationRequest("the question", conversation, (0,))], asked.sampling)
            seconds = time.monotonic() - began
        if isinstance(answered, RowError):
            raise answered
    except RowError as error:
        raise DataError(error.message, hint="ask something else, or show another picture") from error
    response, sizes_px = answered[0], tuple(image.size_px for image in refs)
    return Answer(
        asked,
        prompt,
        sizes_px,
        () if encoder is None or encoded is None else tuple(_processed(encoder, encoded)),
        _num_tokens(encoded, response),
        None if encoder is None else _image_tokens(encoder, sizes_px),
        response,
        seconds,
    )


def find_asked(context: StageContext, name: str, max_new_tokens: int | None) -> Asked:
    """Whom a person means. Raises `UsageError`: nobody of that name, or a judge that is no model."""
    recipe = context.recipe
    asked: Asked
    if name == STUDENT:
        engine = recipe.eval.engine if recipe.eval is not None else HfEngineConfig()
        trained = last_student(context)
        model = name_student(context, None if trained is None else str(trained), after="eval")
        asked = Asked(STUDENT, model, None, engine, _GREEDY)
    elif name == JUDGE:
        if not isinstance(recipe.judge, LlmJudgeConfig):
            raise UsageError("the recipe's judge knows rules alone", hint='a model judges with `judge.type = "llm"`')
        sampling = _GREEDY.model_copy(update={"max_new_tokens": recipe.judge.max_new_tokens})
        asked = Asked(JUDGE, recipe.judge.loaded_here, recipe.judge.endpoint, recipe.judge.engine, sampling)
    elif name in recipe.teachers:
        config, teacher = recipe.cache_teacher or CacheTeacherConfig(), recipe.teachers[name]
        model = ModelConfig(model=teacher.model) if teacher.endpoint else teacher.loaded_here
        sampling = teacher.sampling or config.sampling
        asked = Asked(name, model, teacher.endpoint, config.engine, sampling, teacher.system)
    else:
        others = [STUDENT, JUDGE, *recipe.teachers]
        check_name(name, base_dir=context.base_dir, others=others)
        asked = Asked("", ModelConfig(model=name), None, HfEngineConfig(), _GREEDY)
    changed: dict[str, Any] = {}
    if asked.endpoint is None:
        changed["model"] = asked.model.model_copy(
            update={"dtype": asked.model.dtype or default_dtype(asked.model.model)}
        )
    if max_new_tokens is not None:
        changed["sampling"] = asked.sampling.model_copy(update={"max_new_tokens": max_new_tokens})
    return replace(asked, **changed)


def _encoder(context: StageContext, model: ModelConfig) -> Encoder:
    source = find_source(model, base_dir=context.base_dir)
    refuse_no_student(source)
    return Encoder(load_processor(source), source)


@contextmanager
def _opened(context: StageContext, asked: Asked) -> Iterator[GenerationEngine]:
    warn, check_stop, base_dir = context.reporter.warn, context.check_stop, context.base_dir
    engine: GenerationEngine
    if asked.endpoint is None:
        engine = open_generation(
            asked.model, asked.engine, base_dir, warn=warn, check_stop=check_stop, between_tokens=Pulse(context)
        )
    else:
        role = f"`{asked.role}`"
        engine = open_endpoint(asked.model.model, asked.endpoint, base_dir, role=role, warn=warn, check_stop=check_stop)
    with closing(engine):
        yield engine


def _num_tokens(encoded: EncodedPrompt | None, response: Response) -> int | None:
    if encoded is not None:
        return len(encoded.token_ids_P)
    return response.usage.input_tokens if response.usage is not None else None


def _image_tokens(encoder: Encoder, sizes_px: Sequence[tuple[int, int]]) -> int | None:
    counts = [image_tokens(encoder, size) for size in sizes_px]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _processed(encoder: Encoder, encoded: EncodedPrompt) -> Iterator[str]:
    """Sizes as the vision tower gets them: of each picture where it keeps their shape, else of all tiles."""
    if "image_grid_thw" in encoded.features:
        patch_px = int(encoder.processor.image_processor.patch_size)
        for _, rows, columns in encoded.features["image_grid_thw"].tolist():
            yield f"{columns * patch_px} x {rows * patch_px} px"
    elif "pixel_values" in encoded.features:
        *many, _, height, width = encoded.features["pixel_values"].shape
        num = prod(many)
        yield f"{width} x {height} px" if num == 1 else f"{num} pictures or tiles of {width} x {height} px"
