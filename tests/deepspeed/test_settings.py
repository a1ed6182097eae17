"""Every stage, offload and precision starts with the settings that it would have on a GPU."""

import json
from pathlib import Path

from rilctl.testing.ranks import run_ranks

WORKER = Path(__file__).with_name("settings_worker.py")


def test_every_combination_trains_with_the_settings_of_a_gpu(tmp_path: Path) -> None:
    (done,) = run_ranks(WORKER, str(tmp_path))
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "settings.json").read_text())
    assert len(found) == 15
    assert {name: outcome for name, outcome in found.items() if outcome != "trains"} == {}
