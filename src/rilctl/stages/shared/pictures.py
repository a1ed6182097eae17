"""Held-out questions beside other pictures than their own: whether a student that trains looks at them."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rilctl.algorithms.statistics import paired_difference
from rilctl.config.fields import OtherPicture
from rilctl.data.sample import Sample
from rilctl.data.swapped import beside
from rilctl.engines.generation.base import GenerationRequest

Asked = tuple[int, GenerationRequest]
"""The place of a question among those that are validated on, and how it is asked."""


def greedy_requests(samples: Sequence[Sample], picture: OtherPicture | None = None, seed: int = 0) -> list[Asked]:
    """Questions for greedy decoding, each with its place; those that have no other picture are left out.

    Args:
        samples: the questions.
        picture: what they are shown; None: their own.
        seed: of the swap.
    """
    conversations = [sample.conversation for sample in samples]
    shown = conversations if picture is None else beside(conversations, picture, seed)
    return [
        (place, GenerationRequest(sample.id, conversation, (0,)))
        for place, (sample, conversation) in enumerate(zip(samples, shown, strict=True))
        if conversation is not None
    ]


def gap_metrics(picture: OtherPicture, own: Mapping[int, bool], other: Mapping[int, bool]) -> dict[str, float]:
    """Accuracy beside that picture, and how far it lies below that beside their own, question by question.

    Args:
        picture: which.
        own: what is right beside the questions' own pictures, by place.
        other: what is right beside the other ones.
    """
    both = [place for place in own if place in other]
    if not both:
        return {}
    gap = paired_difference([own[place] for place in both], [other[place] for place in both])
    return {
        f"validation/accuracy_{picture}": fmean(other.values()),
        f"validation/gap_{picture}": gap.estimate,
        f"validation/gap_{picture}_low": gap.low,
        f"validation/gap_{picture}_high": gap.high,
    }
