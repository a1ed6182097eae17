"""What a task asks, as requests to our engines."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from rilctl.config.fields import SamplingConfig
from rilctl.config.suggest import did_you_mean
from rilctl.config.suite import Benchmark
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.evaluation.asked import Question, column_text, cut_at
from rilctl.engines.evaluation.lmms.quiet import quiet
from rilctl.engines.evaluation.own_tasks import read_sampling
from rilctl.engines.generation.base import GenerationRequest
from rilctl.errors import ConfigError, RowError
from rilctl.private.lmms_eval import documents

DOC_ERRORS: Final = (LookupError, AttributeError, TypeError, ValueError, OSError, AssertionError, RecursionError)
"""What a task's functions raise for a document that they can't handle."""
_PLACEHOLDER: Final = "<image>"
"""Some tasks write it where a picture belongs; pictures stand before the text here, as in lmms-eval's own wrappers."""
_FEWSHOT_DELIMITER: Final = "\n\n"
"""What lmms-eval fills in where a task names no stop text; its wrappers leave it out, and so do we."""
_IGNORED: Final = frozenset({"image_aspect_ratio"})
"""Settings of other models' wrappers."""


@dataclass(frozen=True)
class TaskQuestions:
    """A task, ready to ask.

    Args:
        task: lmms-eval's object.
        name: the task's name.
        asked: by number of the document.
        rejected: why a document can't be asked, by its number.
        sampling: how responses are sampled.
        until: a response ends before the first of these.
    """

    task: Any
    name: str
    asked: Mapping[int, Question]
    rejected: Mapping[int, RowError]
    sampling: SamplingConfig
    until: tuple[str, ...]

    def cut(self, text: str) -> str:
        """The response up to the first stop text."""
        return cut_at(text, self.until)

    def requests(self, seed: int) -> tuple[GenerationRequest, ...]:
        """What is asked, with a seed for each question."""
        return tuple(question.seeded(seed) for question in self.asked.values())


def read_questions(task: Any, *, max_new_tokens: int | None, limit: int | None) -> TaskQuestions:
    """Build a task's requests.

    Args:
        task: lmms-eval's object, its data loaded.
        max_new_tokens: instead of the task's own budget.
        limit: at most this many documents, the first ones.

    Raises:
        ConfigError: the task needs something that our engines don't offer.
    """
    with quiet():
        task.build_all_requests(limit=limit, rank=0, world_size=1)
    name = str(task.config.task)
    sampling, until = read_sampling(
        name, task.config.generation_kwargs or {}, max_new_tokens=max_new_tokens, ignored=_IGNORED
    )
    asked: dict[int, Question] = {}
    rejected: dict[int, RowError] = {}
    pictures = _pictures_of(task)
    for instance in task.instances:
        text, doc_id = instance.args[0], int(instance.doc_id)
        try:
            asked[doc_id] = _question(task, name, doc_id, text, pictures)
        except RowError as error:
            rejected[doc_id] = error
        except DOC_ERRORS as error:
            rejected[doc_id] = RowError("task-function", f"{type(error).__name__}: {error}")
    return TaskQuestions(task, name, asked, rejected, sampling, tuple(s for s in until if s != _FEWSHOT_DELIMITER))


def _question(task: Any, name: str, doc_id: int, text: str, pictures: Any) -> Question:
    sample_id = f"{name}/{doc_id}"
    images = []
    for number, picture in enumerate(pictures(doc_id)):
        if not isinstance(picture, Image.Image):
            raise RowError("image-invalid", f"{sample_id} shows a {type(picture).__name__}, which is no picture")
        image = ImageRef(partial(_picture, pictures, doc_id, number), f"{sample_id} image {number}")
        _ = image.digest  # now, while the pictures are at hand
        images.append(image)
    request = GenerationRequest(sample_id, Conversation.of(text.replace(_PLACEHOLDER, ""), images), ())
    return Question(request, str(task.doc_to_target(documents(task)[doc_id])))


def _pictures_of(task: Any) -> Any:
    """A document's pictures by its number; the last document's are kept, so that one of several costs no decoding."""
    rows = task.eval_docs

    @lru_cache(maxsize=1)
    def pictures(doc_id: int) -> tuple[Any, ...]:
        return tuple(task.doc_to_visual(rows[doc_id]) or ())

    return pictures


def _picture(pictures: Any, doc_id: int, number: int) -> Image.Image:
    picture: Image.Image = pictures(doc_id)[number]
    return picture


def part_of(questions: TaskQuestions, benchmark: Benchmark) -> Callable[[int], str | None]:
    """A document's kind by its number, from the suite's `by`. Raises `ConfigError` where there is no such column."""
    by = benchmark.by
    if by is None:
        return lambda doc_id: None
    rows = documents(questions.task)
    if by not in rows.column_names:
        guess = did_you_mean(by, rows.column_names)
        raise ConfigError(
            f"benchmark `{benchmark.name}`: `by` needs column `{by}`, which task `{questions.name}` lacks{guess}",
            hint=f"it has {', '.join(rows.column_names)}",
        )
    return lambda doc_id: column_text(rows[doc_id][by], rows.features[by])


def revision_of(task: Any) -> str:
    """The hub's commit that the task's data came from, or the mirror's folder."""
    return next(_commits(task), str(Path(str(task.DATASET_PATH))))


def _commits(task: Any) -> Iterator[str]:
    for split in task.dataset.values():
        for source in split.info.download_checksums or ():
            repository, found, rest = str(source).removeprefix("hf://datasets/").partition("@")
            if found and str(source).startswith("hf://"):
                yield f"{repository}@{rest.split('/', 1)[0]}"
