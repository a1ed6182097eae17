"""What is used of lmms-eval's private API is found, and missed where it isn't there."""

import pytest

from rilctl.testing.taken_away import Other, check_all_there, check_missed

TAKEN = {
    "tasks/**/*.yaml": ("pathlib:Path.rglob", lambda *_: ()),
    "mmmu_mcq_utils.random and mmbench_evals.rd": ("lmms_eval.tasks.mmbench.mmbench_evals:rd", Other),
    "utils.env": ("lmms_eval.utils:apply_template", lambda template, doc: template),
    "evaluator.tqdm and eval_logger": ("lmms_eval.api.task:tqdm", None),
    "MMBench_Evaluator.get_chat_response": (
        "lmms_eval.tasks.mmbench.mmbench_evals:MMBench_Evaluator.get_chat_response",
        lambda self: "",
    ),
    "ConfigurableTask._aggregation_list": ("lmms_eval.api.task:ConfigurableTask", Other),
}


def test_the_installed_version_has_all():
    check_all_there("lmms_eval", TAKEN)


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_gone_is_named(what):
    check_missed("lmms_eval", what, *TAKEN[what])
