"""Bytes that a step's questions send to a vLLM server.

Questions about photographs of 1,024 x 768 px (JPEG), some responses to each. `size` is how Qwen2.5-VL and Qwen3-VL read
them: at 1,036 x 756 px, so that they are resized and sent without loss, and at 1,024 x 768 px, as they came. The server
counts what it is sent and answers every request alike. The first line of each pair is what a PNG of every picture with
every response would be: a body for each response, counted, not sent.
"""

import argparse
import base64
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.vllm.backend import Ask, sampling_params
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.server import VllmServer
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_model
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.quickstart.shapes import write_shape
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire

WIDTH, HEIGHT = 1024, 768
QUALITY = 85
MODELS = {"Qwen2.5-VL": 14, "Qwen3-VL": 16}
"""Pixels on a side of a patch; 2 x 2 patches are a token, and sides are rounded to whole tokens."""
_ANSWER = {
    "prompt_token_ids": [0],
    "choices": [
        {"token_ids": [0], "logprobs": {"content": [{"logprob": 0.0}]}, "finish_reason": "stop", "weight_versions": []}
    ],
}


def photographs(num: int) -> list[ImageRef]:
    """Files of scikit-learn's two photographs, each cut and turned in another way."""
    refs = []
    for index in range(num):
        pixels = load_sample_image(("china.jpg", "flower.jpg")[index % 2])
        pixels = np.roll(pixels, (7 * index, 13 * index), axis=(0, 1))
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=QUALITY)
        refs.append(ImageRef(buffer.getvalue(), f"photograph {index}"))
    return refs


def make_reader(directory: Path, patch_px: int) -> Reader:
    """Reads as a model with such patches does, at full size."""
    write_shape("pocket-student", directory)
    file = directory / "preprocessor_config.json"
    pixels = {"patch_size": patch_px, "size": {"shortest_edge": 56 * 56, "longest_edge": 12_845_056}}
    file.write_text(json.dumps(json.loads(file.read_text()) | pixels))
    model = json.loads((directory / "config.json").read_text())
    for config in (model, model.get("text_config", {})):
        if "max_position_embeddings" in config:
            config["max_position_embeddings"] = 4096
    (directory / "config.json").write_text(json.dumps(model))
    source = find_model(str(directory), revision=None, base_dir=Path())
    encoder = Encoder(load_processor(source), source)
    encoder.tokenizer.model_max_length = 4096
    return Reader(encoder, KeptPrompts(encoder), (1,), (2, 3), None)


def answer(call: Call) -> Wire:
    """What the server says, whatever it is asked."""
    models = {"data": [{"id": "model", "max_model_len": 4096}]}
    return Wire(json.dumps(models if call.path == "/v1/models" else _ANSWER).encode())


def png_bytes(ask: Ask) -> int:
    """Of the body of a request for one response that brings its pictures as PNG."""
    total = len(json.dumps({"token_ids": ask.token_ids}))
    for picture in ask.pictures:
        buffer = io.BytesIO()
        picture.pixels.save(buffer, "PNG", compress_level=1)
        total += len(base64.b64encode(buffer.getvalue()))
    return total


@dataclass(frozen=True)
class Sent:
    """Bytes of a step's questions, and how large their pictures are sent.

    Args:
        png: of a body for each response that brings its pictures as PNG.
        now: as it is.
        size_px: width and height of the first picture.
    """

    png: int
    now: int
    size_px: tuple[int, int]


def step_questions(num_questions: int = 144, num_responses: int = 4) -> list[GenerationRequest]:
    """Questions about photographs of their own."""
    seeds = tuple(range(num_responses))
    refs = photographs(num_questions)
    return [GenerationRequest(str(i), Conversation.of("What is it?", (ref,)), seeds) for i, ref in enumerate(refs)]


def send(requests: Sequence[GenerationRequest], patch_px: int) -> Sent:
    """Ask a server all of them, and count what it is sent."""
    with tempfile.TemporaryDirectory() as directory, ScriptedEndpoint(answer) as endpoint:
        reader = make_reader(Path(directory) / "model", patch_px)
        asks = [ask for request in requests for ask in reader.asks(request, 10**6)[1]]
        num_responses = len(requests[0].seeds)
        before = sum(png_bytes(ask) for ask in asks[::num_responses]) * num_responses
        table = VllmServerEngineConfig(url=f"http://127.0.0.1:{endpoint.port}")
        server = VllmServer(table, ServerHttp(table, print), None)
        params = sampling_params(SamplingConfig(), reader.stop_ids, reader.banned_ids)
        came = server.stream(asks, params, table.rows_per_batch)
        answers = [answer for some in came for answer in some.values()]
        server.close()
        assert len(answers) == len(asks) and None not in answers
        after = sum(int(call.headers.get("Content-Length", 0)) for call in endpoint.calls)
    return Sent(before, after, asks[0].pictures[0].pixels.size)


def main() -> None:
    """Print a line for each way and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=144)
    parser.add_argument("--responses", type=int, default=4)
    arguments = parser.parse_args()
    requests = step_questions(arguments.questions, arguments.responses)
    origins = [image.origin for request in requests for image in request.conversation.images]
    mean_kB = sum(len(origin) for origin in origins if isinstance(origin, bytes)) / len(origins) / 1e3
    print(f"{len(requests)} questions x {arguments.responses} responses, JPEG of {mean_kB:.0f} kB in the mean")
    for model, patch_px in MODELS.items():
        sent = send(requests, patch_px)
        size = " x ".join(f"{side:,}" for side in sent.size_px)
        print(
            f"{model:<11} {size} px: {sent.png / 1e6:6.0f} MB as PNG with every response, {sent.now / 1e6:6.1f} MB now"
        )


if __name__ == "__main__":
    main()
