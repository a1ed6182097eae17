"""What is used of lmms-eval's private API is found, and missed where it isn't there."""

import pytest

from rilctl.errors import EngineError
from rilctl.private.uses import find_gaps, require, uses_of
from rilctl.testing.taken_away import taken_away


class Other:
    """A class of another version."""


TAKEN = {
    "tasks/**/*.yaml": ("pathlib:Path.rglob", lambda *_: ()),
    "mmmu_mcq_utils.random and mmbench_evals.rd": ("lmms_eval.tasks.mmbench.mmbench_evals:rd", Other),
    "evaluator.tqdm and eval_logger": ("lmms_eval.api.task:tqdm", None),
    "MMBench_Evaluator.get_chat_response": (
        "lmms_eval.tasks.mmbench.mmbench_evals:MMBench_Evaluator.get_chat_response",
        lambda self: "",
    ),
    "ConfigurableTask._aggregation_list": ("lmms_eval.api.task:ConfigurableTask", Other),
}


def test_the_installed_version_has_all():
    assert find_gaps("lmms_eval") == []
    assert set(TAKEN) == {use.what for use in uses_of("lmms_eval")}


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_gone_is_named(what):
    with taken_away(*TAKEN[what]):
        assert [gap.use.what for gap in find_gaps("lmms_eval")] == [what]
        with pytest.raises(EngineError, match="lmms-eval .*lacks"):
            require("lmms_eval")
