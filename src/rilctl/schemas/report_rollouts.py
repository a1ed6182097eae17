"""What a report shows of rollouts: groups of rows, and the pictures that they refer to."""

from typing import Literal

from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import ContextTurn, FinishReason, Side


class ReportRow(StrictModel):
    """One response of a group."""

    source: str
    """`student`, or the teacher's name."""
    side: Side
    """Student rollout or cached teacher response."""
    response_index: int
    """0 to group_size-1 within the group."""
    text: str
    """The response; cut with `…` where it is longer than the report allows."""
    num_tokens: int
    """Of the response, in the student's vocabulary."""
    finish_reason: FinishReason
    """Why it ended; `length`: it was cut off by the token budget."""
    in_policy: bool
    """Whether the policy learned from it."""
    rewards: dict[str, float]
    """Each reward by name, before weights: `answer`, `similarity`, the recipe's own; absent ones are left out."""
    reward: float | None
    """The weighted sum; absent where there was no verdict."""
    advantage: float
    """How much more than its group; 0 for a row without a verdict."""
    disc_logit: float | None
    """The discriminator's logit, high for students; absent without a discriminator."""
    verdict: Literal["right", "wrong", "missing"] | None
    """The judge's; `missing`: it gave none, though there is a ground truth; absent where no judge is asked."""
    judge: str | None
    """The judge's words, where they were kept."""
    tags: list[str]
    """What is remarkable, of the names in `ReportRollouts.tags`."""


class ReportGroup(StrictModel):
    """All rows of one question in a step."""

    run: str
    """The run's name."""
    step: int
    """The training step, from 1."""
    sample_id: str
    """The question's id."""
    question: str
    """As it was asked."""
    context: list[ContextTurn]
    """System and earlier turns; empty where the question is all."""
    truth: str
    """The ground truth; empty where there is none."""
    image_digests: list[str]
    """Of its pictures, as in `Report.pictures`."""
    why: str
    """Why it is in the sample: `first step`, `best step`, `last step`, `evenly spaced`, or a tag."""
    rows: list[ReportRow]
    """In the order of `response_index`, the student's first."""


class RewardShare(StrictModel):
    """How many rows of a run got a reward: one bar of a histogram over *all* rows, shown here or not."""

    run: str
    """The run's name."""
    side: Side
    """Of which rows."""
    reward: float
    """Lower end of the bar, of the weighted sum."""
    width: float
    """The bar's; 0 where rewards are a few separate values."""
    num_rows: int
    """Rows in it."""


class ReportRollouts(StrictModel):
    """A sample of rollouts, and what it was drawn from."""

    groups: list[ReportGroup]
    """By run and step."""
    sampling: str
    """How they were chosen, in a sentence or two."""
    num_groups: int
    """Groups that there are, over all runs."""
    num_rows: int
    """Rows that there are."""
    tags: dict[str, str]
    """What each tag of a row means."""
    histogram: list[RewardShare]
    """Over all rows."""


class ReportPicture(StrictModel):
    """A picture as a thumbnail."""

    data_uri: str
    """`data:image/webp;base64,…`."""
    width_px: int
    """Of the thumbnail."""
    height_px: int
    """Of the thumbnail."""
    full_width_px: int
    """Of the picture itself."""
    full_height_px: int
    """Of the picture itself."""


class ReportPictures(StrictModel):
    """Thumbnails by the picture's digest."""

    by_digest: dict[str, ReportPicture]
    """Those that are here; a digest without one was left out, or isn't found any more."""
    budget_bytes: int
    """What all data URIs together may take."""
    num_missing: int
    """Pictures that the report refers to, and that aren't here."""
    note: str
    """Why pictures are missing, for a person; empty where all are here."""
