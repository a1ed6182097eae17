from hypothesis import given
from hypothesis import strategies as st

from rilctl.reporting.redaction import KEPT_BACK, redacted, redacted_text

ENVIRONMENT = {"JUDGE_API_KEY": "verysecret-0815", "HOME": "/home/somebody", "SHORT_TOKEN": "abc"}


def test_keys_addresses_and_paths_stay_here() -> None:
    recipe = {
        "judge": {"endpoint": {"url": "http://10.0.0.7:8000/v1", "key_env": "MY_KEY", "key_file": "/run/secrets/k"}},
        "data": {"path": "/data/private/people/train.jsonl", "image_root": "images", "num_rows": 12},
        "student": {"model": "owner/name"},
        "prompts": ["use sk-abcdefgh12345678 or verysecret-0815", "see /home/somebody/notes.txt, or C:\\Users\\me\\x"],
        "train": {"num_tokens": 7, "lr": 1e-4, "patience": None},
        "plain": {"key_env": None},
    }
    assert redacted(recipe, ENVIRONMENT) == {  # type: ignore[arg-type]
        "judge": {"endpoint": {"url": f"http://{KEPT_BACK}", "key_env": KEPT_BACK, "key_file": KEPT_BACK}},
        "data": {"path": "…/train.jsonl", "image_root": "images", "num_rows": 12},
        "student": {"model": "owner/name"},
        "prompts": [f"use {KEPT_BACK} or {KEPT_BACK}", "see …/notes.txt, or …/x"],
        "train": {"num_tokens": 7, "lr": 1e-4, "patience": None},
        "plain": {"key_env": None},
    }


@given(st.text(), st.text())
def test_no_secret_of_the_environment_is_left_wherever_it_stands(before: str, after: str) -> None:
    secret = ENVIRONMENT["JUDGE_API_KEY"]
    assert secret not in redacted_text(f"{before}{secret}{after}", ENVIRONMENT)
