"""vLLM samples from the policy, and from nothing else: definitions, bans, updates, and what a proof refuses."""

import copy
import threading
from pathlib import Path

import pytest
import torch

from rilctl.config.fields import LoraConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.generation.vllm.spread import STRICT_NATS
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.weights import policy_weights
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.generation_contract import EngineUnderTest

from .conftest import Server, load_policy, nudge, trainer_logprobs

SAMPLING = SamplingConfig(max_new_tokens=10, temperature=0.7)
ENGINES = pytest.mark.parametrize("name", ["local", "served"])


@pytest.fixture
def engine(name: str, request: pytest.FixtureRequest) -> VllmRollouts:
    return request.getfixturevalue(name)


@pytest.fixture
def policy(name: str, request: pytest.FixtureRequest) -> Vlm:
    """The engine's."""
    return request.getfixturevalue(f"{name}_policy")


@pytest.fixture(autouse=True)
def weights_as_they_were(local_policy: Vlm, served_policy: Vlm):
    """Tests may change the policy of an engine that others use."""
    policies = (local_policy, served_policy)
    states = [copy.deepcopy(policy.model.state_dict()) for policy in policies]
    yield
    for policy, state in zip(policies, states, strict=True):
        policy.model.load_state_dict(state)


def another(engine: VllmRollouts, policy: Vlm) -> VllmRollouts:
    """A new engine in front of the same vLLM, which has proven nothing yet."""
    return VllmRollouts(policy, engine.started, num_places=8, dtype="float32")


def asked(num: int = 2, num_seeds: int = 4) -> list[GenerationRequest]:
    under_test = EngineUnderTest(None)  # type: ignore[arg-type]
    return [under_test.request(number, range(number, number + num_seeds)) for number in range(num)]


def rows(engine: VllmRollouts, sampling: SamplingConfig = SAMPLING, **counts: int) -> list[tuple[Response, ...]]:
    answers = engine.generate(asked(**counts), sampling)
    assert all(isinstance(answer, tuple) for answer in answers), answers
    return answers  # type: ignore[return-value]


@ENGINES
def test_sampling_logprobs_are_taken_after_temperature_and_bans(engine, policy):
    engine.update(0)
    for request, answer in zip(asked(), rows(engine), strict=True):
        ours = trainer_logprobs(policy, request, answer, SAMPLING.temperature, policy.banned_ids)
        raw = trainer_logprobs(policy, request, answer, 1.0, ())
        for row, expected, before in zip(answer, ours, raw, strict=True):
            assert row.sampling_logprobs == pytest.approx(expected, abs=STRICT_NATS)
            assert row.sampling_logprobs != pytest.approx(before, abs=1e-2)


@ENGINES
def test_what_is_banned_cannot_be_sampled_however_much_the_model_wants_it(engine, policy):
    """An embedding that is the head as well: the picture's placeholder is 200 nats ahead, a bias of -100 would lose."""
    placeholder = policy.model.config.image_token_id
    assert placeholder in policy.banned_ids
    hidden = []
    handle = policy.lm_head.register_forward_pre_hook(lambda _, inputs: hidden.append(inputs[0].detach()))
    with torch.no_grad():
        prompt = KeptPrompts(policy).get(Conversation.of(asked(1)[0].question))
        policy.model(input_ids=prompt.token_ids_P[None])
        handle.remove()
        last = hidden[0][0, -1]
        policy.lm_head.weight[placeholder] = 200 * last / (last @ last)
        logits = policy.model(input_ids=prompt.token_ids_P[None]).logits[0, -1]
    assert logits.argmax() == placeholder and logits[placeholder] - logits.topk(2).values[1] > 100
    engine.update(1)
    for sampling in (SAMPLING, SamplingConfig(max_new_tokens=10, temperature=0.0)):
        sampled = {token for answer in rows(engine, sampling) for row in answer for token in row.token_ids}
        assert not sampled & set(policy.banned_ids)


@ENGINES
def test_a_response_ends_at_our_stop_ids_alone(engine, policy):
    engine.update(0)
    answers = rows(engine, SamplingConfig(max_new_tokens=24), num_seeds=8)
    ended = [row for answer in answers for row in answer if row.finish_reason == "stop"]
    assert ended and all(row.token_ids[-1] in policy.stop_ids for row in ended)
    assert not any(set(row.token_ids[:-1]) & set(policy.stop_ids) for answer in answers for row in answer)


@ENGINES
def test_every_update_is_sampled_from_and_proven(engine, policy):
    texts = set()
    for step in range(1, 4):
        nudge(policy, seed=step, size=0.2)
        measured = engine.update(step)
        assert measured["sync/logprob_error"] <= STRICT_NATS
        assert measured["sync/num_tensors"] == 57 and measured["sync/num_read_back"] > 20
        request, answer = asked(2)[1], rows(engine)[1]  # with a picture: an old encoding would show
        ours = trainer_logprobs(policy, request, answer, SAMPLING.temperature, policy.banned_ids)
        for row, expected in zip(answer, ours, strict=True):
            assert row.sampling_logprobs == pytest.approx(expected, abs=STRICT_NATS)
        texts.add(tuple(row.token_ids for row in answer))
    assert len(texts) == 3


