"""The `[data]` table: where questions come from, which columns hold them, which are kept."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from rilctl.config.fields import EXECUTION, IF_SET, NonNegativeInt, PositiveFloat, PositiveInt, Share, Words
from rilctl.schemas.base import StrictModel

DigitsSplit = Literal["train", "validation", "test"]


class ColumnsConfig(StrictModel):
    """Which column of the source holds what."""

    id: str = "id"
    """Unique id; rows are numbered where it is empty, or `id` and not in the table."""
    images: str = "images"
    """One image or a list of images (bytes, path, base64 or hub image); empty: text only."""
    question: str = "question"
    """What is asked."""
    answer: str = "answer"
    """The ground truth that the judge compares with."""
    response: str = ""
    """What `sft` learns to say; empty: the answer itself."""
    messages: Annotated[str, Field(exclude_if=lambda value: value == "")] = ""
    """Of `hub` and `parquet`: chat messages, which are read as `chat` reads them. The questions and answers are in
    them; where the last turn is a question, its answer is in `answer`, as a text or as messages."""
    choices: Annotated[str, Field(exclude_if=lambda value: value == "")] = ""
    """A list of options, of which `answer` names the right one: by its text, letter, or index from 0. The ground truth
    is its letter, and the question lists them as `A. …` unless a template does."""


class ValidationConfig(StrictModel):
    """Held-out questions for `sft` and `train`: a share of the rows, or a split or file of their own."""

    share: Share = 0.0
    """Share of the rows that is held out, chosen by a hash of the id; a `group` stays together."""
    group: Annotated[Literal["image", "conversation"], Field(exclude_if=lambda value: value == "image")] = "image"
    """What a share never divides: rows that show the same picture, and the answers of a conversation; or these alone.
    A picture is the same if its file is, or its bytes where it is in no file."""
    split: str | None = None
    """A split of a hub data set, or of the digits."""
    path: str | None = None
    """A file or folder of the same type."""
    image_root: Annotated[str | None, IF_SET] = None
    """Folder that image paths in `path` start from; absent: that of the training rows, or the file's own."""
    num_samples: PositiveInt | None = None
    """At most this many, chosen by a hash of the id."""

    @model_validator(mode="after")
    def _one_of(self) -> "ValidationConfig":
        if sum((self.share > 0, self.split is not None, self.path is not None)) > 1:
            raise ValueError("set one of share, split and path")
        if self.num_samples is not None and not self.is_set:
            raise ValueError("num_samples needs share, split or path: it only says how many of them")
        if self.image_root is not None and self.path is None:
            raise ValueError("image_root belongs to a path: other held-out rows have the training rows' pictures")
        return self

    @property
    def is_set(self) -> bool:
        """Whether any questions are held out."""
        return self.share > 0 or self.split is not None or self.path is not None


class PassRateConfig(StrictModel):
    """Keep questions whose share of right responses in a `verdicts` artifact lies in a band."""

    verdicts: str
    """Path of the `verdicts` artifact."""
    low: Share = 0.0
    """Smallest share that is kept."""
    high: Share = 1.0
    """Largest share that is kept."""


class LikelihoodConfig(StrictModel):
    """Take questions by how likely the student finds their ground truth: the mean log-probability of its tokens."""

    order: Literal["lowest", "highest"] = "lowest"
    """Which come first: those that it finds least likely, which it has most to learn from, or likeliest."""
    student: str | None = None
    """A `student` artifact that is asked; absent: `[student]` as it is before it learns."""
    tokens_per_batch: Annotated[PositiveInt, EXECUTION] = 16_384
    """Tokens that go through it at once, padding included."""


