from pathlib import Path

from rilctl.config.layers import read_layers
from rilctl.config.load import load_recipe, recipe_from
from rilctl.config.show import to_toml


def test_what_is_shown_reads_back_as_the_same_recipe(tmp_path: Path) -> None:
    overrides = [
        "data.type=hub",
        "data.path=Org/Set",
        'data.columns.question="a \\"quoted\\" \\\\ name\\n"',
        'teachers."my model".model=x',
        "teachers.b.model=y",
        "cache-teacher.imports=['a', 'b']",
        "sft.optim.lr=1e-6",
        "sft.lora={}",
        "eval.limit=3",
    ]
    layers = read_layers([], overrides, {})
    recipe = recipe_from(layers)
    (tmp_path / "shown.toml").write_text(to_toml(recipe, layers))
    assert load_recipe([tmp_path / "shown.toml"]) == recipe


def test_each_line_says_who_set_the_value(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("[judge]\nnumeric_tolerance = 0.1\n")
    layers = read_layers([tmp_path / "r.toml"], ["judge.max_rejected_share=0.5"], {"judge.source": "-"})
    assert to_toml(recipe_from(layers), layers) == (
        '[workspace]\nroot = "runs"  # default\n\n[plan]\nnum_gpus = 1  # default\n\n'
        "[tracking]\nto = []  # default\n\n"
        '[judge]\ntype = "rule"  # default\nsource = "-"  # command line\n'
        f"numeric_tolerance = 0.1  # {tmp_path}/r.toml\nmax_rejected_share = 0.5  # --set\n"
    )
