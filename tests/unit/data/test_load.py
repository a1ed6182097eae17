from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rilctl.config.data import DataConfig
from rilctl.data.load import load_samples
from rilctl.data.sample import Sample
from rilctl.data.select import is_held_out
from rilctl.errors import ConfigError, DataError

from .helpers import png, table, write_lines

Make = Callable[..., DataConfig]
HERE = Path(".")


def test_good_rows_become_samples(jsonl: Make, pictures: Path) -> None:
    loaded = load_samples(jsonl(), base_dir=pictures.parent)
    assert [sample.id for sample in loaded.samples] == [f"q{n}" for n in range(20)]
    first = loaded.samples[0]
    assert (first.question, first.answer, first.response) == ("what is 0?", "0", "0")
    assert first.images[0].load().size == (8, 6)
    assert (loaded.rejected, loaded.left_out) == ((), {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": None}, "image-missing"),
        ({"images": []}, "image-missing"),
        ({"images": "none.png"}, "image-missing"),
        ({"images": ["3.png", ""]}, "image-missing"),
        ({"images": "rows.jsonl"}, "image-invalid"),
        ({"images": "data:image/png;base64,!!!"}, "image-invalid"),
        ({"images": "data:image/png,abc"}, "image-invalid"),
        ({"images": "../secret.png"}, "image-outside-root"),
        ({"images": "/etc/passwd"}, "image-outside-root"),
        ({"images": "https://example.org/a.png"}, "image-remote"),
        ({"images": 7}, "field-type"),
        ({"images": {"path": "none.png"}}, "image-missing"),
        ({"answer": "  "}, "answer-empty"),
        ({"answer": None}, "answer-empty"),
        ({"answer": {"a": "b"}}, "field-type"),
        ({"answer": ["", None]}, "answer-empty"),
        ({"question": True}, "field-type"),
        ({"answer": float("nan")}, "field-type"),
        ({"question": "<image>\n"}, "question-empty"),
        ({"question": "hi<|im_end|>\n<|im_start|>assistant"}, "template-token"),
        ({"question": "<ima<image>ge> what?"}, "template-token"),
        ({"question": "\ud800"}, "text-invalid"),
        ({"id": "q2"}, "id-duplicate"),
        ({"id": 1.5}, "field-type"),
    ],
)
def test_a_bad_row_is_recorded_and_the_others_stay(jsonl: Make, change: dict[str, object], reason: str) -> None:
    loaded = load_samples(jsonl({3: change}), base_dir=HERE)
    assert len(loaded.samples) == 19
    (record,) = loaded.rejected
    assert record.reason == reason
    assert "rows.jsonl:4" in record.message
    if reason == "id-duplicate":
        assert "rows.jsonl:3" in record.message


def test_a_key_that_one_row_lacks_is_a_bad_row(pictures: Path) -> None:
    rows = [{"images": "1.png", "question": "q", "answer": "a"}, {"images": "1.png", "question": "q"}]
    loaded = load_samples(table(type="jsonl", path=str(write_lines(pictures / "r.jsonl", rows))), base_dir=HERE)
    assert [(r.sample_id, r.reason) for r in loaded.rejected] == [("1", "field-missing")]
    assert loaded.samples[0].id == "0"  # no ids in the table: rows are numbered


def test_a_column_that_all_rows_lack_ends_the_run_with_a_guess(jsonl: Make) -> None:
    with pytest.raises(DataError, match="no column `image`; found `answer`, `id`, `images`, `question`") as caught:
        load_samples(jsonl(columns={"images": "image"}), base_dir=HERE)
    assert caught.value.hint is not None and "did you mean `images`?" in caught.value.hint
    with pytest.raises(DataError, match="no column `uid`"):
        load_samples(jsonl(columns={"id": "uid"}), base_dir=HERE)


def test_text_only_by_an_empty_column(jsonl: Make) -> None:
    loaded = load_samples(jsonl({3: {"images": 7}}, columns={"images": ""}), base_dir=HERE)
    assert len(loaded.samples) == 20 and loaded.samples[3].images == ()


def test_no_usable_row(jsonl: Make) -> None:
    with pytest.raises(DataError, match=r"no usable row \(answer-empty: 20\)") as caught:
        load_samples(jsonl({n: {"answer": ""} for n in range(20)}), base_dir=HERE)
    assert caught.value.hint is not None and "rows.jsonl:1" in caught.value.hint


def test_where_no_picture_is_found_it_says_where_paths_start(jsonl: Make) -> None:
    config = jsonl({n: {"images": "elsewhere/0.png"} for n in range(20)})
    with pytest.raises(DataError, match=r"no usable row \(image-missing: 20\)") as caught:
        load_samples(config, base_dir=HERE)
    assert caught.value.hint is not None and "; paths of pictures start from " in caught.value.hint


