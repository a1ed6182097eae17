"""What a person meets whose artifacts, names, recipes, models or directories are not in order."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.artifacts import locks
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.sealed import seal

from .helpers import call, snapshot

RUNS = Path("runs/recipe")
CACHE, SFT, DISC = RUNS / "cache-teacher", RUNS / "sft", RUNS / "pretrain-disc/discriminator"
SHARD = CACHE / "rows-00000-of-00001.parquet"


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def edit_json(file: Path, **changes: object) -> None:
    """A manifest gets the digest of what it says now, as if it had been written like this."""
    content = {**json.loads(file.read_text()), **changes}
    if "file_digest" in content:
        file.write_bytes(seal(json.dumps({**content, "file_digest": ""}, indent=2).encode()))
    else:
        file.write_text(json.dumps(content))


# --- Artifacts ---


READERS = {
    "judge": ("judge",),
    "sft": ("sft", "--responses", "teacher-cache"),
    "pretrain-disc": ("pretrain-disc",),
    "train": ("train",),
}


@pytest.mark.parametrize("verb", READERS)
def test_a_half_written_artifact(done: Path, verb: str) -> None:
    (done / CACHE / "manifest.json").unlink()
    before = snapshot(done)
    outcome = call(done, *READERS[verb], "--out", "other")
    outcome.refused(5, f"`{done / CACHE}` is half-written", "hint: run the same command again")
    assert snapshot(done) == before


@pytest.mark.parametrize("verb", READERS)
def test_a_partial_artifact(done: Path, verb: str) -> None:
    edit_json(done / CACHE / "manifest.json", status="partial")
    call(done, *READERS[verb], "--out", "other").refused(
        5, f"`{done / CACHE}` is partial", "run the same command again"
    )


@pytest.mark.parametrize("damage", [Path.unlink, flip_a_byte, lambda file: file.write_bytes(file.read_bytes()[:-9])])
def test_a_shard_that_is_gone_changed_or_cut(done: Path, damage: Callable[[Path], None]) -> None:
    intact = (done / SHARD).read_bytes()
    damage(done / SHARD)
    for arguments in READERS.values():
        call(done, *arguments, "--out", f"of-{arguments[0]}").refused(5, str(done / SHARD), "copy it again")
    report = call(done, "artifacts", "verify", CACHE, "--json")
    assert report.code == 5
    assert SHARD.name in {problem["file"] for problem in json.loads(report.stdout)["problems"]}
    (done / SHARD).write_bytes(intact)
    assert call(done, "judge", "--out", "of-judge").code == 0  # nothing stands in the way afterwards


@pytest.mark.parametrize(
    ("file", "commands"),
    [
        (
            SFT / "model.safetensors",
            [("pretrain-disc",), ("train",), ("eval", str(SFT)), ("sft", "--student", str(SFT))],
        ),
        (SFT / "tokenizer_config.json", [("train",), ("eval", str(SFT))]),
        (SFT / "chat_template.jinja", [("train",), ("cache-teacher", "--teachers", str(SFT))]),
        (DISC / "model.safetensors", [("train",)]),
        (DISC / "head.safetensors", [("train",)]),
        (DISC / "discriminator.json", [("train",)]),
    ],
    ids=lambda value: str(value) if isinstance(value, Path) else "",
)
def test_one_changed_byte_beside_or_in_weights(done: Path, file: Path, commands: list[tuple[str, ...]]) -> None:
    flip_a_byte(done / file)
    for arguments in commands:
        outcome = call(done, *arguments, "--out", "other")
        outcome.refused(5, f"`{done / file}` was changed since it was written: expected", "copy it again")
    assert not (done / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--student", str(CACHE)), "holds a teacher-cache, not a student"),
        (("train", "--student", str(DISC)), "holds a discriminator, not a student"),
        (("train", "--student", str(DISC.parent)), "but no student"),
        (("train", "--set", f"train.teacher_cache={SFT}"), "holds a student, not a teacher-cache"),
        (("train", "--set", f"train.discriminator_artifact={SFT}"), "holds a student, not a discriminator"),
        (("train", "--set", f"train.verdicts={CACHE}"), "holds a teacher-cache, not verdicts"),
        (("pretrain-disc", "--set", f"pretrain-disc.responses={CACHE}"), "holds a teacher-cache, not responses"),
        (("cache-teacher", "--teachers", str(CACHE)), "holds a teacher-cache, not a student"),
        (("judge", str(SFT)), "holds no responses, but what is of kind student"),
        (("judge", str(CACHE / "manifest.json")), "rows of a file come on stdin: `rilctl judge - <"),
        (("eval", str(CACHE)), "holds a teacher-cache, not a student"),
        (("eval", str(CACHE.parent)), "is a folder of runs, with several of kind student"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_artifact_of_the_wrong_kind(finished: tuple[Path, object], arguments: tuple[str, ...], message: str) -> None:
    before = snapshot(finished[0])
    call(finished[0], *arguments, "--out", "other").refused(5, message)
    assert snapshot(finished[0]) == before


# --- Names and recipes ---


@pytest.mark.parametrize(
    ("arguments", "code", "guess"),
    [
        (("train", "--set", f"train.teacher_cache={RUNS}/cache-teachr"), 5, f"{CACHE}`?"),
        (("judge", f"{RUNS}/cache-teachr"), 5, f"{CACHE}`?"),
        (("artifacts", "show", f"{RUNS}/sfft"), 5, f"{SFT}`?"),
        (("eval", "./runs/recipe/sfft"), 2, f"did you mean `{SFT}`?"),
        (("eval", "studnt"), 2, "did you mean `student`?"),
        (("cache-teacher", "--teachers", "qwen72"), 2, "did you mean `qwen72b`?"),
        (("cache-teacher", "--teachers", "internvll"), 2, "did you mean `internvl`?"),
        (("ask", "xyzzy", "what?"), 2, "names here: student, judge, qwen, internvl; built-in names: "),
        (("eval", "--suite", "digit"), 2, "did you mean `digits`?"),
        (("eval", "--suite", "14bnch"), 2, "did you mean `14bench`?"),
        (("train", "recpe.toml"), 2, "did you mean `recipe.toml`?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_misspelt_name_gets_a_guess(
    finished: tuple[Path, object], arguments: tuple[str, ...], code: int, guess: str
) -> None:
    call(finished[0], *arguments).refused(code, guess)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("optim = { lr = true }", "`train.optim.lr`: expected a number, found true"),
        ("optim = { lr = nan }", "`train.optim.lr`: expected a finite number, found nan"),
        ("optim = { lr = -1e-5 }", "`train.optim.lr`: expected a number > 0, found -1e-05"),
        ("num_steps = 1.5", "`train.num_steps`: expected a whole number, found 1.5"),
        ("num_steps = '3'", "`train.num_steps`: expected a whole number, found text"),
        ("nums_steps = 3", "`train.nums_steps`: unknown key; did you mean `num_steps`?"),
        ("[workspace]\nroot = ''", "`workspace.root`: expected text, found nothing"),
        ("[workspace]\nroot = ' '", "`workspace.root`: expected text, found nothing"),
    ],
)
def test_a_value_that_can_not_be(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(f"[train]\n{table}\n")
    call(tmp_path, "train", "r.toml").refused(2, f"r.toml: {message}")
    assert list(tmp_path.iterdir()) == [tmp_path / "r.toml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[train\nseed = 1\n", "r.toml:1:7: expected `]`"),
        (b"[train]\nseed = \n", "r.toml:2:8: invalid value"),
        (b"[train]\nseed = 1\nseed = 2\n", "r.toml:3:9: cannot overwrite a value"),
        (b"\xff\xfe", "r.toml: not UTF-8 text (byte 0)"),
    ],
)
def test_a_recipe_that_is_no_toml(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "r.toml").write_bytes(content)
    call(tmp_path, "train", "r.toml").refused(2, message.replace("`]`", "']'"))


def test_a_recipe_from_another_folder_is_told_where_its_paths_start(fresh: Path) -> None:
    (fresh / "below").mkdir()
    call(fresh / "below", "sft", "../recipe.toml").refused(
        2,
        "no model `student`",
        "hint: a relative path starts from the current directory; did you mean `pocket-student`?",
    )


def test_a_recipe_and_a_suite_in_each_other_s_place(fresh: Path) -> None:
    (fresh / "suite.toml").write_text('name = "mine"\n[[benchmarks]]\nname = "x"\n')
    call(fresh, "eval", "--suite", "recipe.toml").refused(2, "recipe.toml` is a recipe, not a suite", "14bench, digits")
    call(fresh, "eval", "suite.toml").refused(
        2, "`benchmarks`: unknown key", "a suite is named with `rilctl eval --suite`"
    )
    call(fresh, "eval", "--set", "workspace.root=").refused(2, "--set: `workspace.root`: expected text, found nothing")


def test_an_argument_that_is_no_text(tmp_path: Path) -> None:
    call(tmp_path, "train", "--out", "\udcff").refused(2, "argument '\\udcff' is not UTF-8 text")


# --- Models ---


def without_a_weight(model: Path) -> None:
    _edit_weights(model, lambda state: state.pop("lm_head.weight", None) or state.pop(sorted(state)[3]))


def with_a_misshapen_weight(model: Path) -> None:
    _edit_weights(model, lambda state: state.update({sorted(state)[3]: state[sorted(state)[3]][:1].clone()}))


def with_a_weight_too_many(model: Path) -> None:
    _edit_weights(model, lambda state: state.update({"surplus": next(iter(state.values())).clone()}))


def _edit_weights(model: Path, edit: Callable[[dict], object]) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(model / "model.safetensors")
    edit(state)
    save_file(state, model / "model.safetensors", metadata={"format": "pt"})


def lacking(*names: str) -> Callable[[Path], None]:
    return lambda model: [(model / name).unlink(missing_ok=True) for name in names]


def with_file(name: str, content: str) -> Callable[[Path], None]:
    return lambda model: (model / name).write_text(content)


def cut(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lacking("config.json"), "has no config.json"),
        (lacking("preprocessor_config.json", "processor_config.json"), "has no complete processor"),
        (lacking("tokenizer.json"), "has no tokenizer"),
        (lacking("tokenizer_config.json"), "has no tokenizer_config.json"),
        (lacking("chat_template.jinja"), "has no chat template"),
        (lacking("model.safetensors"), "holds no weights"),
        (cut, "model.safetensors` is no intact safetensors file: a tensor lies outside the file"),
        (without_a_weight, "missing weights: `"),
        (with_a_misshapen_weight, "mismatched weights: `"),
        (with_a_weight_too_many, "unexpected weights: `surplus`"),
        (with_file("config.json", "{"), "config.json can't be read"),
        (with_file("config.json", "[]"), "config.json names no model_type"),
        (with_file("config.json", '{"model_type": "gpt-9"}'), "model type `gpt-9`"),
        (with_file("generation_config.json", "{"), "generation_config.json is no valid JSON"),
        (with_file("generation_config.json", "[]"), "can't be loaded"),
        (with_file("tokenizer.json", "{}"), "has no complete processor"),
        (with_file("chat_template.jinja", "{% if"), "the chat template can't be filled in"),
        (with_file("chat_template.jinja", "{{ messages[0].role }}"), "the chat template leaves the question out"),
        (
            with_file("chat_template.jinja", "{% for p in messages[0].content %}{{ p.text }}{% endfor %}"),
            "the chat template leaves the image placeholder out",
        ),
    ],
)
def test_a_model_that_is_not_whole(fresh: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(fresh / "student")
    for arguments in (("sft",), ("eval", "student")):
        call(fresh, *arguments).refused(5, f"{fresh / 'student'}", message)


def test_a_start_that_failed_does_not_stand_in_the_way_of_a_repaired_model(fresh: Path) -> None:
    without_a_weight(fresh / "student")
    call(fresh, "sft").refused(5, "missing weights")
    shutil.rmtree(fresh / "student")
    shutil.copytree(fresh / "teacher-qwen", fresh / "student")
    assert call(fresh, "sft").code == 0


def test_a_configuration_that_random_weights_can_not_start_from(fresh: Path) -> None:
    edit_json(fresh / "student/config.json", model_type="qwen2_5_vl", text_config={"hidden_size": "many"})
    call(fresh, "sft", "--set", "student.random_weights=true").refused(5, f"{fresh / 'student'}", "hidden_size")


# --- Directories ---


def test_a_used_directory_with_another_config_gets_three_ways_out(done: Path) -> None:
    before = snapshot(done)
    for arguments in (
        ("cache-teacher", "--num-responses", "3"),
        ("sft", "--set", "sft.seed=5"),
        ("train", "--algorithm", "gail"),
        ("eval", "--limit", "3"),
        ("judge", "--set", "judge.numeric_tolerance=0.1", "--out", str(CACHE)),
    ):
        outcome = call(done, *arguments)
        outcome.refused(2, "holds a run that differs: ")
        for way_out in ("choose another directory with `--out`", "restore what changed", "delete `"):
            assert way_out in outcome.stderr
    assert snapshot(done) == before


def test_somebody_elses_directory_is_left_alone(fresh: Path) -> None:
    (fresh / "mine").mkdir()
    (fresh / "mine/thesis.tex").write_text("mine")
    before = snapshot(fresh / "mine")
    call(fresh, "sft", "--out", "mine").refused(2, "it has `thesis.tex`")
    call(fresh, "sft", "--out", "mine/thesis.tex").refused(2, "is a file")
    call(fresh, "sft", "--out", "mine/thesis.tex/below").refused(2, "can't make")
    assert snapshot(fresh / "mine") == before


def test_a_second_writer_is_told_who_the_first_is(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.5)
    (fresh / SFT).mkdir(parents=True)
    with writer_lock(fresh / SFT):
        outcome = call(fresh, "sft")
    outcome.refused(6, f"`{fresh / SFT}` is being written by process {os.getpid()} on ")
    assert ": waiting for it, at most 0.5 s" in outcome.stderr
    assert call(fresh, "sft").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_workspace(fresh: Path) -> None:
    (fresh / "runs").mkdir()
    (fresh / "runs").chmod(0o500)
    call(fresh, "sft").refused(2, "can't make", "Permission denied")
    (fresh / "out").mkdir()
    (fresh / "out").chmod(0o500)
    call(fresh, "sft", "--out", "out").refused(2, "can't be written", "`--out`")


def test_a_workspace_root_that_is_a_file(fresh: Path) -> None:
    (fresh / "runs").write_text("mine")
    for verb in ("cache-teacher", "sft"):
        call(fresh, verb).refused(2, f"can't make `{fresh / RUNS / verb}`")
    call(fresh, "cache-teacher", "--out", "elsewhere").refused(5, "the call cache", "[workspace].root")
    assert (fresh / "runs").read_text() == "mine"


def test_a_damaged_call_cache_is_not_thrown_away(done: Path) -> None:
    cache = done / "runs/.cache/calls.sqlite3"
    for file in cache.parent.glob("calls.sqlite3-*"):
        file.unlink()
    cache.write_bytes(b"no database" * 1000)
    call(done, "cache-teacher", "--out", "other").refused(5, f"the call cache `{cache}` is damaged", "move it away")
    assert cache.read_bytes().startswith(b"no database")


def test_a_damaged_checkpoint_names_its_file(done: Path) -> None:
    shutil.rmtree(done / SFT)
    checkpoint = done / SFT / "resume/step-00000002"
    assert call(done, "sft").code == 0
    (done / SFT / "manifest.json").unlink()
    checkpoint.mkdir(parents=True)
    call(done, "sft").refused(5, f"`{checkpoint}/checkpoint.json` can't be read", "it starts over")
    (checkpoint / "checkpoint.json").write_text('{"step": 2}')
    call(done, "sft").refused(5, f"`{checkpoint}/checkpoint.json` is no checkpoint: `num_ranks`", "it starts over")
