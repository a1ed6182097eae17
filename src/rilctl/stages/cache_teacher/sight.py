"""Does a teacher see pictures? Asked before its answers are paid for.

Servers drop pictures without a word, templates lack the token for them, processors shrink them to nothing: the answers
read well all the same. Whoever reads a number that we have drawn sees. Whoever can't may know the data's own pictures:
then the answer to the same question changes with the picture. Of a model in this process the tokens' probabilities
change as well, so nothing has to be read, and nothing is left to chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from PIL import Image, ImageDraw, ImageFont

from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample
from rilctl.data.swapped import swapped
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.errors import CredentialError, InterruptedByUser, RilctlError, RowError
from rilctl.stages.cache_teacher.teachers import (
    cache_teacher_config,
    find_teachers,
    opened_teacher,
    teacher_sampling,
)
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data

NUMBERS = ("4817", "2093")
"""Nobody says one of them who doesn't see it."""
BLIND_HINT = "Does its server take pictures, and has its chat template a place for them?"
_QUESTION = "Which number is written in this picture? Answer with the number alone."
_SIZE_PX = (336, 168)
_FONT_PX = 96
_NUM_PAIRS, _NUM_LOCAL_PAIRS = 4, 2
"""Questions of the data that are asked about two pictures each."""
_LOCAL_TOKENS = 32
"""Of an answer of a model in this process."""
_NOISE = {"float32": 1e-3, None: 1e-3}
_NOISE_OF_16_BITS = 0.1
"""Nats by which a token's log-probability may differ between two rows of a batch that hold the same."""
_AMONG = 256
"""The data's first questions with pictures; pairs are made of them."""


@dataclass(frozen=True)
class Sight:
    """What was found out about a teacher.

    Args:
        sees: whether it sees pictures; None: it gave no answer that would tell.
        why: how that is known, for a person.
    """

    sees: bool | None
    why: str


def look(
    engine: GenerationEngine, config: CacheTeacherConfig, teacher: TeacherConfig, samples: Sequence[Sample]
) -> Sight | None:
    """Ask a few questions about pictures that differ: greedily, but for numbers, which are asked as everything will be.

    Args:
        engine: answers for the teacher.
        config: the `[cache-teacher]` table.
        teacher: its table.
        samples: the data's questions.

    Returns:
        None where the data has no pictures.
    """
    pictured = [sample.conversation.led_by(teacher.system) for sample in samples if sample.images]
    if not pictured:
        return None
    sampling = teacher_sampling(config, teacher)
    greedy = SamplingConfig(max_new_tokens=sampling.max_new_tokens, temperature=0.0)
    pairs = _pairs(pictured[:_AMONG], config.seed)
    if teacher.endpoint is None:
        few = greedy.model_copy(update={"max_new_tokens": min(_LOCAL_TOKENS, greedy.max_new_tokens)})
        return _local(engine, few, pairs[:_NUM_LOCAL_PAIRS], _NOISE.get(teacher.dtype, _NOISE_OF_16_BITS))
    read = _read(engine, sampling, teacher.system)
    return read if read.sees else _remote(engine, greedy, pairs)


def looks(context: StageContext) -> Iterator[tuple[str, Sight]]:
    """What is found out about each teacher of a recipe, one after the other; a failure is a finding."""
    config, samples = cache_teacher_config(context), load_data(context).samples
    for name, teacher in find_teachers(context).items():
        try:
            with opened_teacher(context, name, teacher) as engine:
                found = look(engine, config, teacher, samples)
        except (InterruptedByUser, CredentialError):
            raise
        except RilctlError as error:
            found = Sight(False, str(error))
        yield name, found or Sight(None, "the data have none")


def refuse_blind(name: str, found: Sight) -> None:
    """Raise `RilctlError` where a teacher doesn't see."""
    if found.sees is False:
        hint = f"it was asked for no answers. {BLIND_HINT} `cache-teacher.check_sight = false` asks it all the same"
        raise RilctlError(f"the teacher `{name}` sees no pictures: {found.why}", hint=hint)


