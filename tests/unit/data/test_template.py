"""Questions in the recipe's words, and options from a column."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from rilctl.config.data import DataConfig
from rilctl.data.load import load_samples
from rilctl.data.options import lettered, right_letter
from rilctl.data.sample import SampleSet
from rilctl.engines.judging.rule import judge_answer
from rilctl.errors import ConfigError, DataError, RowError


def load(folder: Path, rows: list[dict[str, Any]], kind: str = "jsonl", **keys: Any) -> SampleSet:
    columns = {"images": ""} | keys.pop("columns", {})
    if kind == "jsonl":
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    told = {"type": kind, "path": f"rows.{kind}", "columns": columns, **keys}
    config: DataConfig = TypeAdapter(DataConfig).validate_json(json.dumps(told))
    return load_samples(config, base_dir=folder)


ROWS = [
    {"id": "a", "question": "what is it?", "hint": "small", "choices": ["cat", "dog"], "answer": 1},
    {"id": "b", "question": "how many?", "hint": "", "choices": ["2", "3", "4"], "answer": "4"},
]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_template_puts_columns_into_words(tmp_path: Path, kind: str) -> None:
    rows = [row | {"answer": str(row["answer"])} for row in ROWS]
    template = "{{question}}{% if hint %} ({{hint}}){% endif %}\n{{options}}\nAnswer with the option's letter."
    loaded = load(tmp_path, rows, kind, template=template, columns={"choices": "choices"})
    assert [(sample.question, sample.answer) for sample in loaded.samples] == [
        ("what is it? (small)\nA. cat\nB. dog\nAnswer with the option's letter.", "B"),
        ("how many?\nA. 2\nB. 3\nC. 4\nAnswer with the option's letter.", "C"),
    ]
    assert [sample.response for sample in loaded.samples] == ["B", "C"]


def test_a_template_in_single_braces_asks_every_row_for_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`{question}` stands there as it is") as caught:
        load(tmp_path, ROWS, template="{question} Answer briefly.")
    assert caught.value.hint == "a column is written as `{{question}}`"
    fixed = load(tmp_path, ROWS, template="{{question}} {as_it_is}").samples
    assert [sample.question for sample in fixed] == ["what is it? {as_it_is}", "how many? {as_it_is}"]
    for text in ("Describe {1, 2}.", "Answer in JSON: {answer_key}", r"Answer in \boxed{question}."):
        assert load(tmp_path, ROWS, template=text).samples[0].question == text


def test_options_follow_a_question_without_a_template_and_the_rules_read_them(tmp_path: Path) -> None:
    first, second = load(tmp_path, ROWS, columns={"choices": "choices"}).samples
    assert first.question == "what is it?\nA. cat\nB. dog"
    for sample, right, wrong in ((first, "dog", "cat"), (second, "4", "3")):
        for response in (right, f"{sample.answer}.", f"({sample.answer}) {right}"):
            assert judge_answer(sample.answer, response, question=sample.question).correct
        assert judge_answer(sample.answer, wrong, question=sample.question).correct is False


def test_a_table_without_the_question_s_column_may_have_a_template(tmp_path: Path) -> None:
    rows = [{"id": "a", "premise": "it rains", "answer": "yes"}]
    (sample,) = load(tmp_path, rows, template="{{premise}}: is it wet?").samples
    assert sample.question == "it rains: is it wet?"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{questoin}}", r"data.template names `questoin`, which is no column"),
        ("{{question", r"data.template, line 1: "),
        ("a\n{% if %}", r"data.template, line 2: "),
    ],
)
def test_a_wrong_template_says_what_is_wrong(tmp_path: Path, template: str, message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        load(tmp_path, ROWS, template=template)
    if "questoin" in template:
        assert "did you mean `question`?" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "template",
    [
        "{{question.__class__.__mro__}}",
        "{% for i in range(1000) %}{{question * 1000}}{% endfor %}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{1 // (question | length - 11)}}",
        "{{cycler.__init__.__globals__.os}}",
    ],
)
def test_a_row_for_which_a_template_fails_is_rejected(tmp_path: Path, template: str) -> None:
    with pytest.raises(DataError, match="no usable row") as caught:
        load(tmp_path, ROWS[:1], template=template)
    assert "template-failed: 1" in str(caught.value)


def test_a_row_without_a_column_of_the_template_is_rejected(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, [ROWS[0], {"id": "b", "question": "how?", "answer": "so"}], template="{{question}} {{hint}}"
    )
    assert [(row.sample_id, row.reason) for row in loaded.rejected] == [("b", "field-missing")]
    assert "`hint`, which data.template names" in loaded.rejected[0].message


@pytest.mark.parametrize(
    ("answer", "letter"), [(0, "A"), ("2", "B"), ("0", "A"), ("b", "B"), ("(C)", "C"), ("4", "C"), ("3", "A"), (2, "C")]
)
def test_answers_by_text_letter_or_index(answer: object, letter: str) -> None:
    """An option's own text comes first: `2` is the second one here, and the number 2 the third."""
    assert right_letter(answer, ("3", "2", "4"), "answer") == letter


@pytest.mark.parametrize(
    ("answer", "reason"), [(3, "0 to 2"), (-1, "0 to 2"), ("D", "neither"), (True, "neither"), (None, "neither")]
)
def test_answers_that_name_no_option(answer: object, reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        right_letter(answer, ("3", "2", "4"), "answer")


@pytest.mark.parametrize("choices", ["cat, dog", ["cat"], ["cat", None], ["cat", " "], list(range(11))])
def test_choices_that_are_no_options_reject_their_row(tmp_path: Path, choices: object) -> None:
    loaded = load(tmp_path, [ROWS[0], ROWS[1] | {"choices": choices}], columns={"choices": "choices"})
    assert [(row.sample_id, row.reason) for row in loaded.rejected] == [("b", "choices-invalid")]


def test_an_option_takes_one_line() -> None:
    assert lettered(("a\nb", "c")) == "A. a b\nB. c"
