"""The recipe reference says what the models say."""

import re

from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.recipe import Recipe
from rilctl.config.reference import render


def section(title: str) -> str:
    return render().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_table_has_one_section_with_all_its_keys() -> None:
    tables = Recipe.model_json_schema()["$defs"]
    sections = render().split("\n## ")[1:]
    assert sections.pop().startswith("Preference losses\n")
    assert sections.pop().startswith("Algorithms\n")
    assert len(sections) == len(tables) == len({text.splitlines()[0] for text in sections})
    named = ["NAME"]  # beside the keys of `[train.rewards]`
    num_keys = sum(len(table["properties"]) for table in tables.values()) + len(named)
    assert sum(text.count("\n| `") for text in sections) == num_keys


def test_a_row_says_value_default_and_meaning() -> None:
    train = section("`[train]`")
    assert "| `num_steps` | whole number > 0 | `1000` | Training steps, those of a" in train
    assert "| `optim` | table [`optim`](#optim-tables) | `{ lr = 1e-6 }` |" in train
    assert "| `lora` | table [`lora`](#lora-tables) | absent |" in train
    assert "*Execution.*" in next(line for line in train.splitlines() if line.startswith("| `checkpoint_every`"))
    assert "| `lr` | number > 0 | required |" in section("`optim` tables")
    algorithm = section("`[train.algorithm]`")
    names = ", ".join(f'`"{name}"`' for name in ALGORITHMS)
    assert f'| `name` | {names} | `"ril"` |' in algorithm
    assert "| `kl_beta` | number ≥ 0 | that of `name` |" in algorithm
    assert "| table [`[train.algorithm]`](#trainalgorithm) | its defaults |" in train


def test_tables_that_occur_in_several_places_name_them() -> None:
    assert "Stands in `[teachers.NAME.sampling]`, `[cache-teacher.sampling]`," in section("`sampling` tables")


def test_links_lead_to_sections() -> None:
    text = render()
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.*)$", text, re.M)
    }
    assert set(re.findall(r"\(#([^)]*)\)", text)) <= anchors
