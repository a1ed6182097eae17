from rilctl.cli.plans import plan_lines
from rilctl.planning.plan import Fact, Plan, Section, Table, key_of, plan_object

MEMORY = Table("memory", "bytes", {"a b": {"weights": 2_000, "cache": 0}, "c": {"weights": 0, "cache": 0}}, "of it")
FACTS = (
    Fact("student", "qwen3b", note="bfloat16"),
    Fact("rollout tokens", 1_250, "tokens"),
    Fact("fits", False),
    Fact("cost", 12.3456, "cost", "at most"),
    Fact("wall time", None, "s", "nothing was measured"),
)


def test_a_key_ends_in_its_unit_once() -> None:
    assert key_of("rollout tokens", "tokens") == "rollout_tokens"
    assert key_of("longest prompt", "tokens") == "longest_prompt_tokens"
    assert key_of("wall time", "s") == "wall_time_s"
    assert key_of("pretrain-disc") == "pretrain_disc"


def test_numbers_stay_numbers_for_a_program() -> None:
    assert plan_object(Plan("train", (Section("work", FACTS), MEMORY))) == {
        "verb": "train",
        "plan": {
            "work": {
                "student": "qwen3b",
                "rollout_tokens": 1_250,
                "fits": False,
                "cost": 12.3456,
                "wall_time_s": None,
            },
            "memory": {
                "a_b": {"weights_bytes": 2_000, "cache_bytes": 0},
                "c": {"weights_bytes": 0, "cache_bytes": 0},
            },
        },
    }


def test_a_person_reads_columns_and_units() -> None:
    assert plan_lines(Plan("train", (Section("work", FACTS), MEMORY))) == [
        "train",
        "  work",
        "    student         qwen3b   bfloat16",
        "    rollout tokens  1,250",
        "    fits            no",
        "    cost            12.35    at most",
        "    wall time       unknown  nothing was measured",
        "  memory of it",
        "         weights",
        "    a b     2 kB",
        "    c          -",
    ]
