"""Some of the malicious models and artifacts; `nox -s malice` tries all of them."""

from pathlib import Path

import pytest

from .attack import Attack
from .attacks import all_attacks
from .campaign import table, try_all

SAMPLE = (
    "device student model.safetensors zero",
    "device teacher-cache rows-00000-of-00001.parquet pipe",
    "json teacher-cache manifest.json deep lists",
    "code model config.json needed",
    "weights student index to the folder above",
    "weights model beside it pytorch_model.bin",
    "lies student header infinite offset",
    "terminal input's name 0",
    "bomb parquet 4.6 MB a thousand times",
    "template loops chat_template.jinja",
    "staging .tmp-staging link",
    "staging metrics.jsonl link",
    "task function of the folder above",
    "task deep lists",
    "adapter beside adapter_model.bin",
)


@pytest.mark.timeout(600)  # seconds of work, on a machine that may have much else to do
def test_nothing_runs_hangs_grows_or_passes(tmp_path: Path) -> None:
    attacks = [attack for attack in all_attacks() if attack.name in SAMPLE]
    assert len(attacks) == len(SAMPLE)
    harmless = Attack("nothing is wrong", "none", "report", lambda world: None)
    *verdicts, good = try_all([*attacks, harmless], tmp_path)
    print(table(verdicts))
    assert [verdict for verdict in verdicts if verdict.faults] == []
    assert good.faults == {"silent"}  # the campaign can fail
