"""A vLLM server without vLLM: the routes that rilctl uses, answered by Hugging Face generation.

It samples what it is asked from weights that it loads from disk, names them in every answer, and reads them back: so
that what a trainer does with a server is tested where vLLM isn't installed. `nox -s vllm` runs the same against vLLM.
"""

import base64
import copy
import io
import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps

from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.loaded.weights import checksum, file_checksums, policy_weights
from rilctl.models.prompts.encode import encode_text
from rilctl.models.sampling.sample import sample
from rilctl.testing.endpoint import Call, Wire, failure

MAX_LENGTH_TOKENS = 256


class VllmDouble:
    """The script of a `ScriptedEndpoint`.

    Args:
        model: what it is started with.
        trouble: asked first at every call; a `Wire` is sent instead of the answer.
        transfer: backend of the weight transfer that it says it was started with.
        max_length_tokens: of prompt and response together, as it says.
    """

    def __init__(
        self,
        model: Path,
        trouble: Callable[[Call], Wire | None] = lambda _: None,
        transfer: str | None = None,
        max_length_tokens: int = MAX_LENGTH_TOKENS,
    ) -> None:
        self._model, self.trouble, self.transfer = model, trouble, transfer
        self._max_length_tokens = max_length_tokens
        self._lock = threading.Lock()  # a model remembers the last pictures
        self.restart()

    def restart(self) -> None:
        """As after a kill: the weights that it was started with, under the name that vLLM gives them."""
        self.vlm, self._version = _load(self._model), "default"
        self.boot_id = uuid.uuid4().hex
        self._received: dict[str, str] = {}
        self._pixels: list[float] = []
        self._pictures: dict[str, Image.Image] = {}

    def __call__(self, call: Call) -> Wire:
        """Generated one call."""
        wire = self.trouble(call)
        if wire is not None:
            return wire
        with self._lock:
            try:
                content = json.dumps(self._routes(call)).encode()
            except LookupError as error:
                return failure(400, str(error))
        return Wire(content, headers={"Content-Type": "application/json"})

    def _routes(self, call: Call) -> Any:
        match call.path:
            case "/v1/models":
                return {"data": [{"id": "model", "root": str(self._model), "max_model_len": self._max_length_tokens}]}
            case "/weight_info":
                return {"weight_version": self._version}
            case "/reset_mm_cache":
                self.forget_pictures()
            case "/update_weight_version":
                self._version = call.body["new_version"]
            case "/collective_rpc":
                return {"results": [self.worker(call.body["method"], call.body.get("kwargs", {}))]}
            case "/inference/v1/generate":
                return self._generate(call.body)
        return {}

    def forget_pictures(self) -> None:
        """As a server whose cache of pictures is full."""
        self._pictures.clear()

    def worker(self, method: str, arguments: dict[str, str]) -> dict[str, Any]:
        """What a worker of vLLM replies to a call of all of them."""
        match method:
            case "rilctl_boot":
                return {"boot_id": self.boot_id, "dtype": "float32", "quantization": None, "transfer": self.transfer}
            case "reload_weights":
                self.vlm = _load(Path(arguments["weights_path"]))
                self._received = {name: checksum(tensor) for name, tensor in policy_weights(self.vlm, torch.float32)}
            case "rilctl_restore":
                self.vlm, self._received = _load(self._model), file_checksums(self._model, torch.device("cpu"))
            case "rilctl_received":
                return dict(self._received)
            case "rilctl_resident":
                return {name: [checksum(tensor)] for name, tensor in policy_weights(self.vlm, torch.float32)}
            case "rilctl_pixels":
                return {"pixels": self._pixels}
        return {}

    def _generate(self, body: dict[str, Any]) -> dict[str, Any]:
        images = [self._picture(part) for part in body["content_parts"] or ()]
        prompt = encode_text(self.vlm, self.vlm.tokenizer.decode(body["token_ids"]), images)
        if images:
            self._pixels = prompt.features["pixel_values"].flatten().tolist()
        params = body["sampling_params"]
        sampling = SamplingConfig(max_new_tokens=params["max_tokens"], temperature=params["temperature"])
        asked = copy.copy(self.vlm)
        asked.banned_ids = tuple(map(int, params.get("logit_bias", ())))
        asked.stop_ids = tuple(params.get("stop_token_ids", ()))
        ((sampled,),) = sample(asked, [prompt], [(params["seed"],)], sampling)
        choice = {
            "finish_reason": "stop" if sampled.stopped else "length",
            "token_ids": list(sampled.token_ids),
            "logprobs": {"content": [{"logprob": logprob} for logprob in sampled.logprobs]},
            "weight_versions": [{"version": self._version, "start": 0, "end": len(sampled.token_ids)}],
        }
        return {"choices": [choice], "prompt_token_ids": prompt.token_ids_P.tolist()}

    def _picture(self, part: dict[str, Any]) -> Image.Image:
        """As vLLM does: a name goes before bytes, and a name without bytes must be known."""
        if part["uuid"] not in self._pictures:
            if part["url"] is None:
                raise LookupError("Cache miss for image at index 0 but data is not provided.")
            image = Image.open(io.BytesIO(base64.b64decode(part["url"].partition(",")[2])))
            self._pictures[part["uuid"]] = ImageOps.exif_transpose(image).convert("RGB")
        return self._pictures[part["uuid"]]


def _load(model: Path) -> Vlm:
    return load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"))
