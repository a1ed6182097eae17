"""What a trainer does with a vLLM server, against a double of one; tests/vllm has the same against vLLM itself."""

import base64
import io
import itertools
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rilctl.config.engines import VllmEngineConfig, VllmServerEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation, open_rollouts
from rilctl.engines.generation.vllm.backend import SERVER_OPTIONS
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.local import LocalVllm
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.ports import hold_port
from rilctl.errors import EngineError, InterruptedByUser, RowError, UsageError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure
from rilctl.testing.generation_contract import CHECKS, EngineUnderTest
from rilctl.testing.vllm_double import VllmDouble

from .conftest import SAMPLING, double, is_sampling, nudge, requests, table, tokens


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, exported: Path, server: ScriptedEndpoint):
    asked = ModelConfig(model=str(exported))
    with closing(open_generation(asked, table(server), Path(), warn=lambda message: None)) as engine:
        check(EngineUnderTest(engine))


def test_each_update_is_named_proven_and_sampled_from(rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint):
    seen = []
    for step in range(3):
        nudge(policy, step)
        measured = rollouts.update(step)
        assert measured["sync/logprob_error"] < 1e-5
        assert measured["sync/num_read_back"] == measured["sync/num_tensors"] > 50
        seen.append(tokens(rollouts.generate(requests(), SAMPLING)))
    assert len({str(each) for each in seen}) == 3
    emptied = [call.path for call in server.calls if call.path.startswith("/reset")]
    assert emptied == ["/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache"] * 3


def test_whoever_is_answered_makes_room_while_the_slowest_is_waited_for(
    rollouts: VllmRollouts, server: ScriptedEndpoint
):
    """The first of twelve responses, in four places, is answered when the last has been asked for."""
    last_is_asked, num_asked = threading.Event(), itertools.count(1)

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and is_sampling(call):
            number = next(num_asked)
            if number == 12:
                last_is_asked.set()
            assert number > 1 or last_is_asked.wait(60)
        return None

    rollouts.update(0)
    double(server).trouble = trouble
    answers = rollouts.generate(requests(6), SAMPLING)
    assert [len(answer) for answer in answers if not isinstance(answer, RowError)] == [2] * 6
    assert last_is_asked.is_set() and server.most_at_once <= 4


def test_the_folder_of_weights_goes_with_the_engine(policy: Vlm, server: ScriptedEndpoint, tmp_path: Path):
    engine = open_rollouts(policy, KeptPrompts(policy), table(server), Path())
    engine.update(0)
    (path,) = (c.body["kwargs"]["weights_path"] for c in server.calls if c.body.get("method") == "reload_weights")
    assert Path(path).is_dir()
    engine.close()
    assert not Path(path).exists()
    kept = open_rollouts(policy, KeptPrompts(policy), table(server, transfer_dir="shared"), tmp_path)
    kept.update(0)
    kept.close()
    assert (tmp_path / "shared/model-00000.safetensors").is_file()


def at(path: str, method: str | None = None):
    return lambda call: call.path == path and (method is None or call.body.get("method") == method)


@pytest.mark.parametrize(
    ("matches", "instead", "expected"),
    [
        (
            at("/weight_info"),
            b'{"weight_version": "step-0-other"}',
            "vLLM has the weights `step-0-other`, not `step-0-",
        ),
        (at("/collective_rpc", "rilctl_received"), b'{"results": [{"a": "0"}]}', "vLLM's loader took other weights: a"),
        (
            at("/collective_rpc", "rilctl_pixels"),
            b'{"results": [{"pixels": [0.5]}]}',
            "makes 1 pixel values of a picture",
        ),
    ],
    ids=["name", "loader", "pixels"],
)
def test_what_is_not_ours_ends_the_run(matches, instead, expected, rollouts: VllmRollouts, server: ScriptedEndpoint):
    double(server).trouble = lambda call: Wire(instead) if matches(call) else None
    with pytest.raises(EngineError, match=expected):
        rollouts.update(0)


