"""What both readers of a benchmark's tasks make of a question: its request, its identity, the record of its answer."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import GenerationRequest


@dataclass(frozen=True)
class Question:
    """One document of a task.

    Args:
        request: as it is asked, but for its seed.
        answer: the ground truth.
    """

    request: GenerationRequest
    answer: str

    def seeded(self, seed: int) -> GenerationRequest:
        """As it is asked; its own seed depends on the benchmark's and on its id."""
        return replace(self.request, seeds=(row_seed(f"{seed}/{self.request.sample_id}"),))


def questions_digest(questions: Iterable[Question]) -> str:
    """Over ids, texts, ground truths and pixels, so that neither paths nor the files' encoding count."""
    digest = hashlib.sha256()
    for question in questions:
        request = question.request
        images = (image.digest for image in request.images)
        parts = (request.sample_id, request.question, question.answer, *images)
        digest.update(hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).digest())
    return digest.hexdigest()


def label(benchmark: str, task: str, shared_tasks: Collection[str]) -> str:
    """What settings and records call a task: its name, after its benchmark's where others ask it as well."""
    return f"{benchmark}/{task}" if task in shared_tasks else task


def column_text(value: object, feature: object = None) -> str:
    """A column's value as a suite's file writes it: `2` for 2 and 2.0, `true`, a class by its name.

    Args:
        value: of one row.
        feature: the column's, as `datasets` describes it; None where it isn't known.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    to_name = getattr(feature, "int2str", None)  # of a `ClassLabel`, which `datasets` takes a second to import
    if to_name is not None and isinstance(value, int):
        return str(to_name(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def cut_at(text: str, until: Sequence[str]) -> str:
    """A response up to the first stop text."""
    for stop in until:
        text = text.split(stop, 1)[0]
    return text
