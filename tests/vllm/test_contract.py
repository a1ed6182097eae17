"""vLLM in process and behind a server pass what every generation engine passes."""

import pytest

from rilctl.testing.generation_contract import CHECKS, EngineUnderTest


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["local", "served"])
def test_rollout_engines(name, check, request):
    engine = request.getfixturevalue(name)
    engine.update(0)
    check(EngineUnderTest(engine))


def test_more_prompts_than_fit_into_one_step_of_a_cpu(local):
    """There vLLM takes 4,096 tokens a step, and a seeded prompt that it cut in two would end the engine."""
    local.update(0)
    under_test = EngineUnderTest(local)
    requests = [under_test.request(2 * number + 1, (0, 1)) for number in range(128)]
    encoded = [local.started()[1].prompts.get(request.conversation) for request in requests]
    assert 2 * sum(len(prompt.token_ids_P) for prompt in encoded) > 4096
    answers = under_test.ask(*requests)
    assert [len(answer) for answer in answers] == [2] * 128
