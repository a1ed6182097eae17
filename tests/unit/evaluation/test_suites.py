from pathlib import Path

import pytest

from rilctl.config.suite import Benchmark, DataNeed, find_suite, select, suite_names
from rilctl.engines.evaluation.pocket_task import NUM_QUESTIONS, digits_files
from rilctl.errors import ConfigError, UsageError


def test_the_built_in_suites() -> None:
    assert suite_names() == ("14bench", "digits", "validation")
    paper = find_suite("14bench", Path()).suite
    assert len(paper.benchmarks) == 14
    assert paper.extra == "eval"
    pocket = find_suite("digits", Path()).suite
    assert (pocket.extra, pocket.benchmarks[0].num_questions) == (None, NUM_QUESTIONS)


def test_an_unknown_suite_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean `14bench`"):
        find_suite("14-bench", Path())
    with pytest.raises(UsageError, match="no suite file"):
        find_suite("missing.toml", Path())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", "can't be read"),
        ("name = 'x'", "benchmarks"),
        ("name = 'x'\nbenchmarks = []", "benchmarks"),
        ("name = 'x'\nspeed = 1\nbenchmarks = []", "speed|benchmarks"),
        ("name = 'x'\nwhen = 2020-01-01\nbenchmarks = []", "can't be read"),
    ],
)
def test_a_file_that_is_no_suite_is_a_config_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        find_suite("mine.toml", tmp_path)


def test_the_digits_folder_is_the_same_at_every_call() -> None:
    files = digits_files()
    assert files == digits_files()
    assert set(files) == {"digits.yaml", "utils.py", "test.parquet"}
    assert NUM_QUESTIONS >= 1000


def test_part_of_a_suite_keeps_its_order_and_takes_either_name() -> None:
    paper = find_suite("14bench", Path()).suite
    assert [b.name for b in select(paper, ["realworldqa", "BLINK_counting", "Ai2D"]).benchmarks] == [
        "AI2D",
        "BLINK",
        "RealWorldQA",
    ]
    with pytest.raises(UsageError, match="no benchmark `MMMUU`; did you mean `MMMU`"):
        select(paper, ["MMMUU"])


def test_what_a_benchmark_reads() -> None:
    paper = {benchmark.name: benchmark for benchmark in find_suite("14bench", Path()).suite.benchmarks}
    assert paper["MMBench-CN"].data() == (DataNeed("lmms-lab-encoder/MMBench", "cn", "dev", "main"),)
    assert len(paper["BLINK"].data()) == len(paper["BLINK"].tasks) == 14
    assert [b.name for b in paper.values() if b.asks_the_same_rows] == ["MathVista"]
    with pytest.raises(ValueError, match="one for each"):
        Benchmark(name="b", tasks=("x", "y", "z"), configs=("1", "2"), dataset="d", split="s", metric="m")
