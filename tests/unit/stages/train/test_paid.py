"""What ranks were told and hadn't put into the call cache when a run ended."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.calls import CallCache, call_key
from rilctl.artifacts.sealed_lines import sealed_line
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.stages.train.paid import ProvisionalOfRanks, recover

KEYS = [call_key({"call": number}) for number in range(3)]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_it_is_provisional_unless_a_check_failed(tmp_path: Path, is_trusted: bool) -> None:
    for number, key in enumerate(KEYS[:2]):
        (tmp_path / f"paid-{number:05d}.jsonl").write_text(sealed_line(json.dumps({key: f"said {number}"})))
    with CallCache(tmp_path) as cache:
        calls = ProvisionalCalls(cache)
        provisional = ProvisionalOfRanks(tmp_path, calls)
        calls.put_many({KEYS[2]: "said to rank 0"})
        assert provisional.num_pending == 1
        if not is_trusted:
            provisional.drop()
        recover(tmp_path, cache)
        assert not list(tmp_path.glob("paid*"))
        found = {KEYS[0]: "said 0", KEYS[1]: "said 1", KEYS[2]: "said to rank 0"} if is_trusted else {}
        assert ProvisionalCalls(cache).get_many(KEYS) == found and not cache.get_many(KEYS)
        calls.get_many(KEYS)
        provisional.confirm()
        assert cache.get_many(KEYS) == found
        recover(tmp_path, cache)  # and a later kill is another matter
        (tmp_path / "paid-00000.jsonl").write_text(sealed_line(json.dumps({call_key({"call": "later"}): "later"})))
        recover(tmp_path, cache)
        assert cache.get_provisional([call_key({"call": "later"})])