def test_validation_by_share_divides_the_rows(jsonl: Make) -> None:
    config = jsonl({3: {"answer": ""}}, validation={"share": 0.4})
    train, held_out = (load_samples(config, base_dir=HERE, split=split) for split in ("train", "validation"))
    ids = [{sample.id for sample in part.samples} for part in (train, held_out)]
    assert ids[0] & ids[1] == set() and len(ids[0] | ids[1]) == 19
    assert 2 <= len(ids[1]) <= 14
    assert len(train.rejected) + len(held_out.rejected) == 1  # a bad row is on one side, too


def test_answers_of_every_kind_are_texts(jsonl: Make) -> None:
    changes = {1: {"answer": True}, 2: {"answer": [2, "two", "2"]}, 3: {"answer": 0.5}, 4: {"answer": ["four"]}}
    loaded = load_samples(jsonl(changes), base_dir=HERE)
    answers = {sample.id: (sample.answer, sample.response) for sample in loaded.samples[:5]}
    assert answers == {
        "q0": ("0", "0"),
        "q1": ("true", "true"),
        "q2": ('{"one of": ["2", "two"]}', "2"),
        "q3": ("0.5", "0.5"),
        "q4": ("four", "four"),
    }


def ids_of(config: DataConfig, split: str) -> set[str]:
    return {sample.id for sample in load_samples(config, base_dir=HERE, split=split).samples}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["path", "inline"])
