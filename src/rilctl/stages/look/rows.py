"""`data show`: rows as they will be asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rilctl.data.reading import Split
from rilctl.data.sample import ImageRef, Sample
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.lengths import image_tokens
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.stages.look.readers import STUDENT, Reader, find_readers
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data


@dataclass(frozen=True)
class ShownPicture:
    """A picture of a row.

    Args:
        image: itself.
        size_px: width and height, as the data set has it.
        tokens: that stand for it in the student's prompt; None where its processor has no rule, or there is no student.
    """

    image: ImageRef
    size_px: tuple[int, int]
    tokens: int | None


@dataclass(frozen=True)
class ShownRow:
    """A row as it will be asked.

    Args:
        sample: the row.
        pictures: in order.
        prompts: what each model is given, by name; of teachers only what differs from the student's.
        num_tokens: of the student's prompt, pictures included; None where that isn't known.
        refused: why a model can't be asked, by its name.
    """

    sample: Sample
    pictures: tuple[ShownPicture, ...]
    prompts: dict[str, str | list[dict[str, object]]]
    num_tokens: int | None = None
    refused: dict[str, RowError] = field(default_factory=dict)


def shown_rows(context: StageContext, *, split: Split, limit: int) -> Iterator[ShownRow]:
    """The first rows of a split, after selection.

    Args:
        context: the surroundings.
        split: which rows.
        limit: at most this many.

    Raises:
        ConfigError, DataError, ModelError, UsageError: the data set or a model can't be opened.
    """
    samples = load_data(context, split)
    if split == "validation":
        context.reporter.say(f"held out: {len(samples.samples)} questions from {samples.name}")
    readers = find_readers(context)
    for sample in samples.samples[:limit]:
        yield _shown(sample, readers)


def _shown(sample: Sample, readers: Sequence[Reader]) -> ShownRow:
    encoder = next((reader.encoder for reader in readers if reader.name == STUDENT), None)
    pictures = tuple(ShownPicture(image, image.size_px, _tokens(encoder, image)) for image in sample.images)
    prompts: dict[str, str | list[dict[str, object]]] = {}
    refused: dict[str, RowError] = {}
    for reader in readers:
        try:
            prompt = reader.prompt(sample.conversation)
        except RowError as error:
            refused[reader.name] = error
        else:
            if reader.name == STUDENT or prompt != prompts.get(STUDENT):
                prompts[reader.name] = prompt
    size = None if encoder is None or STUDENT in refused else prompt_sizes(encoder, [sample])[0]
    return ShownRow(sample, pictures, prompts, None if size is None else size.tokens, refused)


def _tokens(encoder: Encoder | None, image: ImageRef) -> int | None:
    if encoder is None or not encoder.family.sees_pictures:
        return None
    try:
        return image_tokens(encoder, image.size_px)
    except ValueError:  # the library refuses extreme shapes
        return None
