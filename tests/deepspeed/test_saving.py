"""A checkpoint that one rank can't write."""

from pathlib import Path

from rilctl.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("full_disk_worker.py")


def test_a_full_disk_ends_all_ranks_with_its_cause(tmp_path: Path) -> None:
    main, other = run_ranks(WORKER, str(tmp_path), num_ranks=2)
    assert (main.returncode, other.returncode) == (1, 1)
    assert "too large" in other.stderr and "too large" not in main.stderr
    assert len(list((tmp_path / "first").iterdir())) == 2
    assert not list((tmp_path / "second").glob("*00001*"))
