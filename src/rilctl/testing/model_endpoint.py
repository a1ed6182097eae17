"""A small model behind HTTP as a teacher; it may lose the pictures that it is sent, as servers do without a word."""

import base64
import io
import threading
from pathlib import Path

from PIL import Image

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation
from rilctl.errors import RowError
from rilctl.testing.endpoint import Call, Wire, completion, failure


class ModelBehindHttp:
    """The script of a `ScriptedEndpoint` whose answers a model gives.

    Args:
        model: a directory or a built-in name.
        drops_pictures: whether the words alone reach the model.
    """

    def __init__(self, model: str, *, drops_pictures: bool = False) -> None:
        self.drops_pictures = drops_pictures
        self._engine = open_generation(ModelConfig(model=model), HfEngineConfig(), Path(), warn=lambda _: None)
        self._one_at_a_time = threading.Lock()

    def __call__(self, call: Call) -> Wire:
        """Answer one chat completion."""
        urls = [] if self.drops_pictures else call.image_urls
        images = [ImageRef(base64.b64decode(url.partition(",")[2]), "a picture that was sent") for url in urls]
        sampling = SamplingConfig(max_new_tokens=call.body["max_tokens"], temperature=float(call.body["temperature"]))
        request = GenerationRequest(str(call.number), Conversation.of(call.text, images), (int(call.body["seed"]),))
        with self._one_at_a_time:
            (answer,) = self._engine.generate([request], sampling)
        return failure(400, answer.message) if isinstance(answer, RowError) else completion(answer[0].text)


def picture_of(url: str) -> Image.Image:
    """The picture that a data URL holds."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