def test_an_adapter_arrives_merged(local, local_policy):
    role = with_adapter(local_policy, LoraConfig(rank=4), adapter="policy", seed=0)
    adapted = another(local, role)
    try:
        adapted.update(1)
        before, generator = rows(adapted), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in role.trained_parameters():
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator) * ("lora_B" in name)
        assert adapted.update(2)["sync/logprob_error"] <= STRICT_NATS
        assert [[row.token_ids for row in answer] for answer in rows(adapted)] != [
            [row.token_ids for row in answer] for answer in before
        ]
    finally:
        from rilctl.models.loaded.lora import is_lora

        for name, module in list(local_policy.model.named_modules()):
            if is_lora(module):
                local_policy.model.set_submodule(name, module.base_layer)
        local_policy.model.requires_grad_(True)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (lambda name: True, "took other weights"),  # nothing is sent
        (lambda name: name == "lm_head.weight", "took other weights"),  # a tied head, left out
    ],
    ids=["all", "head"],
)
def test_weights_that_do_not_arrive_end_the_run(local, local_policy, monkeypatch, kept, expected):
    local.update(0)
    backend = local.started()[0]
    load = backend.load

    def lossy(weights, boot):
        def fewer():
            for name, tensor in weights():
                if not kept(name):
                    yield name, tensor

        load(fewer, boot)

    nudge(local_policy, seed=9)
    monkeypatch.setattr(backend, "load", lossy)
    with pytest.raises(EngineError, match=expected):
        local.update(1)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [("norm", "kept old weights: 0:"), ("q_proj.weight", "log-probabilities differ from the policy's by")],
)
def test_weights_that_arrive_and_are_not_used_end_the_run(local, local_policy, monkeypatch, kept, expected):
    """A loader that is given new tensors and keeps old ones: readable ones, and ones that a kernel repacked."""
    from vllm.model_executor.models.utils import AutoWeightsLoader

    local.update(0)
    old = {name: tensor.clone() for name, tensor in policy_weights(local_policy, torch.float32)}
    load = AutoWeightsLoader.load_weights

    def stubborn(loader, weights, **options):  # parts of the model have loaders of their own, and shorter names
        kept_old = ((name, old.get(name, tensor) if kept in name else tensor) for name, tensor in weights)
        return load(loader, kept_old, **options)

    monkeypatch.setattr(AutoWeightsLoader, "load_weights", stubborn)
    nudge(local_policy, seed=9, size=0.5)
    with pytest.raises(EngineError, match=expected):
        local.update(1)


@ENGINES
def test_another_image_processor_ends_the_run(engine, policy, monkeypatch):
    processor = policy.processor.image_processor
    for key, value, expected in (
        ("image_mean", [0.0, 0.0, 0.0], "pixels differ from ours by"),
        ("size", {"shortest_edge": 112 * 112, "longest_edge": 112 * 112}, "reads a prompt of"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(processor, key, value)
            with pytest.raises(EngineError, match=expected):
                another(engine, policy).update(0)
    another(engine, policy).update(0)


@ENGINES
def test_rows_that_vllm_cannot_hold_are_rejected_alone(engine):
    engine.update(0)
    (good,) = asked(1)
    long = GenerationRequest("long", Conversation.of("what is " + "1 plus " * 200 + "1?"), (1,))
    first, error = engine.generate([good, long], SAMPLING)
    assert isinstance(first, tuple)
    assert isinstance(error, RowError) and error.reason == "prompt-too-long"


def test_too_many_pictures_are_the_rows_error(local):
    local.update(0)
    image = asked(2)[1].images[0]
    (error,) = local.generate([GenerationRequest("many", Conversation.of("what?", (image,) * 5), (1,))], SAMPLING)
    assert isinstance(error, RowError) and error.reason == "too-many-images"


def test_a_server_killed_mid_rollout_loses_nothing(served: VllmRollouts, served_policy: Vlm, server: Server):
    nudge(served_policy, seed=5, size=0.2)
    served.update(7)
    requests = asked(num=24, num_seeds=32)  # this policy's answers are short: the kill must come before the last
    sampling = SamplingConfig(max_new_tokens=64, temperature=1.0)
    expected = served.generate(requests, sampling)
    answers: list[object] = []
    rollout = threading.Thread(target=lambda: answers.append(served.generate(requests, sampling)))
    rollout.start()
    server.wait_for_requests()
    server.kill()
    assert rollout.is_alive()
    server.start()
    rollout.join(480)
    (found,) = answers
    assert [[row.token_ids for row in answer] for answer in found] == [
        [row.token_ids for row in answer] for answer in expected
    ]
    assert served.started()[0].version() == served.state.version  # it came back with the weights it was started with


def test_a_server_that_stays_away_ends_the_run(server: Server):
    policy = load_policy()
    nowhere = server.engine(start_timeout_s=1.0).model_copy(update={"url": "http://127.0.0.1:9"})
    engine = open_rollouts(policy, KeptPrompts(policy), nowhere, Path(), warn=print)
    with pytest.raises(EngineError, match="no vLLM server is healthy at http://127.0.0.1:9 within 1 s"):
        engine.update(0)
