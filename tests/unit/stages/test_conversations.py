"""Conversations through every verb: who is asked, judged, told apart and trained sees what was said before."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_rows
from rilctl.config.recipe import Verb
from rilctl.models.prompts import encode
from rilctl.schemas.records import ContextTurn, ResponseRecord, RolloutRecord, VerdictRecord, response_digest
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

DATA = """\
[data]
type = "chat"
path = "talks.jsonl"
validation = { share = 0.25 }

[student]
model = "student"
system = "you are the student"
"""
SETS = ("sft.whole_conversations=true", "train.num_steps=2", "sft.num_steps=2")
VERBS: tuple[Verb, ...] = ("cache-teacher", "judge", "sft", "pretrain-disc", "train")


def write_talks(workspace: Path, num: int) -> None:
    """Two questions for each conversation, the picture between the words of the first."""
    lines = []
    for index in range(num):
        asked = [{"type": "text", "text": "look at"}, {"type": "image", "image": f"{index}.png"}]
        messages = [
            {"role": "user", "content": [*asked, {"type": "text", "text": f"what is {index} plus 1?"}]},
            {"role": "assistant", "content": str(index + 1)},
            {"role": "user", "content": "and one more?"},
            {"role": "assistant", "content": str(index + 2)},
        ]
        if index % 2:
            messages.insert(0, {"role": "system", "content": f"system of {index}"})
        lines.append(json.dumps({"id": f"q{index}", "messages": messages}) + "\n")
    (workspace / "talks.jsonl").write_text("".join(lines))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    recipe = write_workspace(tmp_path, num_questions=12)
    write_talks(tmp_path, 12)
    verbs = recipe.read_text().partition("[teachers.qwen]\n")
    rest = verbs[2].replace('model = "teacher-qwen"\n', 'model = "teacher-qwen"\nsystem = "you are the teacher"\n')
    recipe.write_text(f"{DATA}\n{verbs[1]}{rest}")
    return tmp_path


def test_every_verb_sees_the_whole_conversation(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, chat_text = set[str](), encode.chat_text

    def noted(encoder, conversation):
        text = chat_text(encoder, conversation)
        prompts.add(text)
        return text

    monkeypatch.setattr(encode, "chat_text", noted)
    seen: dict[Verb, set[str]] = {}
    for verb in VERBS:
        prompts.clear()
        result = run_stage(workspace, verb, *SETS)
        assert result.num_rejected == 0
        seen[verb] = set(prompts)
        assert run_stage(workspace, verb, *SETS).up_to_date
    for verb in ("cache-teacher", "sft", "pretrain-disc", "train"):
        later = [text for text in seen[verb] if "and one more?" in text]
        assert later and all("look at" in text and " plus 1?" in text for text in later)
        assert any("system of " in text for text in seen[verb])
        who = "teacher" if verb == "cache-teacher" else "student"
        assert any(f"you are the {who}" in text for text in seen[verb])
        assert not any(f"you are the {who}" in text and "system of " in text for text in seen[verb])
    runs = workspace / "runs" / "recipe"
    cached = list(read_rows(runs / "cache-teacher", ResponseRecord))
    said = {row.sample_id: row.context for row in cached}
    number = next(int(name[1:-2]) for name in said if name.endswith("#2") and int(name[1:-2]) % 2 == 0)
    first = f"look at<image>what is {number} plus 1?"
    asked = {row.sample_id: row.question for row in cached}
    assert (asked[f"q{number}#1"], said[f"q{number}#1"]) == (first, None)
    assert (asked[f"q{number}#2"], said[f"q{number}#2"]) == (
        "and one more?",
        [ContextTurn(role="user", text=first), ContextTurn(role="assistant", text=str(number + 1))],
    )
    rollouts = list(read_rows(runs / "train" / "rollouts", RolloutRecord))
    assert rollouts and all(row.context == said[row.sample_id] for row in rollouts)
    judged = {row.response_digest for row in read_rows(runs / "judge", VerdictRecord)}
    assert judged == {response_digest(r.question, r.answer, r.text, r.context or ()) for r in cached}
