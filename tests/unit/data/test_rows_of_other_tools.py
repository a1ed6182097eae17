"""Rows as the documentation of other tools describes them; docs/data.md has the table for each."""

import base64
from pathlib import Path

import pytest

from rilctl.data.load import load_samples
from rilctl.data.sample import Sample

from .helpers import png, table, write_lines

HERE = Path(".")
ANSWER = {"role": "assistant", "content": "a cat"}
BARE = base64.b64encode(png("green", (32, 24))).decode()


def asked(content: object, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content}, ANSWER], **more}


ROWS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "TRL, messages": (
        {"type": "chat"},
        {
            "images": ["0.png"],
            "messages": [
                {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "what?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "a cat"}]},
            ],
        },
    ),
    "TRL, prompt and completion": (
        {"type": "chat"},
        {
            "images": ["0.png"],
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": "a cat"}]}],
        },
    ),
    "TRL, prompt and completion as texts": (
        {"type": "jsonl", "columns": {"question": "prompt", "answer": "completion"}},
        {"images": ["0.png"], "prompt": "what?", "completion": "a cat"},
    ),
    "LLaMA-Factory, sharegpt": (
        {"type": "llava"},
        {
            "conversations": [{"from": "human", "value": "<image>what?"}, {"from": "gpt", "value": "a cat"}],
            "system": "",
            "tools": "",
            "images": ["0.png"],
        },
    ),
    "LLaMA-Factory, sharegpt with OpenAI's tags": ({"type": "chat"}, asked("<image>what?", images=["0.png"])),
    "LLaMA-Factory, alpaca": (
        {"type": "jsonl", "columns": {"question": "", "answer": "output"}, "template": "{{instruction}}\n{{input}}"},
        {"instruction": "<image>what?", "input": "", "output": "a cat", "images": ["0.png"]},
    ),
    "ms-swift, messages": ({"type": "chat"}, asked("<image>what?", images=["0.png"])),
    "ms-swift, pictures in structures": (
        {"type": "chat"},
        asked("<image>what?", images=[{"bytes": None, "path": "0.png"}]),
    ),
    "ms-swift, OpenAI's parts": (
        {"type": "chat"},
        asked([{"type": "image_url", "image_url": {"url": "0.png"}}, {"type": "text", "text": "what?"}]),
    ),
    "ms-swift, query and response": (
        {"type": "jsonl", "columns": {"question": "query", "answer": "response"}},
        {"query": "<image>what?", "response": "a cat", "images": ["0.png"]},
    ),
    "OpenAI's responses": (
        {"type": "chat"},
        asked(
            [
                {"type": "input_image", "image_url": f"data:image/png;base64,{BARE}"},
                {"type": "input_text", "text": "what?"},
            ]
        ),
    ),
    "Anthropic's messages": (
        {"type": "chat"},
        asked(
            [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BARE}},
                {"type": "text", "text": "what?"},
            ]
        ),
    ),
}


def only(pictures: Path, config: dict[str, object], row: dict[str, object]) -> Sample:
    path = write_lines(pictures / "rows.jsonl", [row])
    loaded = load_samples(table(**config, path=str(path)), base_dir=HERE)
    assert not loaded.rejected
    (sample,) = loaded.samples
    return sample


@pytest.mark.parametrize(("config", "row"), ROWS.values(), ids=ROWS)
def test_a_row_is_read_as_it_is_meant(pictures: Path, config: dict[str, object], row: dict[str, object]) -> None:
    sample = only(pictures, config, row)
    assert (sample.question, sample.answer, sample.conversation.system) == ("what?", "a cat", None)
    (image,) = sample.images
    assert image.load().size in ((8, 6), (32, 24))


@pytest.mark.parametrize("kind", ["llava", "chat"])
def test_a_system_prompt_beside_the_turns(pictures: Path, kind: str) -> None:
    row = ROWS["LLaMA-Factory, sharegpt" if kind == "llava" else "ms-swift, messages"][1]
    sample = only(pictures, {"type": kind}, {**row, "system": "be brief"})
    assert sample.conversation.system == "be brief"


def test_a_developer_speaks_as_the_system(pictures: Path) -> None:
    row = asked("<image>what?", images=["0.png"])
    messages = [{"role": "developer", "content": "be brief"}, *row["messages"]]  # type: ignore[misc]
    assert only(pictures, {"type": "chat"}, {**row, "messages": messages}).conversation.system == "be brief"


def part(text: str | None) -> dict[str, object]:
    return {"type": "image" if text is None else "text", "text": text}


HUB_ROWS: dict[str, tuple[dict[str, str], dict[str, object]]] = {
    "messages": (
        {"messages": "messages"},
        {
            "messages": [
                {"role": "user", "content": [part(None), part("what?")]},
                {"role": "assistant", "content": [part("a cat")]},
                {"role": "user", "content": [part("sure?")]},
                {"role": "assistant", "content": [part("yes")]},
            ]
        },
    ),
    "prompt and completion": (
        {"messages": "prompt", "answer": "completion"},
        {
            "prompt": [{"role": "user", "content": [part(None), part("what?")]}],
            "completion": [{"role": "assistant", "content": [part("a cat")]}],
        },
    ),
    "a prompt and its ground truth": (
        {"messages": "prompt"},
        {"prompt": [{"role": "user", "content": [part(None), part("what?")]}], "answer": "a cat"},
    ),
}