def test_a_server_that_does_not_load_what_it_is_told_ends_the_run(
    rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint
):
    rollouts.update(0)
    nudge(policy, 1)
    double(server).trouble = lambda c: (
        Wire(b'{"results": [null]}') if c.body.get("method") == "reload_weights" else None
    )
    with pytest.raises(EngineError, match="took other weights"):
        rollouts.update(1)


class KeepsOldWeights(VllmDouble):
    """It takes weights, and can go on with those from before; nothing can be read back, as where kernels repack all."""

    keeps = False

    def worker(self, method: str, arguments: dict[str, str]) -> dict[str, Any]:
        before = self.vlm
        reply = super().worker(method, arguments)
        if method == "reload_weights" and self.keeps:
            self.vlm = before
        return reply if method != "rilctl_resident" else {}


def test_old_weights_behind_right_names_and_checksums_show_in_log_probabilities(exported: Path, policy: Vlm):
    stale = KeepsOldWeights(exported)
    with (
        ScriptedEndpoint(stale) as running,
        closing(open_rollouts(policy, KeptPrompts(policy), table(running), Path())) as rollouts,
    ):
        assert rollouts.update(0)["sync/num_read_back"] == 0
        stale.keeps = True
        nudge(policy, 1)
        with pytest.raises(EngineError, match="log-probabilities differ from the policy's by"):
            rollouts.update(1)


def test_a_restarted_server_is_given_the_weights_again_and_asked_for_what_is_missing(
    rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint
):
    nudge(policy, 3)
    rollouts.update(5)
    expected = tokens(rollouts.generate(requests(4), SAMPLING))
    asked_before = num_asked(server)
    killed = []

    def kill_once(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and num_asked(server) >= asked_before + 3 and not killed:
            killed.append(call)
            double(server).restart()
            return failure(503, "going down")
        return None

    double(server).trouble = kill_once
    assert tokens(rollouts.generate(requests(4), SAMPLING)) == expected
    assert killed
    num_again = num_asked(server) - asked_before - 8
    assert 1 <= num_again <= 8  # what came before the kill is kept; what the old weights said after it is not


def num_asked(server: ScriptedEndpoint) -> int:
    """Responses that were asked for."""
    return sum(call.path == "/inference/v1/generate" and is_sampling(call) for call in server.calls)


def pictures_sent(server: ScriptedEndpoint) -> list[str]:
    """Pictures that travelled, in the order in which they did."""
    asked = [call.body for call in server.calls if call.path == "/inference/v1/generate"]
    return [part["url"] for body in asked for part in body["content_parts"] or () if part["url"] is not None]


def picture(form: str, size: tuple[int, int]) -> ImageRef:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, form)
    return ImageRef(buffer.getvalue(), f"{form} {size}")