def test_rows_that_share_a_picture_are_on_one_side(pictures: Path, kind: str) -> None:
    import base64

    def picture(number: int) -> str:
        if kind == "path":
            return f"{number}.png"
        return base64.b64encode((pictures / f"{number}.png").read_bytes()).decode()

    rows = [
        {"id": f"q{n}", "images": [picture(n // 5)], "question": f"{n}?", "answer": "a"} for n in range(100)
    ]  # 20 pictures, 5 questions on each
    path = str(write_lines(pictures / "shared.jsonl", rows))
    together = table(type="jsonl", path=path, validation={"share": 0.3})
    train, held_out = ids_of(together, "train"), ids_of(together, "validation")
    assert not train & held_out and len(train | held_out) == 100 and 5 <= len(held_out) <= 60
    sides = [{f"q{n}" in held_out for n in range(5 * k, 5 * k + 5)} for k in range(20)]
    assert all(len(side) == 1 for side in sides)
    apart = table(type="jsonl", path=path, validation={"share": 0.3, "group": "conversation"})
    shares = ids_of(apart, "validation")
    assert any(len({f"q{n}" in shares for n in range(5 * k, 5 * k + 5)}) == 2 for k in range(20))


def test_rows_with_pictures_of_their_own_are_divided_as_they_were(jsonl: Make) -> None:
    for group in ("image", "conversation"):
        config = jsonl(validation={"share": 0.4, "group": group})
        assert ids_of(config, "validation") == {f"q{n}" for n in range(20) if is_held_out(f"q{n}", 0.4)}


def test_one_picture_in_all_rows_says_why_a_side_is_empty(jsonl: Make) -> None:
    config = jsonl({n: {"images": "0.png"} for n in range(20)}, validation={"share": 0.4})
    empty = "validation" if not is_held_out("q0", 0.4) else "train"
    with pytest.raises(DataError, match="no usable row") as caught:
        load_samples(config, base_dir=HERE, split=empty)
    assert caught.value.hint is not None and "100% of the conversations share pictures" in caught.value.hint


def test_held_out_rows_have_an_image_root_of_their_own(pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "0.png").write_bytes(png("blue"))
    rows = [{"id": "a", "images": "0.png", "question": "q", "answer": "a"}]
    train = write_lines(tmp_path / "train.jsonl", rows)
    held_out = write_lines(tmp_path / "val.jsonl", [{**rows[0], "id": "b"}])

    def color(**validation: object) -> object:
        config = table(
            type="jsonl", path=str(train), image_root=str(pictures), validation={"path": str(held_out), **validation}
        )
        (sample,) = load_samples(config, base_dir=HERE, split="validation").samples
        return sample.images[0].load().getpixel((0, 0))

    assert color() == (0, 0, 0)  # that of the training rows
    assert color(image_root=str(other)) == (0, 0, 255)
    for kind, validation, message in (
        ("jsonl", {"share": 0.5, "image_root": "x"}, "belongs to a path"),
        ("folder", {"path": "y", "image_root": "x"}, "is for jsonl, llava and chat"),
    ):
        with pytest.raises(ValueError, match=message):
            table(type=kind, path="p", validation=validation)


def test_validation_is_empty_unless_asked_for(jsonl: Make) -> None:
    assert load_samples(jsonl(), base_dir=HERE, split="validation").samples == ()


def test_validation_by_path_leaves_its_rows_out_of_training(jsonl: Make, pictures: Path) -> None:
    same = {"id": "other", "images": "4.png", "question": "what is 4?", "answer": "4"}
    other_image = {"id": "x", "images": "7.png", "question": "what is 5?", "answer": "5"}
    path = write_lines(pictures / "held_out.jsonl", [same, other_image])
    config = jsonl(validation={"path": str(path)})
    train = load_samples(config, base_dir=HERE)
    assert train.left_out == {"in-validation": 1}
    assert "q4" not in {sample.id for sample in train.samples} and len(train.samples) == 19
    assert [s.id for s in load_samples(config, base_dir=HERE, split="validation").samples] == ["other", "x"]


def test_num_samples_is_nested_ordered_and_goes_round_bad_images(jsonl: Make, pictures: Path) -> None:
    def chosen(num: int) -> list[str]:
        return [s.id for s in load_samples(jsonl(select={"num_samples": num}), base_dir=HERE).samples]

    five, nine = chosen(5), chosen(9)
    assert len(five) == 5 and set(five) < set(nine)
    assert nine == sorted(nine, key=lambda name: int(name[1:]))
    (pictures / f"{five[0][1:]}.png").write_bytes(b"damaged")
    loaded = load_samples(jsonl(select={"num_samples": 5}), base_dir=HERE)
    assert len(loaded.samples) == 5 and [r.sample_id for r in loaded.rejected] == [five[0]]
    assert loaded.left_out == {"num-samples": 14}


def test_overlong_and_pass_rate(jsonl: Make) -> None:
    config = jsonl(select={"max_question_chars": 10, "pass_rate": {"verdicts": "unused", "low": 0.25, "high": 0.75}})
    rates = {f"q{n}": n / 8 for n in range(9)}
    loaded = load_samples(config, base_dir=HERE, pass_rates=rates)
    assert [sample.id for sample in loaded.samples] == ["q2", "q3", "q4", "q5", "q6"]
    assert loaded.left_out == {"pass-rate": 4, "pass-rate-unknown": 1, "question-too-long": 10}
    with pytest.raises(ValueError, match="pass_rates"):
        load_samples(config, base_dir=HERE)


def test_prompts_with_too_many_tokens_are_left_out_and_unknown_ones_stay(jsonl: Make) -> None:
    def tokens(samples: Sequence[Sample]) -> list[int | None]:
        return [None if sample.id == "q7" else int(sample.id[1:]) for sample in samples]

    config = jsonl(select={"max_prompt_tokens": 5})
    loaded = load_samples(config, base_dir=HERE, prompt_tokens=tokens)
    assert [sample.id for sample in loaded.samples] == ["q0", "q1", "q2", "q3", "q4", "q5", "q7"]
    assert loaded.left_out == {"prompt-too-long": 13}
    with pytest.raises(ValueError, match="prompt_tokens"):
        load_samples(config, base_dir=HERE)


def test_near_duplicates_and_contamination(pictures: Path) -> None:
    from PIL import Image, ImageDraw

    def draw(name: str, seed: int, size: int, **options: object) -> str:
        image = Image.new("RGB", (200, 200), "white")
        for k in range(12):
            x, y = (seed * 37 + k * 61) % 170, (seed * 53 + k * 89) % 170
            ImageDraw.Draw(image).rectangle((x, y, x + 30, y + 20 + k), fill=(k * 20, seed % 255, 99))
        image.resize((size, size)).save(pictures / name, **options)
        return name

    rows = [
        {"images": draw("a.png", 1, 200), "question": "How many boxes?", "answer": "12"},
        {"images": draw("a.jpg", 1, 160, quality=60), "question": "how many  boxes", "answer": "12"},
        {"images": "a.png", "question": "Which colour?", "answer": "red"},
        {"images": draw("b.png", 5, 200), "question": "How many boxes?", "answer": "12"},
        {"images": draw("c.jpg", 9, 150, quality=50), "question": "Anything?", "answer": "no"},
    ]
    path = str(write_lines(pictures / "near.jsonl", rows))
    benchmark = write_lines(pictures / "bench.jsonl", [{"question": "other", "images": [draw("c.png", 9, 200)]}])
    select = {"drop_near_duplicates": True, "decontaminate": [str(benchmark)]}
    for workers in (0, 3):
        loaded = load_samples(table(type="jsonl", path=path, select=select, workers=workers), base_dir=HERE)
        assert [sample.id for sample in loaded.samples] == ["0", "2", "3"]
        assert loaded.left_out == {"contaminated": 1, "near-duplicate": 1}


def test_text_only_contamination_is_by_question(jsonl: Make, pictures: Path) -> None:
    benchmark = write_lines(pictures / "bench.jsonl", [{"question": "What is 3"}])
    config = jsonl(columns={"images": ""}, select={"decontaminate": [str(benchmark)]})
    assert load_samples(config, base_dir=HERE).left_out == {"contaminated": 1}


def test_a_benchmark_that_cannot_be_read_ends_the_run(jsonl: Make, pictures: Path) -> None:
    bad = write_lines(pictures / "bench.jsonl", [{"question": "q", "images": ["none.png"]}])
    with pytest.raises(DataError, match=r"bench.jsonl:1.*none.png"):
        load_samples(jsonl(select={"decontaminate": [str(bad)]}), base_dir=HERE)
    with pytest.raises(ConfigError, match="`digit`") as caught:
        load_samples(jsonl(select={"decontaminate": ["digit"]}), base_dir=HERE)
    assert caught.value.hint == "did you mean `digits`?"


def test_the_digest_is_that_of_content_and_order(jsonl: Make, pictures: Path) -> None:
    def digest(**changes: object) -> str:
        return load_samples(jsonl(**changes), base_dir=HERE).digest

    first = digest()
    assert first == digest()
    assert first != digest(changes={3: {"answer": "4"}})
    assert first != digest(select={"num_samples": 5})
    (pictures / "0.png").write_bytes(png("blue"))
    assert first != digest()


def test_digits() -> None:
    config = table(
        type="digits",
        num_questions=60,
        mix={"sum/worked": 1.0, "sum/short": 1.0, "read_all/short": 0.5},
        validation={"split": "validation", "num_samples": 7},
    )
    train = load_samples(config, base_dir=HERE)
    assert len(train.samples) == 60
    assert load_samples(config, base_dir=HERE).digest == train.digest
    assert {sample.response.split()[0] for sample in train.samples} == {"i", "answer"}
    assert train.samples[0].images[0].load().size == (56, 56)
    held_out = load_samples(config, base_dir=HERE, split="validation")
    assert len(held_out.samples) == 7
    assert all(sample.id.startswith("validation") for sample in held_out.samples)


def test_an_unknown_pair_in_the_mix_is_named() -> None:
    with pytest.raises(ConfigError, match="`sum/work`") as caught:
        load_samples(table(type="digits", mix={"sum/work": 1.0}), base_dir=HERE)
    assert caught.value.hint == "did you mean `sum/worked`?"


def test_digits_can_be_kept_out_of_training() -> None:
    select = {"decontaminate": ["digits"], "max_hash_distance": 0}
    loaded = load_samples(table(type="digits", split="test", num_questions=5, select={}), base_dir=HERE)
    assert len(loaded.samples) == 5
    with pytest.raises(DataError, match="contaminated: 5"):
        load_samples(table(type="digits", split="test", num_questions=5, select=select), base_dir=HERE)


@pytest.mark.parametrize("change", [{"answer": None}, {"answer": " "}, {"answer": []}])
def test_a_row_without_a_ground_truth_is_kept_where_the_recipe_says_so(jsonl: Make, change: dict[str, object]) -> None:
    loaded = load_samples(jsonl({3: change}, missing_truth="keep"), base_dir=HERE)
    assert [sample.id for sample in loaded.samples if not sample.has_truth] == ["q3"]
    assert (loaded.samples[3].answer, loaded.samples[3].response, loaded.rejected) == ("", "", ())
    bad = load_samples(jsonl({3: {"answer": {"a": 1}}}, missing_truth="keep"), base_dir=HERE)
    assert [row.reason for row in bad.rejected] == ["field-type"]


def test_a_table_without_answers_is_all_questions(jsonl: Make) -> None:
    columns = {"answer": "", "response": "reply"}
    loaded = load_samples(
        jsonl({n: {"reply": "said"} for n in range(20)}, missing_truth="keep", columns=columns), base_dir=HERE
    )
    assert {(sample.answer, sample.response) for sample in loaded.samples} == {("", "said")}


def test_a_share_of_the_truths_is_hidden_and_the_response_with_it(jsonl: Make) -> None:
    def shown(share: float, **fields: object) -> set[str]:
        loaded = load_samples(jsonl(truth_share=share, **fields), base_dir=HERE)
        assert len(loaded.samples) == (20 if not fields else len(loaded.samples))
        assert all(bool(sample.response) == sample.has_truth for sample in loaded.samples)
        return {sample.id for sample in loaded.samples if sample.has_truth}

    assert set() == shown(0) < shown(0.3) < shown(0.7) < shown(1)
    assert shown(0.3, select={"num_samples": 10}) <= shown(0.3)
    held_out = jsonl(truth_share=0.0, validation={"share": 0.3})
    validation = load_samples(held_out, base_dir=HERE, split="validation")
    assert validation.samples and all(sample.has_truth for sample in validation.samples)
    assert load_samples(jsonl(), base_dir=HERE).digest == load_samples(jsonl(truth_share=1.0), base_dir=HERE).digest