def draw(number: str) -> Image.Image:
    """A picture of a number, large, black on white."""
    image = Image.new("RGB", _SIZE_PX, "white")
    place = (_SIZE_PX[0] // 2, _SIZE_PX[1] // 2)
    ImageDraw.Draw(image).text(place, number, fill="black", font=ImageFont.load_default(_FONT_PX), anchor="mm")
    return image


def _pairs(conversations: Sequence[Conversation], seed: int) -> list[tuple[Conversation, Conversation]]:
    """Questions with their own picture and with another one's."""
    both = zip(conversations, swapped(conversations, seed), strict=True)
    return list(islice(((own, other) for own, other in both if other is not None), _NUM_PAIRS))


def _read(engine: GenerationEngine, sampling: SamplingConfig, system: str | None) -> Sight:
    """Whether it reads one of the drawn numbers."""
    pictures = [ImageRef(partial(draw, number), f"a drawing of {number}") for number in NUMBERS]
    asked = [Conversation.of(_QUESTION, [picture]).led_by(system) for picture in pictures]
    answers = _answers(engine, sampling, asked)
    texts = [None if answer is None else answer.text.replace(",", "").replace(" ", "") for answer in answers]
    num = sum(text is not None and number in text for text, number in zip(texts, NUMBERS, strict=True))
    return Sight(True if num else None, f"it reads {num} of {len(NUMBERS)} drawn numbers")


def _remote(engine: GenerationEngine, sampling: SamplingConfig, pairs: Sequence[tuple[Conversation, ...]]) -> Sight:
    """Whether answers change with the picture, and more often than by themselves: no server repeats itself exactly."""
    asked = [conversation for own, other in pairs for conversation in (own, own, other)]
    answers = _answers(engine, sampling, asked, seeds=(0, 1, 0))
    triples = [answers[place : place + 3] for place in range(0, len(answers), 3)]
    told = [[a.text for a in triple if a is not None] for triple in triples]
    told = [texts for texts in told if len(texts) == 3]
    if not told:
        return Sight(None, "it answers none of the questions that would tell")
    num_other = sum(own != other for own, _, other in told)
    num_same = sum(own != again for own, again, _ in told)
    line = (
        f"it reads no drawn number, and of {len(told)} answers {num_other} change with the picture, {num_same} without"
    )
    return Sight(num_other > 2 * num_same, line)


def _local(
    engine: GenerationEngine, sampling: SamplingConfig, pairs: Sequence[tuple[Conversation, ...]], noise: float
) -> Sight:
    """Whether an answer changes with the picture, or the probability of its tokens."""
    answers = _answers(engine, sampling, [conversation for pair in pairs for conversation in pair])
    told = [(a, b) for a, b in zip(answers[::2], answers[1::2], strict=True) if a is not None and b is not None]
    if not told:
        return Sight(None, "it answers none of the questions that would tell")
    num = sum(_differ(own, other, noise) for own, other in told)
    return Sight(num > 0, f"of {len(told)} answers {num} change with the picture, or the probabilities of their tokens")


def _differ(own: Response, other: Response, noise: float) -> bool:
    if own.text != other.text or own.sampling_logprobs is None or other.sampling_logprobs is None:
        return own.text != other.text
    both = list(zip(own.sampling_logprobs, other.sampling_logprobs, strict=False))
    return len(own.sampling_logprobs) != len(other.sampling_logprobs) or any(abs(a - b) > noise for a, b in both)


def _answers(
    engine: GenerationEngine,
    sampling: SamplingConfig,
    conversations: Sequence[Conversation],
    seeds: Sequence[int] = (0,),
) -> list[Response | None]:
    """None where there is no answer; seeds take turns."""
    requests = [
        GenerationRequest(f"sight {place}", conversation, (seeds[place % len(seeds)],))
        for place, conversation in enumerate(conversations)
    ]
    answers = engine.generate(requests, sampling) if requests else []
    return [None if isinstance(answer, RowError) else answer[0] for answer in answers]
