"""Pictures on their way to vLLM itself: once for all responses, again when vLLM has lost them, seen as we see them."""

import io
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import torch
from PIL import Image

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation, open_rollouts
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.models.loaded.vlm import save_vlm
from rilctl.models.prompts.kept import KeptPrompts

from .conftest import LOCAL, MODEL, Server, load_policy

SAMPLING = SamplingConfig(max_new_tokens=6)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str | None]]:
    """Every picture of every request, as it travels."""
    found: list[dict[str, str | None]] = []
    post = ServerHttp.post

    def noted(self, path, body=None, **options):
        if path == "/inference/v1/generate":
            found.extend(body["content_parts"] or ())
        return post(self, path, body, **options)

    monkeypatch.setattr(ServerHttp, "post", noted)
    return found


def asked(colour: int) -> list[GenerationRequest]:
    """A JPEG that is sent as it is, one that is resized, one that is turned and grey."""
    pictures = []
    for form, size, options in (
        ("JPEG", (56, 56), {}),
        ("JPEG", (100, 100), {}),
        ("PNG", (70, 70), {"exif": turned()}),
    ):
        buffer = io.BytesIO()
        image = Image.radial_gradient("L").resize(size)
        (image if form == "PNG" else Image.merge("RGB", (image, image, Image.new("L", size, colour)))).save(
            buffer, form, **options
        )
        pictures.append(ImageRef(buffer.getvalue(), f"{form} {size}"))
    return [
        GenerationRequest(str(i), Conversation.of("what is it?", (each,)), (1, 2, 3)) for i, each in enumerate(pictures)
    ]


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def tokens(answers: list) -> list:
    return [[row.token_ids for row in answer] for answer in answers]


def test_pictures_travel_once_and_again_when_they_are_lost(served: VllmRollouts, server: Server, sent: list):
    served.update(0)
    sent.clear()
    expected = tokens(served.generate(asked(7), SAMPLING))
    assert sorted(part["url"] is None for part in sent) == [False] * 3 + [True] * 9
    sent.clear()
    backend = served.started()[0]
    generate, num_lost = backend._generate, []

    def loses(ask, params, *, names_only=False):
        if names_only:
            num_lost.append(httpx2.post(f"{server.url}/reset_mm_cache").status_code)
        return generate(ask, params, names_only=names_only)

    backend._generate = loses
    try:
        assert tokens(served.generate(asked(7), SAMPLING)) == expected
    finally:
        del backend._generate
    assert set(num_lost) == {200} and len(num_lost) >= 9  # whose pictures go while it is answered is asked for again
    assert sum(part["url"] is not None for part in sent) > 3


def test_vllm_sees_the_pixels_that_we_see(served: VllmRollouts):
    served.update(0)
    backend, reader = served.started()
    for request in asked(99):
        backend.workers("rilctl_watch")
        served.generate([request], SAMPLING)
        (reply,) = backend.workers("rilctl_pixels")
        ours = reader.prompts.get(request.conversation).features["pixel_values"]
        torch.testing.assert_close(torch.tensor(reply["pixels"]), ours.flatten(), rtol=0, atol=1e-5)


def test_without_its_cache_of_pictures_a_server_answers_the_same(tmp_path: Path, served: VllmRollouts, server: Server):
    bare = Server(server.model, tmp_path / "server.log", "--mm-processor-cache-gb", "0")
    bare.start()
    try:
        bare.wait()
        policy = load_policy()
        engine = open_rollouts(policy, KeptPrompts(policy), bare.engine(), Path(), warn=print)
        engine.update(0)
        served.update(0)
        assert tokens(engine.generate(asked(50), SAMPLING)) == tokens(served.generate(asked(50), SAMPLING))
        engine.close()
    finally:
        bare.kill()


def test_a_bound_is_vllm_s_as_well_and_so_is_a_saved_student_s(tmp_path: Path):
    """Sixteen tokens where the model's own files say four: vLLM would make the picture small again."""
    bounded = ModelConfig(model=MODEL, min_image_tokens=16, max_image_tokens=16)
    save_vlm(load_policy(min_image_tokens=16, max_image_tokens=16), tmp_path)
    picture = Image.radial_gradient("L").resize((300, 220)).convert("RGB")
    request = GenerationRequest("0", Conversation.of("what is it?", (ImageRef(picture.copy, "0"),)), (1,))
    found = []
    for model, table in (
        (bounded, HfEngineConfig(device="cpu")),
        (bounded, LOCAL),
        (ModelConfig(model=str(tmp_path)), LOCAL),
    ):
        with closing(open_generation(model, table, Path())) as engine:
            found.append(engine.generate([request], SamplingConfig(max_new_tokens=24, temperature=0))[0])
    ours, *theirs = ([row.token_ids for row in answer] for answer in found)
    assert theirs == [ours, ours]
