import pytest
import yaml

from rilctl.artifacts.lineage import LineageNode
from rilctl.schemas.manifest import Manifest
from rilctl.views.card.card import render_card
from rilctl.views.card.facts import CardFacts, Source, source_of


def manifest(kind: str, **changes: object) -> Manifest:
    plain = {
        "kind": kind,
        "schema_version": 4,
        "status": "complete",
        "content_digest": "c" * 64,
        "provenance_digest": "d" * 64,
        "verb": "train",
        "inputs": [],
        "config": {"train": {"num_steps": 5}, "data": {"path": "/secret/place/rows.jsonl"}},
        "files": [],
        "metrics": {},
        "versions": {"rilctl": "0.1.0"},
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    return Manifest.model_validate(plain | changes)


def test_a_card_says_what_binds_and_what_was_measured() -> None:
    evaluation = manifest(
        "evaluation",
        metrics={"ai2d/score": 61.5, "ai2d/score_low": 58.0, "ai2d/score_high": 65.0, "ai2d/num_questions": 200.0},
    )
    facts = CardFacts(
        manifest("student", num_rejected=3, hardware={"processor": "some CPU", "cores": "2"}),
        (
            Source("student", "model", "owner/base", "owner/base", False, "a" * 64),
            Source("data", "data", "owner/rows", "owner/rows", False, "b" * 64),
            Source("teacher:big", "model", "closed-9", None, True, "e" * 64),
        ),
        (evaluation,),
    )
    card = render_card(facts, "compact")
    _, front, text = card.split("---\n", 2)
    data = yaml.safe_load(front)
    assert (data["base_model"], data["datasets"]) == ("owner/base", ["owner/rows"])
    (result,) = data["model-index"][0]["results"]
    assert result["dataset"]["name"] == "ai2d" and result["metrics"][0]["value"] == 61.5
    assert "**closed-9** (teacher:big)" in text and "check its provider's terms" in text
    assert "| ai2d | 61.5 | 58.0 to 65.0 | 200 |" in text and "3 rows of its data were rejected" in text
    assert "[owner/rows](https://huggingface.co/datasets/owner/rows)" in text
    assert "with rilctl 0.1.0, on: processor some CPU; cores 2." in text
    assert "/secret" not in card and "…/rows.jsonl" in card


@pytest.mark.parametrize(
    ("kind", "name", "digest", "hub_id", "is_closed"),
    [
        ("model", "owner/base", "hub:abc:def", "owner/base", False),
        ("model", "models/base", "f" * 64, None, False),  # a folder of this machine
        ("model", "closed-9 at https://api.example/v1", "f" * 64, None, True),
        ("data", "hub:owner/rows@main:default/train", "f" * 64, "owner/rows", False),
        ("data", "jsonl:/home/me/rows.jsonl", "f" * 64, None, False),
    ],
)
def test_where_a_source_is(kind: str, name: str, digest: str, hub_id: str | None, is_closed: bool) -> None:
    node = LineageNode.model_validate(
        {"role": "x", "kind": kind, "name": name, "digest": digest, "found": None, "state": "unchecked", "children": []}
    )
    source = source_of(node)
    assert (source.hub_id, source.is_closed) == (hub_id, is_closed)
    assert "example" not in source.name and "/home" not in source.name
