"""A checkpoint that one rank can't write."""

import json
from pathlib import Path

from rilctl.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("full_disk_worker.py")


def test_a_full_disk_ends_the_checkpoint_on_all_ranks_with_its_cause(tmp_path: Path) -> None:
    for rank, done in enumerate(run_ranks(WORKER, str(tmp_path), num_ranks=2)):
        assert done.returncode == 0, f"rank {rank}: {done.stderr[-4000:]}"
    main, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert main["first"].startswith("FailedElsewhereError") and "rank 1" in main["first"]
    assert "too large" in other["first"]
    assert not list((tmp_path / "first").glob("*00001*"))
    names = [path.name for path in sorted((tmp_path / "second").iterdir())]
    assert names == ["training-00000.safetensors", "training-00001.safetensors"]