class SelectConfig(StrictModel):
    """`[data.select]`: which rows are worth training on. Every row that is left out is counted by reason."""

    max_question_chars: PositiveInt | None = None
    """Longer questions are left out, of training and validation."""
    max_prompt_tokens: PositiveInt | None = None
    """Rows whose prompt has more tokens, as `[student]` reads question, context and pictures, are left out, of training
    and validation. The headers of all pictures are read."""
    max_response_chars: PositiveInt | None = None
    """Rows whose response to learn is longer are left out."""
    drop_near_duplicates: bool = False
    """Leave out rows whose images (perceptual hash) and question (normalised text) were seen before, in the
    held-out questions or in an earlier row."""
    decontaminate: tuple[str, ...] = ()
    """Benchmarks to keep out: `digits`, or JSON Lines files with `question` and `images`. A row is contaminated if
    one of its images is near a benchmark's image, or if it has no image and asks a benchmark's question."""
    max_hash_distance: NonNegativeInt = 4
    """Bits in which two 64-bit image hashes may differ and still count as one picture."""
    pass_rate: PassRateConfig | None = None
    """Band of difficulty from an earlier judge run; of training only."""
    likelihood: Annotated[LikelihoodConfig | None, IF_SET] = None
    """Which of them `num_samples` takes; absent: by a hash of the id. The student reads every row once for it."""
    num_samples: PositiveInt | None = None
    """Train on at most this many, chosen by a hash of the id, or by `likelihood`."""

    @model_validator(mode="after")
    def _takes_some(self) -> "SelectConfig":
        if self.likelihood is not None and self.num_samples is None:
            raise ValueError("likelihood needs num_samples: it says which of them are taken")
        return self


class SizeConfig(StrictModel):
    """`[data.size]`: how much it is, for plans where the data isn't there."""

    num_questions: Annotated[PositiveInt, EXECUTION]
    """Questions that are trained on, after selection."""
    num_held_out: Annotated[NonNegativeInt, EXECUTION] = 0
    """Held-out questions."""
    prompt_tokens: Annotated[PositiveInt, EXECUTION]
    """Of a prompt on average, pictures and chat template included."""
    longest_prompt_tokens: Annotated[PositiveInt | None, EXECUTION] = None
    """Of the longest prompt; absent: as many as on average."""
    image_tokens: Annotated[NonNegativeInt, EXECUTION] = 0
    """Of these, those of its pictures."""
    response_tokens: Annotated[PositiveInt | None, EXECUTION] = None
    """Of a response to learn, on average; absent: as many as `sft.max_response_tokens` allows."""

    @model_validator(mode="after")
    def _in_order(self) -> "SizeConfig":
        if self.image_tokens >= self.prompt_tokens:
            raise ValueError("image_tokens are a part of prompt_tokens, which has the question as well")
        if self.longest_prompt_tokens is not None and self.longest_prompt_tokens < self.prompt_tokens:
            raise ValueError("longest_prompt_tokens is less than prompt_tokens, which is the average")
        return self


class _Source(StrictModel):
    validation: ValidationConfig = ValidationConfig()
    """Held-out questions."""
    select: SelectConfig = SelectConfig()
    """Selection."""
    max_image_px: PositiveInt = 64_000_000
    """Images with more pixels are rejected before they are decoded."""
    missing_truth: Annotated[Literal["reject", "keep"], Field(exclude_if=lambda value: value == "reject")] = "reject"
    """A row without a ground truth is rejected, or it is asked all the same: nobody judges what is answered."""
    truth_share: Annotated[Share, Field(exclude_if=lambda value: value == 1)] = 1.0
    """Share of the training questions that keep their ground truth, chosen by a hash of the id; from the others it is
    taken, and the response to learn with it. It says what more labels would bring. Held-out questions keep theirs."""
    size: Annotated[SizeConfig | None, EXECUTION, IF_SET] = None
    """How much it is, for plans where it isn't there: no file, or a data set of the hub."""
    workers: Annotated[NonNegativeInt, EXECUTION] = 0
    """Threads that read, hash and decode images while the data set is loaded; 0: none of their own."""

    @model_validator(mode="after")
    def _hidden_truths_choose_nothing(self) -> "_Source":
        if self.truth_share < 1 and self.select.likelihood is not None:
            raise ValueError("select.likelihood chooses by the ground truths that truth_share hides: set one of them")
        return self

    @model_validator(mode="after")
    def _validation_fits(self) -> "_Source":
        held_out = self.validation
        if isinstance(self, HubData | DigitsData):
            if held_out.path is not None:
                raise ValueError("validation.path is for files; this source has validation.split")
            if held_out.split == self.split:
                raise ValueError("validation.split is the split that is trained on")
            if isinstance(self, DigitsData) and held_out.split not in (None, *get_args(DigitsSplit)):
                raise ValueError(f"validation.split must be one of {', '.join(get_args(DigitsSplit))}")
        elif isinstance(self, ParquetData | JsonlData | LlavaData | ChatData | FolderData):
            if held_out.split is not None:
                raise ValueError("validation.split is for hub data sets and the digits; files have validation.path")
            if held_out.image_root is not None and not isinstance(self, JsonlData | _Conversations):
                raise ValueError("validation.image_root is for jsonl, llava and chat; here paths start from the folder")
            if held_out.path == self.path:
                raise ValueError("validation.path is the path that is trained on")
        return self


