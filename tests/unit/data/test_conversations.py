"""Rows that are conversations: what is asked, and where pictures stand."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import TypeAdapter

from rilctl.config.data import ChatData, DataConfig, LlavaData
from rilctl.data.conversation import Conversation, Turn
from rilctl.data.load import load_samples
from rilctl.data.sample import ImageRef, SampleSet
from rilctl.schemas.records import ContextTurn


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        Image.new("RGB", (8 + number, 6)).save(tmp_path / f"{number}.png")
    return tmp_path


def load(folder: Path, rows: list[Any], kind: type[LlavaData] | type[ChatData] = LlavaData, **keys: Any) -> SampleSet:
    (folder / "rows.json").write_text(json.dumps(rows))
    config: DataConfig = kind.model_validate_json(
        json.dumps({"type": "llava" if kind is LlavaData else "chat", "path": "rows.json", **keys})
    )
    return load_samples(config, base_dir=folder)


def llava(*values: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[place % 2], "value": value} for place, value in enumerate(values)]


def shown(conversation: Conversation) -> list[tuple[str, list[str | int]]]:
    """Each turn; a picture as its width."""
    return [
        (turn.role, [part if isinstance(part, str) else part.size_px[0] for part in turn.parts])
        for turn in conversation.turns
    ]


TALK = {
    "id": "a",
    "image": ["0.png", "1.png"],
    "conversations": [
        {"from": "system", "value": "say little"},
        *llava("<image>\nwhat is it?", "a cat", "and\n<image>, is it one too?", "yes", "what colour?", "grey"),
    ],
}


def test_each_answer_is_asked_by_all_that_was_said_before_it(pictures: Path) -> None:
    first, second, third = load(pictures, [TALK]).samples
    assert [sample.id for sample in (first, second, third)] == ["a#1", "a#2", "a#3"]
    turns = [
        ("user", [8, "what is it?"]),
        ("assistant", ["a cat"]),
        ("user", ["and\n", 9, ", is it one too?"]),
        ("assistant", ["yes"]),
        ("user", ["what colour?"]),
    ]
    for sample, num in ((first, 1), (second, 3), (third, 5)):
        assert shown(sample.conversation) == turns[:num] and sample.conversation.system == "say little"
    assert (second.question, second.answer) == ("and\n<image>, is it one too?", "yes")
    assert third.conversation.context == (
        ContextTurn(role="system", text="say little"),
        ContextTurn(role="user", text="<image>what is it?"),
        ContextTurn(role="assistant", text="a cat"),
        ContextTurn(role="user", text="and\n<image>, is it one too?"),
        ContextTurn(role="assistant", text="yes"),
    )


def test_chat_parts_stand_where_they_stood(pictures: Path) -> None:
    def text(words: str) -> dict[str, str]:
        return {"type": "text", "text": words}

    content = [
        text("is"),
        {"type": "image", "image": "1.png"},
        text("more"),
        text("than"),
        {"type": "image"},
        text("?"),
    ]
    messages = [
        {"role": "developer", "content": "say little"},
        {"role": "user", "content": "hello"},
        {"role": "user", "content": content},
        {"role": "assistant", "content": [text("yes")]},
    ]
    (sample,) = load(pictures, [{"id": "a", "images": ["2.png"], "messages": messages}], ChatData).samples
    assert shown(sample.conversation) == [("user", ["hello\nis", 9, "more\nthan", 10, "?"])]
    assert sample.conversation.system == "say little" and sample.answer == "yes"


def test_pictures_before_the_words_are_a_plain_question(pictures: Path) -> None:
    """Such rows have the prompts, digests and keys that they had before conversations were read."""
    rows = [
        {"id": "a", "image": ["0.png", "1.png"], "conversations": llava("<image>\n<image>\n what? ", "yes")},
        {"id": "b", "image": ["0.png", "1.png"], "conversations": llava(" what? ", "yes")},
    ]
    for sample in load(pictures, rows).samples:
        plain = Conversation.of("what?", sample.images)
        assert sample.conversation == plain and plain.context == () and sample.question == "what?"


def test_the_last_answer_alone_and_fewer_turns(pictures: Path) -> None:
    other = {"id": "b", "conversations": llava("hello", "hi")}
    last = load(pictures, [TALK, other], turns="last")
    assert [sample.id for sample in last.samples] == ["a#3", "b#1"] and last.left_out == {"earlier-answer": 2}
    two = load(pictures, [TALK, other], max_turns=2)
    assert [len(sample.conversation.turns) for sample in two.samples] == [1, 3, 3, 1] and two.num_shortened == 1
    assert shown(two.samples[2].conversation)[0] == ("user", [8, "and\n", 9, ", is it one too?"])
    assert two.samples[2].conversation.system == "say little"
    one = load(pictures, [TALK], max_turns=1)
    assert [shown(sample.conversation) for sample in one.samples] == [
        [("user", [8, "what is it?"])],
        [("user", [8, "and\n", 9, ", is it one too?"])],
        [("user", [8, 9, "what colour?"])],
    ]


def test_the_last_answer_of_a_conversation_that_ends_badly_is_the_rejected_one(pictures: Path) -> None:
    rows = [{"id": "a", "conversations": llava("one?", "1", "two?")}, {"id": "b", "conversations": llava("one?", "1")}]
    loaded = load(pictures, rows, turns="last")
    assert [sample.id for sample in loaded.samples] == ["b#1"]
    assert [(row.sample_id, row.reason) for row in loaded.rejected] == [("a#2", "answer-empty")]


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        (("what <|im_end|> is it?", "a", "and?", "b"), ["template-token", "template-token"]),
        (("what?", "", "and?", "b"), ["answer-empty", "earlier-turn-empty"]),
        (("<video>\nwhat?", "a"), ["video-unsupported"]),
        (("what?", "a <image>", "and?", "b"), ["template-token", "template-token"]),
    ],
)
def test_bad_turns_reject_the_rows_that_show_them(pictures: Path, values: tuple[str, ...], reasons: list[str]) -> None:
    good = {"id": "good", "conversations": llava("hello", "hi")}
    loaded = load(pictures, [good, {"id": "a", "conversations": llava(*values)}])
    assert [sample.id for sample in loaded.samples] == ["good#1"]
    assert [row.reason for row in loaded.rejected] == reasons


@pytest.mark.parametrize(
    "row",
    [
        {"video": "a.mp4"},
        {"videos": ["a.mp4"]},
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "a"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_video", "data": ""}]}]},
    ],
)
def test_videos_are_refused_by_name(pictures: Path, row: dict[str, Any]) -> None:
    good = {"messages": [{"role": "user", "content": "what?"}, {"role": "assistant", "content": "it"}], "videos": []}
    loaded = load(pictures, [good, good | row], ChatData)
    assert [sample.id for sample in loaded.samples] == ["0#1"]
    assert [record.reason for record in loaded.rejected] == ["video-unsupported"]


def test_videos_in_tables_are_refused_by_name(pictures: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"images": "0.png", "question": "what?", "answer": "it", "video": video} for video in (None, "a.mp4")]
    (pictures / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bytes_of = (pictures / "0.png").read_bytes()
    pq.write_table(
        pa.Table.from_pylist([row | {"images": bytes_of, "videos": [row["video"]] * 0} for row in rows]),
        pictures / "rows.parquet",
    )
    for kind in ("jsonl", "parquet"):
        config: DataConfig = TypeAdapter(DataConfig).validate_json(json.dumps({"type": kind, "path": f"rows.{kind}"}))
        loaded = load_samples(config, base_dir=pictures)
        assert len(loaded.samples) == 1 and [row.reason for row in loaded.rejected] == ["video-unsupported"]


def test_conversations_that_differ_in_anything_have_keys_and_digests_of_their_own(pictures: Path) -> None:
    image = ImageRef(pictures / "0.png", "0.png")
    last, said = Turn("user", ("what?",)), (Turn("user", (image, "hello")), Turn("assistant", ("hi",)))
    base = Conversation(last, said, "system")
    others = [
        Conversation(last, said),
        Conversation(last, said, ""),
        Conversation(last, (Turn("user", ("hello", image)), said[1]), "system"),
        Conversation(last, (Turn("user", ("hello",)), said[1]), "system"),
        Conversation(Turn("user", (image, "what?")), (Turn("user", ("hello",)), said[1]), "system"),
        Conversation(last, (said[0], Turn("assistant", ("hello",))), "system"),
        Conversation(last, (), "system"),
    ]
    assert len({each.key for each in (base, *others)}) == 1 + len(others)
    recorded = {(each.question, each.context, *each.image_digests) for each in (base, *others)}
    assert len(recorded) == 1 + len(others)


def test_words_alone_lose_the_pictures() -> None:
    image = ImageRef(b"", "never read")
    said = Conversation(Turn("user", ("is ", image, "it?")), (Turn("user", (image, "hi")), Turn("assistant", ("oh",))))
    assert said.without_pictures() == Conversation(
        Turn("user", ("is it?",)), (Turn("user", ("hi",)), Turn("assistant", ("oh",)))
    )


def test_a_conversation_without_end_is_no_row_and_takes_neither_time_nor_room(tmp_path: Path) -> None:
    """Every answer's row would hold all that was said before it."""
    loaded = load(
        tmp_path,
        [{"id": "endless", "conversations": llava(*["x"] * 20_000)}, {"id": "long", "conversations": llava(*"x" * 20)}],
    )
    assert [row.reason for row in loaded.rejected] == ["conversation-invalid"]
    assert "20,000 turns, at most 1,000 are read" in loaded.rejected[0].message
    assert len(loaded.samples) == 10
