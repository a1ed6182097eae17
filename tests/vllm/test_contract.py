"""vLLM in process and behind a server pass what every generation engine passes."""

import pytest

from rilctl.testing.generation_contract import CHECKS, EngineUnderTest


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["local", "served"])
def test_rollout_engines(name, check, request):
    engine = request.getfixturevalue(name)
    engine.update(0)
    check(EngineUnderTest(engine))