class _Table(_Source):
    columns: ColumnsConfig = ColumnsConfig()
    """Column mapping."""
    template: Annotated[Words | None, IF_SET] = None
    """What is asked, as a Jinja template over the row's columns: `{{question}}` is the mapped one, `{{choices}}` the
    list of options, `{{options}}` a line for each with its letter."""

    @model_validator(mode="after")
    def _messages_stand_alone(self) -> "_Table":
        if self.columns.messages and isinstance(self, JsonlData | FolderData):
            raise ValueError('columns.messages is for hub and parquet; a file of JSON is read with type = "chat"')
        if self.columns.messages and (self.columns.choices or self.columns.response or self.template is not None):
            raise ValueError("columns.messages holds what is asked and said: no choices, response or template")
        return self

    @model_validator(mode="after")
    def _truth_has_a_column(self) -> "_Table":
        if not (self.columns.answer or self.columns.messages) and self.missing_truth == "reject":
            raise ValueError('columns.answer is empty, so no row has a ground truth: that takes missing_truth = "keep"')
        return self


class _Conversations(_Source):
    path: str
    """A `.json` list, or JSON Lines."""
    turns: Annotated[Literal["all", "last"], Field(exclude_if=lambda value: value == "all")] = "all"
    """Which answers are learned: each one of a conversation, as a row with what was said before it, or the last."""
    max_turns: Annotated[PositiveInt | None, IF_SET] = None
    """User turns that are shown, the question included. Of longer conversations the first turns go; the system turn
    and all pictures stay. 1: the question alone."""
    image_root: str | None = None
    """Folder that image paths start from; absent: the file's own."""
    id: str = "id"
    """Key of the unique id; empty: conversations are numbered."""


class HubData(_Table):
    """A data set on the Hugging Face hub, or a local folder that `datasets.load_dataset` reads."""

    type: Literal["hub"]
    path: str
    """Repository id, or folder."""
    name: str | None = None
    """Configuration."""
    split: str = "train"
    """Split."""
    revision: str | None = None
    """Commit or tag."""


class ParquetData(_Table):
    """Parquet files: one, a folder, or a glob."""

    type: Literal["parquet"]
    path: str
    """File, folder or glob."""


class JsonlData(_Table):
    """JSON Lines or a JSON list, image paths relative to the file (or to `image_root`)."""

    type: Literal["jsonl"]
    path: str
    """The file."""
    image_root: str | None = None
    """Folder that image paths start from; absent: the file's own."""


class LlavaData(_Conversations):
    """LLaVA's instruction format: `conversations` of human and gpt turns, `<image>` marks, an `image` field."""

    type: Literal["llava"]


class ChatData(_Conversations):
    """Chat format: `messages` with `role` and `content` (text, or a list of text and image parts)."""

    type: Literal["chat"]


class FolderData(_Table):
    """A folder of images and a CSV whose `images` column names files in it, several divided by `;`."""

    type: Literal["folder"]
    path: str
    """The folder."""
    table: str = "table.csv"
    """The CSV, relative to the folder."""


class DigitsData(_Source):
    """The pocket world: real handwritten digits and questions about them, made as they are needed."""

    type: Literal["digits"]
    split: DigitsSplit = "train"
    """Which scans the pictures are made of."""
    num_questions: PositiveInt = 512
    """How many questions."""
    mix: dict[str, PositiveFloat] = {}
    """Weights of kinds of question with styles of response, as `"sum/worked" = 2`; empty: the quickstart's, short."""
    seed: NonNegativeInt = 0
    """Which pictures and questions."""


DataConfig = Annotated[
    HubData | ParquetData | JsonlData | LlavaData | ChatData | FolderData | DigitsData, Field(discriminator="type")
]
"""The `[data]` table; `type` says which of these it is."""

OWN_DATA = Field(json_schema_extra={"own_data": True}, exclude_if=lambda value: value is None)
"""Marks a verb's own `data` table; what its rows hold is part of what an artifact means, by their digest."""
