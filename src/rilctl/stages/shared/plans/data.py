"""A plan's questions: how many, and how many tokens they will be."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.data.sample import Sample
from rilctl.models.prompts.lengths import PromptSize
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.planning.plan import Fact, Section
from rilctl.planning.steps import Prompts
from rilctl.stages.shared.plans.models import PlannedModel


@dataclass(frozen=True)
class PlannedData:
    """Questions as far as their lengths are known.

    Args:
        num_questions: all of them.
        num_images: their pictures.
        prompts: lengths, as the model reads them; None: it isn't here, or its processor has no rule for sizes.
        unknown: why.
        sizes: of each question; None where it can't be asked. Empty where no lengths are known.
        num_rejected: rows of the data set that are no question.
    """

    num_questions: int
    num_images: int
    prompts: Prompts | None
    unknown: str = ""
    sizes: Sequence[PromptSize | None] = ()
    num_rejected: int = 0


def planned_data(samples: Sequence[Sample], model: PlannedModel, *, num_rejected: int = 0) -> PlannedData:
    """Measure questions as a model will read them; pictures are looked at no further than their headers."""
    num_images = sum(len(sample.images) for sample in samples)
    if model.encoder is None:
        return PlannedData(len(samples), num_images, None, model.unknown, num_rejected=num_rejected)
    sizes = prompt_sizes(model.encoder, samples)
    known = [size for size in sizes if size is not None]
    if not known:
        unknown = "the processor has no rule for the size of a picture"
        return PlannedData(len(samples), num_images, None, unknown, num_rejected=num_rejected)
    prompts = Prompts([size.tokens for size in known], [size.image_tokens for size in known])
    return PlannedData(len(samples), num_images, prompts, sizes=sizes, num_rejected=num_rejected)


def data_section(data: PlannedData, *, held_out: int | None = None) -> Section:
    """Questions, pictures and their tokens."""
    facts = [Fact("questions", data.num_questions)]
    if data.num_rejected:
        share = data.num_rejected / (data.num_rejected + data.num_questions)
        facts.append(Fact("rejected", data.num_rejected, note=f"{share:.1%} of the rows; the first are named above"))
    if held_out is not None:
        facts.append(Fact("held out", held_out))
    facts.append(Fact("pictures", data.num_images))
    if data.prompts is None:
        return Section("data", (*facts, Fact("image tokens", None, "tokens", data.unknown)))
    prompts = data.prompts
    once = "once over the data set"
    return Section(
        "data",
        (
            *facts,
            Fact("image tokens", sum(prompts.image_tokens), "tokens", once),
            Fact("prompt tokens", sum(prompts.tokens), "tokens", f"pictures, questions and template, {once}"),
            Fact("longest prompt", prompts.longest, "tokens", f"{prompts.mean_tokens:,.0f} on average"),
        ),
    )
