"""The tree of inputs, also when parts of it are gone, changed or moved."""

import json
import shutil

import pytest

from rilctl.artifacts.lineage import lineage
from rilctl.artifacts.read import input_entry
from rilctl.schemas.manifest import InputEntry


@pytest.fixture
def chain(start, tmp_path, make_rows, data_input):
    """runs/pocket/{cache-teacher,judge}: verdicts <- teacher-cache <- data and a model."""
    folder = tmp_path / "runs" / "pocket"
    model = InputEntry(role="teacher:qwen", kind="model", name="Qwen/Qwen2.5-VL-72B-Instruct", digest="abc")
    with start(folder / "cache-teacher", inputs=[data_input, model]) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(3))
        writer.commit()
    with start(folder / "judge", verb="judge", inputs=[input_entry("teacher-cache", folder / "cache-teacher")]) as run:
        run.writer("verdicts").commit()
    return folder


def test_the_whole_tree(chain):
    root = lineage(chain / "judge")
    assert (root.role, root.state, root.found) == ("verdicts", "ok", str(chain / "judge"))
    (cache,) = root.children
    assert (cache.role, cache.state, cache.found) == ("teacher-cache", "ok", str(chain / "cache-teacher"))
    assert [(n.role, n.kind, n.state, n.found) for n in cache.children] == [
        ("data", "data", "unchecked", None),
        ("teacher:qwen", "model", "unchecked", None),
    ]


def test_an_input_that_is_gone(chain):
    shutil.rmtree(chain / "cache-teacher")
    (cache,) = lineage(chain / "judge").children
    assert (cache.state, cache.found, cache.children) == ("missing", None, [])


def test_an_input_that_changed(chain, edit_manifest):
    edit_manifest(chain / "cache-teacher", content_digest="0" * 64)
    (cache,) = lineage(chain / "judge").children
    assert (cache.state, cache.found) == ("changed", str(chain / "cache-teacher"))
    assert len(cache.children) == 2


@pytest.mark.parametrize("old", ["{", '"d'])
def test_a_damaged_input_has_changed(chain, old):
    file = chain / "cache-teacher" / "manifest.json"
    file.write_text(file.read_text().replace(old, "[", 1))
    (cache,) = lineage(chain / "judge").children
    assert (cache.state, cache.found, cache.children) == ("changed", str(chain / "cache-teacher"), [])


def test_a_workspace_that_was_moved(chain, tmp_path):
    moved = tmp_path / "archive"
    shutil.move(chain.parent, moved)
    (cache,) = lineage(moved / "pocket" / "judge").children
    assert (cache.state, cache.found) == ("ok", str(moved / "pocket" / "cache-teacher"))


def test_a_manifest_that_names_itself_ends(chain, edit_manifest):
    judge = chain / "judge"
    digest = json.loads((judge / "manifest.json").read_text())["content_digest"]
    edit_manifest(judge, inputs=[{"role": "self", "kind": "artifact", "name": str(judge), "digest": digest}])
    (child,) = lineage(judge).children
    assert (child.state, child.children) == ("ok", [])
