"""No change of a file goes unnoticed: a short campaign; `nox -s crash` runs a long one."""

from pathlib import Path

import pytest

from .changed_files import change_files, table
from .test_verbs import rilctl

NUM_MUTATIONS = 280


@pytest.mark.timeout(1200)  # half a minute of work, on a machine that may have much else to do
def test_every_change_is_found_before_it_is_used(own: Path) -> None:
    tallies = change_files(own, NUM_MUTATIONS)
    print(table(tallies))
    assert [line for tally in tallies for line in tally.silent] == []
    counted = {who: sum(t.counts[who, "found"] for t in tallies) for who in ("verify", "reader", "first look")}
    assert counted["verify"] > NUM_MUTATIONS // 2 and counted["reader"] > NUM_MUTATIONS // 3, counted
    assert counted["first look"] > 0
    for verb in ("cache-teacher", "sft", "train"):  # all was put back, and the campaign can fail
        assert rilctl(own, verb)["status"] == "up-to-date"