def test_a_picture_travels_once_for_all_responses(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    before = len(pictures_sent(server))
    shown = [picture("JPEG", (56, 56)), picture("JPEG", (100, 100))]
    asked = [
        GenerationRequest(str(i), Conversation.of("what is it?", (image,)), (1, 2, 3, 4))
        for i, image in enumerate(shown)
    ]
    answers = rollouts.generate(asked, SAMPLING)
    first, second = sorted(pictures_sent(server)[before:])
    assert first == f"data:image/jpeg;base64,{base64.b64encode(shown[0].origin).decode()}"  # type: ignore[arg-type]
    assert second.startswith("data:image/webp;base64,")  # it is resized, and what is resized is sent without loss
    alone = [replace(request, seeds=(seed,)) for request in asked for seed in request.seeds]
    each = tokens(rollouts.generate(alone, SAMPLING))
    assert [row for answer in tokens(answers) for row in answer] == [row for (row,) in each]


def test_pictures_that_the_server_forgot_are_sent_again(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    expected = tokens(rollouts.generate(requests(num_seeds=4), SAMPLING))
    before = len(pictures_sent(server))

    def forget(call: Call) -> None:
        if call.path == "/inference/v1/generate" and is_sampling(call):
            double(server).forget_pictures()

    double(server).trouble = forget
    assert tokens(rollouts.generate(requests(num_seeds=4), SAMPLING)) == expected
    assert 1 < len(pictures_sent(server)) - before <= 1 + 4


def test_pictures_that_did_not_arrive_go_with_each_response(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    expected = tokens(rollouts.generate(requests(), SAMPLING))
    double(server).trouble = lambda call: (
        failure(500) if call.path == "/inference/v1/generate" and not is_sampling(call) else None
    )
    assert tokens(rollouts.generate(requests(), SAMPLING)) == expected


@pytest.mark.parametrize(
    "wire",
    [
        failure(500),
        failure(503),
        Wire(b"<html>a proxy's page</html>", headers={"Content-Type": "text/html"}),
        Wire(b'{"choices": [{', missing_bytes=100),
    ],
    ids=["500", "503", "html", "half"],
)
def test_a_reply_that_is_none_is_asked_for_again(wire: Wire, rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    expected = tokens(rollouts.generate(requests(), SAMPLING))
    failed: list[Call] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and len(failed) < 2:
            failed.append(call)
            return wire
        return None

    double(server).trouble = trouble
    assert tokens(rollouts.generate(requests(), SAMPLING)) == expected


def test_a_slow_reply_is_given_up_and_asked_for_again(policy: Vlm, server: ScriptedEndpoint):
    slow: list[Call] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and call.body["sampling_params"]["max_tokens"] == 6 and not slow:
            slow.append(call)
            return Wire(b"{}", delay_s=60)
        return None

    with closing(open_rollouts(policy, KeptPrompts(policy), table(server, timeout_s=8), Path())) as engine:
        engine.update(0)
        expected = tokens(engine.generate(requests(1), SAMPLING))
        double(server).trouble = trouble
        assert tokens(engine.generate(requests(1), SAMPLING)) == expected
    assert len(slow) == 1


def test_a_busy_server_is_given_the_time_that_it_asks_for(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    expected = tokens(rollouts.generate(requests(1), SAMPLING))
    updates = sum(call.path == "/update_weight_version" for call in server.calls)
    busy: list[float] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and len(busy) < 2:
            busy.append(time.monotonic())
            return failure(429, Retry_After="1")
        return None

    double(server).trouble = trouble
    assert tokens(rollouts.generate(requests(1), SAMPLING)) == expected
    assert len(busy) == 2 and time.monotonic() - busy[0] >= 1
    assert sum(call.path == "/update_weight_version" for call in server.calls) == updates  # it was never away


def test_a_server_that_refuses_says_so(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    double(server).trouble = lambda c: failure(403, "scale-out is off") if "generate" in c.path else None
    with pytest.raises(EngineError, match="refuses /inference/v1/generate with HTTP 403: .*scale-out is off") as error:
        rollouts.generate(requests(), SAMPLING)
    assert "docs/vllm.md" in (error.value.hint or "")


def test_a_question_that_the_server_cannot_take_is_rejected_alone(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    expected = tokens(rollouts.generate(requests(), SAMPLING))

    def trouble(call: Call) -> Wire | None:
        is_second = call.path == "/inference/v1/generate" and call.body["content_parts"]
        return failure(400, "the picture is odd") if is_second else None

    double(server).trouble = trouble
    first, error, last = rollouts.generate(requests(), SAMPLING)
    assert tokens([first, last]) == [expected[0], expected[2]]
    assert isinstance(error, RowError) and error.reason == "request-refused" and "the picture is odd" in error.message


def test_the_documentation_starts_a_server_with_what_it_needs():
    page = (Path(__file__).parents[3] / "docs/vllm.md").read_text()
    command = page[page.index("VLLM_SERVER_DEV_MODE=1 vllm serve") :].partition("```")[0]
    assert [option for option in SERVER_OPTIONS if option not in command.split()] == []


def test_a_reply_of_another_version_of_vllm_says_so(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    double(server).trouble = lambda c: Wire(b'{"choices": []}') if "generate" in c.path else None
    with pytest.raises(EngineError, match="the vLLM server's reply can't be read"):
        rollouts.generate(requests(), SAMPLING)


def test_a_server_that_always_fails_ends_the_run(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    sent = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and call.body["sampling_params"]["max_tokens"] == 6:
            sent.append(call)
            return failure(500)
        return None

    double(server).trouble = trouble
    with pytest.raises(EngineError, match="vLLM goes away again and again: 4 responses are missing"):
        rollouts.generate(requests(), SAMPLING)
    assert len(sent) == 8 * (4 + 2)  # two rows name their picture first; the second batch is not begun


def test_a_server_that_never_takes_the_weights_ends_the_run(rollouts: VllmRollouts, server: ScriptedEndpoint):
    double(server).trouble = lambda c: (
        failure(500, "no space left") if c.body.get("method") == "reload_weights" else None
    )
    with pytest.raises(EngineError, match="fails 4 times while it takes the weights: .*no space left"):
        rollouts.update(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_is_asked_without_a_proxy(host: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{hold_port()}")
    with ScriptedEndpoint(lambda call: "fine") as endpoint:
        config = VllmServerEngineConfig(url=f"http://{host}:{endpoint.port}")
        with closing(ServerHttp(config, print)) as server:
            assert server.illness() is None


def test_a_server_that_is_not_there_ends_the_run(policy: Vlm):
    said: list[str] = []
    nowhere = VllmServerEngineConfig(url=f"http://127.0.0.1:{hold_port()}", start_timeout_s=0.3)
    with (
        closing(open_rollouts(policy, KeptPrompts(policy), nowhere, Path(), warn=said.append)) as engine,
        pytest.raises(EngineError, match=r"no vLLM server is healthy at http://127\.0\.0\.1:\d+ within 0\.3 s"),
    ):
        engine.update(0)
    assert said == [f"waiting for the vLLM server at {nowhere.url} (connection refused), up to 0.3 s; Ctrl-C stops"]


@pytest.mark.parametrize("status", [401, 404])
def test_another_server_at_the_address_is_not_waited_for(status: int, policy: Vlm):
    with ScriptedEndpoint(lambda call: failure(status)) as other:
        engine = open_rollouts(policy, KeptPrompts(policy), table(other), Path(), warn=print)
        with closing(engine), pytest.raises(EngineError, match=f"is no vLLM server: /health answers HTTP {status}"):
            engine.update(0)


def test_a_signal_ends_the_wait_for_a_server(policy: Vlm):
    def check_stop() -> None:
        raise InterruptedByUser(2, "rilctl …")

    nowhere = VllmServerEngineConfig(url=f"http://127.0.0.1:{hold_port()}")
    engine = open_rollouts(policy, KeptPrompts(policy), nowhere, Path(), warn=print, check_stop=check_stop)
    with closing(engine), pytest.raises(InterruptedByUser):
        engine.update(0)


def test_vllm_that_is_not_installed_is_a_usage_error(model: Path, policy: Vlm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="vLLM is not installed"):
        open_generation(ModelConfig(model=str(model)), VllmEngineConfig(), Path())
    with pytest.raises(UsageError, match="vLLM is not installed"):
        open_rollouts(policy, KeptPrompts(policy), VllmEngineConfig(), Path())


def test_several_gpus_in_training_are_a_servers(policy: Vlm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(UsageError, match="runs on one GPU"):
        open_rollouts(policy, KeptPrompts(policy), VllmEngineConfig(num_gpus=2), Path())


def test_vllm_does_not_start_in_one_of_several_processes_that_train(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    with pytest.raises(UsageError, match="one of several processes that train") as error:
        LocalVllm(model, "float32", VllmEngineConfig())
    assert "vllm-server" in (error.value.hint or "")
