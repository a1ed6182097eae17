"""Who reads a recipe's rows: its student and its teachers, without their weights, and what each makes of a row."""

from dataclasses import dataclass

from rilctl.config.registry import default_dtype
from rilctl.data.conversation import Conversation
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.encode import chat_messages, prompt_text
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.models import PlannedModel, planned_model, planned_student

STUDENT = "student"


@dataclass(frozen=True)
class Reader:
    """A model that is asked.

    Args:
        name: `student`, or the teacher's in the recipe.
        encoder: its template, tokenizer and image processor; None for an endpoint, which keeps its own.
        system: a teacher's system turn, for rows that have none.
    """

    name: str
    encoder: Encoder | None
    system: str | None = None

    def prompt(self, conversation: Conversation) -> str | list[dict[str, object]]:
        """What it is given: text in its chat template, or an endpoint's messages without the pictures' bytes.

        Raises:
            RowError: it can't be asked that.
        """
        led = conversation.led_by(self.system)
        if self.encoder is None:
            return chat_messages(led, as_parts=bool(led.images))
        return prompt_text(self.encoder, led)


def find_readers(context: StageContext) -> list[Reader]:
    """The student and the teachers of a recipe that are known here; who isn't is said. Nothing is downloaded."""
    readers: list[Reader] = []
    if context.recipe.student is not None:
        readers += _known(context, STUDENT, planned_student(context, None, after="train"))
    for name, teacher in context.recipe.teachers.items():
        if teacher.endpoint is not None:
            readers.append(Reader(name, None, teacher.system))
            continue
        config = teacher.loaded_here
        config = config.model_copy(update={"dtype": config.dtype or default_dtype(config.model)})
        readers += _known(context, name, planned_model(context, config), teacher.system)
    return readers


def _known(context: StageContext, name: str, model: PlannedModel, system: str | None = None) -> list[Reader]:
    if model.encoder is None:
        context.reporter.warn(f"{name}: {model.config.model} is {model.unknown}; its prompts aren't shown")
        return []
    return [Reader(name, model.encoder, system)]