@pytest.mark.parametrize("kind", ["hub", "parquet"])
@pytest.mark.parametrize(("columns", "row"), HUB_ROWS.values(), ids=HUB_ROWS)
def test_chat_messages_in_a_column_of_a_hub_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, columns: dict[str, str], row: dict[str, object]
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()
    rows = [{**row, "id": "a", "images": [{"bytes": png("green"), "path": None}]}]
    features = datasets.Dataset.from_list(rows).features
    features["images"] = datasets.List(datasets.Image())
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
    loaded = load_samples(table(type=kind, path=str(tmp_path / "set"), columns=columns), base_dir=HERE)
    assert not loaded.rejected
    first, *others = loaded.samples
    assert (first.id, first.question, first.answer) == ("a#1", "what?", "a cat")
    assert first.images[0].load().getpixel((0, 0)) == (0, 128, 0)
    assert [(sample.id, sample.question, sample.answer, len(sample.images)) for sample in others] == (
        [("a#2", "sure?", "yes", 1)] if columns == {"messages": "messages"} else []
    )


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("jsonl", {}, 'type = "chat"'),
        ("hub", {"template": "{{a}}"}, "no choices, response or template"),
    ],
)
def test_a_column_of_messages_stands_alone(kind: str, more: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(type=kind, path="p", columns={"messages": "m"}, **more)


TURNS = [{"from": "human", "value": "what?"}, {"from": "gpt", "value": 5}]
REFUSED: dict[str, tuple[str, dict[str, object], str, str]] = {
    "a tool's turn": (
        "chat",
        {"messages": [{"role": "user", "content": "what?"}, {"role": "tool", "content": "x"}]},
        "conversation-invalid",
        "`tool`",
    ),
    "a text that is null": ("chat", asked([{"type": "text", "text": None}]), "field-type", "null"),
    "content that is null": ("chat", asked(None), "field-type", "null"),
    "a provider's file": ("chat", asked([{"type": "input_image", "file_id": "f"}]), "image-remote", "download"),
    "sound": ("chat", asked([{"type": "input_audio", "input_audio": {}}]), "conversation-invalid", "`input_audio`"),
    "boxes": (
        "chat",
        asked("<image>what?", images=["0.png"], objects={"bbox": [[1, 2]]}),
        "conversation-invalid",
        "`objects`",
    ),
    "a value that is a list": (
        "llava",
        {"conversations": [*TURNS[:1], {"from": "gpt", "value": []}]},
        "field-type",
        "list",
    ),
    "a value that is null": (
        "llava",
        {"conversations": [*TURNS[:1], {"from": "gpt", "value": None}]},
        "field-type",
        "null",
    ),
}


@pytest.mark.parametrize(("kind", "row", "reason", "word"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_shown_is_refused_by_name_and_under_its_id(
    pictures: Path, kind: str, row: dict[str, object], reason: str, word: str
) -> None:
    good = {"id": "good", **(asked("what?") if kind == "chat" else {"conversations": TURNS})}
    path = write_lines(pictures / "rows.jsonl", [{"id": "bad", **row}, good])
    loaded = load_samples(table(type=kind, path=str(path)), base_dir=HERE)
    assert [(sample.id, sample.answer) for sample in loaded.samples] == [("good#1", "a cat" if kind == "chat" else "5")]
    (record,) = loaded.rejected
    assert (record.sample_id, record.reason) == ("bad", reason) and word in record.message


@pytest.mark.parametrize("empty", [None, ""])
def test_conversations_without_ids_keep_their_answers_together(pictures: Path, empty: object) -> None:
    turns = [{"from": "human", "value": "<image>what?"}, {"from": "gpt", "value": "a cat"}] * 2
    rows = [{"id": empty, "image": [f"{n}.png", f"{n}.png"], "conversations": turns} for n in range(20)]
    config = table(type="llava", path=str(write_lines(pictures / "l.jsonl", rows)), validation={"share": 0.4})
    train, held_out = (load_samples(config, base_dir=HERE, split=split) for split in ("train", "validation"))
    assert not train.rejected and not held_out.rejected
    sides = [{sample.id.partition("#")[0] for sample in side.samples} for side in (train, held_out)]
    assert not sides[0] & sides[1] and sides[0] | sides[1] == {str(n) for n in range(20)}
    assert len(train.samples) + len(held_out.samples) == 40


def test_a_conversation_without_an_id_never_takes_anothers(pictures: Path) -> None:
    rows = [{"conversations": [{"from": "human", "value": f"{n}?"}, {"from": "gpt", "value": "a"}]} for n in range(3)]
    rows[2]["id"] = "0"  # type: ignore[assignment]
    loaded = load_samples(table(type="llava", path=str(write_lines(pictures / "l.jsonl", rows))), base_dir=HERE)
    assert {sample.id: sample.question for sample in loaded.samples} == {"1#1": "1?", "0#1": "2?"}
    (record,) = loaded.rejected
    assert record.reason == "id-duplicate" and "its number 0#1 is the id of l.jsonl:3#1" in record.message
