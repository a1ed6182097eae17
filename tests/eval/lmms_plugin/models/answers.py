import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmms_eval.api.model import lmms

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation


class Answers(lmms):
    """Answers from a file, by `task/number of the document`, or what a model directory says in our Hugging Face engine.

    The model is called as lmms-eval's own wrappers do it, with nothing of our side of its interface.
    """

    def __init__(self, file: str = "", model: str = "", **_: Any) -> None:
        super().__init__()
        self._texts: dict[str, str] = json.loads(Path(file).read_text()) if file else {}
        engine = HfEngineConfig(rows_per_batch=4, device="cpu")
        self._engine = open_generation(ModelConfig(model=model), engine, Path.cwd()) if model else None

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        if self._engine is None:
            return [self._texts[f"{request.args[4]}/{request.args[3]}"] for request in requests]
        return [self._answer(*request.args) for request in requests]

    def _answer(self, context: str, kwargs: dict[str, Any], to_visual: Any, doc_id: int, task: str, split: str) -> str:
        pictures = to_visual(self.task_dict[task][split][doc_id])
        images = tuple(ImageRef(picture.copy, "picture") for picture in pictures)
        request = GenerationRequest(task, Conversation.of(context.replace("<image>", ""), images), (0,))
        sampling = SamplingConfig(max_new_tokens=kwargs["max_new_tokens"], temperature=0.0)
        assert self._engine is not None
        answer = self._engine.generate([request], sampling)[0]
        assert isinstance(answer, tuple)
        text = answer[0].text
        for stop in kwargs.get("until") or ():
            if stop != "\n\n":
                text = text.split(stop, 1)[0]
        return text

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        raise AssertionError("not asked")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        raise AssertionError("not asked")
