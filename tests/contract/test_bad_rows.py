"""Rows that can't be used: in a data set, among imported answers, on stdin. None of them ends a run or is lost."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rilctl.artifacts.read import read_rows
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.endpoint import ScriptedEndpoint

from .helpers import call

CACHE, DISC = Path("runs/recipe/cache-teacher"), Path("runs/recipe/pretrain-disc")
ROW = {"image": "0.png", "question": "what?", "answer": "1"}
BAD_ROWS: dict[str, tuple[str, str]] = {
    '{"id": "no-image", "question": "what?", "answer": "1"}': ("no-image", "field-missing"),
    json.dumps({"id": "null-image", **ROW, "image": None}): ("null-image", "image-missing"),
    json.dumps({"id": "lost-image", **ROW, "image": "lost.png"}): ("lost-image", "image-missing"),
    json.dumps({"id": "cut-image", **ROW, "image": "cut.png"}): ("cut-image", "image-truncated"),
    json.dumps({"id": "huge-image", **ROW, "image": "huge.png"}): ("huge-image", "image-too-large"),
    json.dumps({"id": "odd-path", **ROW, "image": "\ud800.png"}): ("odd-path", "image-missing"),
    json.dumps({"id": "no-answer", **ROW, "answer": " "}): ("no-answer", "answer-empty"),
    json.dumps({"id": "q1", **ROW}): ("q1", "id-duplicate"),
    json.dumps({"id": "template", **ROW, "question": "<|im_end|> what?"}): ("template", "template-token"),
    json.dumps({"id": "half-pair", **ROW, "question": "what? \ud800"}): ("half-pair", "text-invalid"),
    "{": ("questions.jsonl:23", "json-invalid"),
}


@pytest.fixture
def spoilt(fresh: Path) -> Path:
    """A workspace whose data set has 12 good rows and one of each bad kind; nothing is held out."""
    whole = (fresh / "0.png").read_bytes()
    (fresh / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (10_000, 10_000)).save(fresh / "huge.png")
    with (fresh / "questions.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in BAD_ROWS)
    recipe = fresh / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("validation = { share = 0.25 }\n", ""))
    return fresh


def rejected(artifact: Path) -> set[tuple[str, str]]:
    rows = [json.loads(line) for line in (artifact / "rejected.jsonl").read_text().splitlines()]
    assert all(row["message"] for row in rows)
    return {(row["sample_id"], row["reason"]) for row in rows}


def test_a_dry_run_says_what_a_run_would_reject_and_ends_alike(spoilt: Path) -> None:
    for verb in ("cache-teacher", "sft"):
        planned = call(spoilt, verb, "--dry-run", "--json")
        assert planned.code == 3, planned.stderr
        assert planned.report["plan"]["data"]["rejected"] == len(BAD_ROWS) - 1  # a plan looks at headers alone
        assert "rejected.jsonl" not in planned.stderr
        assert "in all: 1 answer-empty" in planned.stderr
    assert not (spoilt / "runs").exists()


def test_imported_answers_end_where_their_turn_does(fresh: Path) -> None:
    texts = {"q0": "8<|im_end|>\n", "q1": "8<|im_end|>\n<|im_start|>user\nmore", "q2": "8"}
    lines = [json.dumps({"teacher": "gpt", "sample_id": name, "text": text}) for name, text in texts.items()]
    (fresh / "answers.jsonl").write_text("\n".join(lines))
    with ScriptedEndpoint(lambda _: "a dog<|im_end|>") as endpoint:
        sets = ["teachers.gpt.model=closed-1", f"teachers.gpt.endpoint.url={endpoint.url}", "data.validation.share=0.0"]
        sets.append("cache-teacher.check_sight=false")
        options = [word for each in sets for word in ("--set", each)]
        outcome = call(fresh, "cache-teacher", "--teachers", "gpt", *options, "--import", "answers.jsonl")
    assert outcome.code == 3, outcome.stderr
    said = {(row.sample_id, row.finish_reason): row.text for row in read_rows(fresh / CACHE, ResponseRecord)}
    assert said["q0", "imported"] == said["q2", "imported"] == "8" and ("q1", "imported") not in said
    assert {text for (_, reason), text in said.items() if reason != "imported"} == {"a dog"}
    assert rejected(fresh / CACHE) == {("q1", "template-token")}


def test_bad_rows_are_named_and_the_next_verb_has_a_limit_for_them(spoilt: Path) -> None:
    first = call(spoilt, "cache-teacher", "--json")
    assert first.code == 3, first.stderr
    assert "rows were rejected; each is in rejected.jsonl" in first.stderr
    said = (spoilt / CACHE / "rejected.jsonl").read_text()
    assert f"questions.jsonl:15, image 1: lost.png: there is no file `{spoilt / 'lost.png'}`" in said
    assert "asks 2 of them again with `--retry-rejected`; correct the others where they come from" in first.stderr
    assert rejected(spoilt / CACHE) == set(BAD_ROWS.values())
    assert first.report["outputs"]["teacher-cache"]["rows"] == 12 * 2 * 2
    assert first.report["num_rejected"] == len(BAD_ROWS) + 1  # two teachers were shown the picture that is cut off
    assert call(spoilt, "artifacts", "verify", CACHE).code == 0
    again = call(spoilt, "cache-teacher", "--json")
    assert (again.code, again.report["status"]) == (0, "up-to-date")
    assert again.report["num_rejected"] == first.report["num_rejected"]

    share = "11 of 22 questions have a rejected row (50.0%), over the limit of "
    assert call(spoilt, "sft").code == 3
    for verb in ("pretrain-disc", "train"):
        if verb == "train":
            arguments = ("--set", "train.algorithm.name=gail", "--set", f"train.discriminator_artifact={DISC}")
        else:
            arguments = ()
        call(spoilt, verb, *arguments).refused(5, f"{spoilt / CACHE}: {share}5.0%", "cache-teacher.max_rejected_share")
        outcome = call(spoilt, verb, *arguments, "--set", "cache-teacher.max_rejected_share=0.49")
        outcome.refused(5, f"{share}49.0%")
        outcome = call(spoilt, verb, *arguments, "--set", "cache-teacher.max_rejected_share=0.5", "--json")
        assert outcome.code == 3, outcome.stderr
        names = [spoilt / CACHE.parent / verb / role for role in ("student", "discriminator")]
        listed = rejected(next(name for name in names if (name / "rejected.jsonl").exists()))
        assert listed >= {row for row in BAD_ROWS.values() if row[0] not in ("cut-image", "q1")}
    up_to_date = call(spoilt, "cache-teacher", "--set", "cache-teacher.max_rejected_share=0.5", "--json")
    assert up_to_date.report["status"] == "up-to-date"  # the limit is the reader's affair


def test_a_step_whose_only_row_is_bad_learns_nothing_and_the_next_one_does(spoilt: Path) -> None:
    outcome = call(spoilt, "sft", "--set", "sft.rows_per_step=1", "--set", "sft.num_steps=13", "--json")
    assert outcome.code == 3, outcome.stderr
    assert ("cut-image", "image-truncated") in rejected(spoilt / "runs/recipe/sft")
    metrics = [json.loads(line) for line in (spoilt / "runs/recipe/sft/metrics.jsonl").read_text().splitlines()]
    assert sorted(row["sft/num_tokens"] > 0 for row in metrics) == [False] + [True] * 12


@pytest.mark.parametrize("verb", ["sft", "cache-teacher", "train"])
def test_a_data_set_without_a_good_row(fresh: Path, verb: str) -> None:
    (fresh / "questions.jsonl").write_text(
        "".join(f"{line}\n" for line in BAD_ROWS if "q1" not in line and "cut" not in line)
    )
    outcome = call(fresh, verb, "--set", "train.algorithm.name=dr_grpo", "--set", "train.student=student")
    outcome.refused(5, "no usable row", "the first: questions.jsonl:")
    assert not (fresh / "runs/recipe" / verb).exists()


def test_a_missing_data_file_or_column_gets_a_guess(fresh: Path) -> None:
    call(fresh, "sft", "--set", "data.path=question.jsonl").refused(5, "no file at", "did you mean `questions.jsonl`?")
    outcome = call(fresh, "sft", "--set", "data.columns.question=questoin")
    outcome.refused(5, "no column `questoin`", "did you mean `question`?")


# --- Imported answers ---


def answer(**changes: Any) -> str:
    return json.dumps({"sample_id": "q1", "teacher": "qwen", "text": "it is 2", **changes}) + "\n"


def texts(artifact: Path) -> dict[tuple[str, str, int], str]:
    return {(r.source, r.sample_id, r.response_index): r.text for r in read_rows(artifact, ResponseRecord)}


def num_calls(workspace: Path) -> int:
    with sqlite3.connect(workspace / "runs/.cache/calls.sqlite3") as calls:
        return int(calls.execute("SELECT count(*) FROM calls").fetchone()[0])


def test_imported_answers_come_first_and_are_not_asked_for(done: Path) -> None:
    in_recipe, before = texts(done / CACHE), num_calls(done)
    lines = [
        answer(),
        answer(text="a\u2028b\u0085c"),
        answer(text="one too many"),
        answer(teacher="internvl", sample_id="q0"),
    ]
    (done / "answers.jsonl").write_text("\ufeff" + "".join(lines) + "\n")
    outcome = call(done, "cache-teacher", "--import", "answers.jsonl", "--out", "imported")
    assert outcome.code == 0, outcome.stderr
    expected = {
        **in_recipe,
        ("qwen", "q1", 0): "it is 2",
        ("qwen", "q1", 1): "a\u2028b\u0085c",
        ("internvl", "q0", 0): "it is 2",
    }
    assert texts(done / "imported") == expected
    assert num_calls(done) == before
    assert call(done, "cache-teacher", "--out", "imported").code == 2  # without the import it is another run


def test_answers_to_questions_that_are_not_asked_are_left_out(done: Path) -> None:
    (done / "answers.jsonl").write_text("".join(answer(sample_id=f"q{index}") for index in range(12)))
    outcome = call(done, "cache-teacher", "--import", "answers.jsonl", "--out", "imported", "--json")
    assert outcome.code == 0
    held_out = 12 - len({sample_id for _, sample_id, _ in texts(done / "imported")})
    assert f"warning: {held_out} imported answers are left out; {done / 'answers.jsonl'}:" in outcome.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "answers.jsonl:2: not JSON: "),
        ("[" * 100_000, "answers.jsonl:2: not JSON: "),
        ("null", "answers.jsonl:2: needs the texts teacher, sample_id, text"),
        (answer(text=""), "answers.jsonl:2: needs the texts"),
        (answer(text=" \n"), "answers.jsonl:2: needs the texts"),
        (answer(text="\ud800"), "answers.jsonl:2: half a surrogate pair"),
        (answer().strip()[:-1] + ', "text": "another"}', "answers.jsonl:2: not JSON: the key `text` is there twice"),
        (answer(teacher="qwne"), "answers.jsonl:2: teacher `qwne` is not asked in this run; did you mean `qwen`?"),
        ("\udcff", "answers.jsonl is not UTF-8 text (byte 58)"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_asked(fresh: Path, line: str, message: str) -> None:
    (fresh / "answers.jsonl").write_bytes((answer() + line).encode(errors="surrogateescape"))
    call(fresh, "cache-teacher", "--import", "answers.jsonl").refused(5, message)
    assert not (fresh / "runs").exists()


@pytest.mark.parametrize(
    ("content", "message"), [(answer(sample_id="zz"), ":1: no question `zz`"), ("", " holds no answers")]
)
def test_an_import_without_an_answer(fresh: Path, content: str, message: str) -> None:
    (fresh / "answers.jsonl").write_text(content)
    call(fresh, "cache-teacher", "--import", "answers.jsonl").refused(5, f"answers.jsonl{message}")
    call(fresh, "cache-teacher", "--import", "answer.jsonl").refused(5, "answer.jsonl can't be read")


# --- The call cache ---


def test_more_responses_cost_only_those_that_are_new(done: Path) -> None:
    before, old = num_calls(done), texts(done / CACHE)
    outcome = call(done, "cache-teacher", "--num-responses", "4", "--out", "four", "--json")
    assert outcome.code == 0, outcome.stderr
    new = texts(done / "four")
    assert len(new) == 2 * len(old) and new.items() >= old.items()
    assert num_calls(done) == before + len(old)


def test_a_directory_is_a_teacher_and_the_same_weights_are_not_asked_twice(done: Path) -> None:
    before, old = num_calls(done), texts(done / CACHE)
    outcome = call(done, "cache-teacher", "--teachers", "qwen,./teacher-internvl", "--out", "two", "--json")
    assert outcome.code == 0, outcome.stderr
    renamed = {(source.replace("internvl", "./teacher-internvl"), *rest): text for (source, *rest), text in old.items()}
    assert texts(done / "two") == renamed
    assert num_calls(done) == before
    template = done / "teacher-internvl/chat_template.jinja"
    template.write_text(template.read_text() + " ")
    outcome = call(done, "cache-teacher", "--teachers", "qwen,./teacher-internvl", "--out", "three")
    assert outcome.code == 0, outcome.stderr
    assert num_calls(done) == before + len(old) // 2  # another prompt, other answers


# --- Responses on stdin ---


def test_bad_lines_on_stdin_are_rejected_rows(tmp_path: Path) -> None:
    good = b'{"question": "1 + 1?", "answer": "2", "text": "it is 2"}\n'
    bad = [
        b'{"question": "q", "answer": "\\ud800", "text": "1"}',
        b'{"answer": "1", "text": "\\udfff"}',
        b'{"sample_id": "\\udfff", "answer": "1", "text": "1"}',
        b"{",
        b"\xff",
        b"[]",
        b'{"answer": 1}',
        b'{"answer": {}, "text": "1"}',
        b'{"text": "1", "answer": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"text": "1", "answer": 1' + b"0" * 5000 + b"}",
    ]
    outcome = call(tmp_path, "judge", "-", "--json", stdin=good + b"\n".join(bad) + b"\n\n" + good)
    assert outcome.code == 3, outcome.stderr
    verdicts = outcome.report["outputs"]["verdicts"]
    assert (verdicts["rows"], outcome.report["num_rejected"], outcome.report["summary"]["accuracy"]) == (2, len(bad), 1)
    lines = [json.loads(line) for line in Path(verdicts["path"], "rejected.jsonl").read_text().splitlines()]
    assert [line["sample_id"] for line in lines] == [f"row {number}" for number in range(2, 2 + len(bad))]
    assert call(tmp_path, "artifacts", "verify", verdicts["path"]).code == 0
    assert "correct them where they come from" in outcome.stderr and "--retry-rejected" not in outcome.stderr


def test_verdicts_with_too_many_rejected_rows_select_nothing(fresh: Path) -> None:
    lines = b'{"sample_id": "q1", "answer": "2", "text": "2"}\n{"sample_id": "q3", "answer": "2", "text": "1"}\n{\n'
    assert call(fresh, "judge", "-", "--out", "verdicts", stdin=lines).code == 3
    select = ("--set", "data.select.pass_rate.verdicts=verdicts")
    outcome = call(fresh, "sft", *select)
    outcome.refused(5, "1 of 3 responses have no verdict (33.3%), over the limit of 5.0%", "judge.max_rejected_share")
    outcome = call(fresh, "sft", *select, "--set", "judge.max_rejected_share=0.4")
    assert outcome.code == 0, outcome.stderr
    assert "data: 2 questions" in outcome.stderr


def test_nothing_on_stdin(tmp_path: Path) -> None:
    call(tmp_path, "judge", "-").refused(5, "nothing came on stdin", '"answer"')
    assert list(tmp_path.iterdir()) == []
