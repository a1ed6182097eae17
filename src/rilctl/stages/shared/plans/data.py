"""A plan's questions: how many, and how many tokens they will be."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from rilctl.data.groups import conversation_of
from rilctl.models.prompts.lengths import PromptSize
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.planning.plan import Fact, Section
from rilctl.planning.steps import Prompts
from rilctl.stages.shared.plans.models import PlannedModel
from rilctl.stages.shared.plans.questions import Questions


@dataclass(frozen=True)
class PlannedData:
    """Questions as far as their lengths are known.

    Args:
        questions: those that were read, and how many there are.
        num_images: pictures of all; None: unknown.
        prompts: lengths, as the model reads them; None: it isn't here, or its processor has no rule for sizes.
        unknown: why.
        sizes: of each question that was read; None where it can't be asked. Empty where no lengths are known.
    """

    questions: Questions
    num_images: int | None
    prompts: Prompts | None
    unknown: str = ""
    sizes: Sequence[PromptSize | None] = ()

    @property
    def num_questions(self) -> int:
        """All of them."""
        return self.questions.num

    @property
    def num_rejected(self) -> int:
        """Rows of the data set that are no question."""
        return self.questions.num_rejected

    @property
    def prompt_tokens(self) -> int | None:
        """Of all prompts, pictures included; None: unknown."""
        return self.questions.all_of(sum(self.prompts.tokens)) if self.prompts else None


def planned_data(questions: Questions, model: PlannedModel) -> PlannedData:
    """Measure questions as a model will read them; pictures are looked at no further than their headers."""
    if (size := questions.stated) is not None:
        prompts = Prompts([size.prompt_tokens], [size.image_tokens], size.longest_prompt_tokens)
        return PlannedData(questions, None, prompts, sizes=[PromptSize(size.prompt_tokens, size.image_tokens)])
    samples = questions.samples
    num_images = questions.all_of(sum(len(sample.images) for sample in samples))
    if model.encoder is None:
        return PlannedData(questions, num_images, None, model.unknown)
    sizes = prompt_sizes(model.encoder, samples)
    known = [size for size in sizes if size is not None]
    if not known:
        return PlannedData(questions, num_images, None, "the processor has no rule for the size of a picture")
    prompts = Prompts([size.tokens for size in known], [size.image_tokens for size in known])
    return PlannedData(questions, num_images, prompts, sizes=sizes)


def data_section(data: PlannedData, *, held_out: int | None = None) -> Section:
    """Questions, pictures and their tokens, and how they are known."""
    questions = data.questions
    facts = [Fact("questions", questions.num), *_basis(data)]
    if questions.num_rejected:
        share = questions.num_rejected / (questions.num_rejected + questions.num)
        facts.append(
            Fact("rejected", questions.num_rejected, note=f"{share:.1%} of the rows; the first are named above")
        )
    if held_out is not None:
        facts.append(Fact("held out", held_out))
    facts.append(Fact("pictures", data.num_images))
    if data.prompts is None:
        return Section("data", (*facts, Fact("image tokens", None, "tokens", data.unknown)))
    prompts, once = data.prompts, "once over the data set"
    longest = "as stated" if questions.stated else "of those that were read" if questions.drawn else ""
    average = f"{prompts.mean_tokens:,.0f} on average"
    return Section(
        "data",
        (
            *facts,
            Fact("image tokens", questions.all_of(sum(prompts.image_tokens)), "tokens", once),
            Fact("prompt tokens", data.prompt_tokens, "tokens", f"pictures, questions and template, {once}"),
            Fact("longest prompt", prompts.longest, "tokens", f"{longest}, {average}" if longest else average),
        ),
    )


def _basis(data: PlannedData) -> list[Fact]:
    """How the figures came about, where not all rows were read."""
    questions = data.questions
    if questions.stated is not None:
        return [Fact("sizes", "data.size", note="as the recipe states them: the data isn't here")]
    if questions.drawn is None:
        return []
    left_in = f"; {questions.left_in} aren't looked for" if questions.left_in else ""
    known = "counts are exact, tokens of all" if questions.drawn.of_usable else "figures of all are"
    note = f"of {questions.drawn.num_rows:,}, drawn evenly: {known} estimates{left_in}"
    facts = [Fact("rows read", len(questions.drawn.numbers), note=note)]
    if (error := _error(data)) is not None:
        facts.append(Fact("tokens error", round(error, 4), note=f"prompt tokens are right within ±{error:.1%} (95 %)"))
    return facts


def _error(data: PlannedData) -> float | None:
    """Half the 95 % interval of the sum of all prompts' tokens, as a share of it.

    Answers of one conversation are alike and were drawn together, so they count as one draw; that rows are drawn from
    equal stretches makes it smaller, and isn't counted.
    """
    sums: dict[str, int] = {}
    for sample, size in zip(data.questions.samples, data.sizes, strict=False):
        if size is not None:
            name = conversation_of(sample.id)
            sums[name] = sums.get(name, 0) + size.tokens
    if len(sums) < 2:
        return None
    return 1.96 * stdev(sums.values()) / sqrt(len(sums)) / fmean(sums.values())
