from rilctl.planning.steps import Prompts, cut_step
from rilctl.planning.timing import seconds_of_tokens, seconds_per_step


def test_whole_groups_under_a_budget_and_one_at_least() -> None:
    sizes = {"groups": 10, "rows": 4, "row_tokens": 25, "prompt_tokens": 100}
    sizes |= {"image_tokens": 64, "patches_per_token": 4}
    cut = cut_step(**sizes, budget_tokens=700)
    assert (cut.largest.prompts, cut.largest.rows, cut.num) == (3, 12, 4)
    assert cut.largest.patches == 3 * 64 * 4
    assert cut.largest.tokens == 3 * 200
    assert cut_step(**sizes, budget_tokens=1).num == 10
    assert cut_step(**sizes, budget_tokens=10**6).largest.prompts == 10


def test_a_prompt_that_all_share_goes_through_once() -> None:
    cut = cut_step(
        groups=6,
        rows=8,
        row_tokens=10,
        prompt_tokens=20,
        image_tokens=0,
        patches_per_token=4,
        budget_tokens=300,
        shared_by_all=True,
    )
    assert (cut.largest.prompts, cut.largest.rows, cut.num) == (1, 24, 2)


def test_lengths_of_prompts() -> None:
    prompts = Prompts([10, 30], [4, 16])
    assert (prompts.mean_tokens, prompts.longest, prompts.most_image_tokens) == (20, 30, 16)


def test_seconds_come_from_rates_that_are_stated_and_from_nothing_else() -> None:
    assert seconds_of_tokens(1_000, 500, 100, 50) == 20
    assert seconds_of_tokens(1_000, 0, 100, None) == 10
    assert seconds_of_tokens(1_000, 500, 100, None) is None
    steps = [{"step": 1, "rollouts_s": 2.0, "policy_update_s": 3.0}, {"step": 2, "rollouts_s": 1.0}]
    assert seconds_per_step([{"step": 0, "validation_s": 9.0}, *steps]) == 3.0
    assert seconds_per_step([]) is None
