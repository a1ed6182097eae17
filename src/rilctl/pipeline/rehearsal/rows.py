"""A few rows of a recipe's own data, or made ones in the same form."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import naming
from rilctl.config.data import ChatData, DataConfig, DigitsData, FolderData, JsonlData, LlavaData, ParquetData
from rilctl.data.sources.base import absolute
from rilctl.data.sources.lines import read_list_or_lines
from rilctl.errors import DataError
from rilctl.pipeline.rehearsal.draft import Draft
from rilctl.pipeline.rehearsal.sizes import NUM_HELD_OUT, NUM_ROWS

_COLOURS = ((200, 40, 40), (40, 160, 60), (40, 60, 200), (220, 200, 40))


def write_data(draft: Draft, config: DataConfig | None, folder: Path, base_dir: Path) -> None:
    """Point `[data]` at few rows, which lie in the folder `data` or where the recipe has them.

    Args:
        draft: changed here.
        config: the recipe's `[data]` table; None: made rows.
        folder: of the rehearsal.
        base_dir: folder that the recipe's relative paths start from.
    """
    draft.drop("data.select")
    if isinstance(config, DigitsData):
        draft.at_most("data.num_questions", NUM_ROWS)
    elif isinstance(config, LlavaData | ChatData | JsonlData) and (rows := _first(config.path, base_dir)):
        _write_rows(folder / "data/rows.jsonl", rows)
        _point(draft, config, base_dir)
    elif isinstance(config, LlavaData | ChatData | JsonlData):
        _make_rows(draft, config, folder)
        draft.says_replaced(f"the data: {config.path} can't be read here; made rows in the same form")
        draft.says_not_proven("that the data can be read")
    elif isinstance(config, ParquetData | FolderData) and absolute(config.path, base_dir).exists():
        draft.put("data.path", str(absolute(config.path, base_dir)))
        draft.put("data.select", {"num_samples": NUM_ROWS})
        if config.validation.path is not None:
            draft.put("data.validation.path", str(absolute(config.validation.path, base_dir)))
    else:
        draft.tree["data"] = {"type": "llava", "path": "", "validation": {"share": 0.25, "num_samples": NUM_HELD_OUT}}
        _make_rows(draft, LlavaData(type="llava", path=""), folder)
        draft.says_replaced("the data: made rows in LLaVA's form")
        draft.says_not_proven("that the data can be read")


def _first(path: str, base_dir: Path) -> list[Any]:
    """The first objects of a file, as many as a rehearsal has rows; none where it can't be read."""
    try:
        lines = islice(read_list_or_lines(absolute(path, base_dir)), NUM_ROWS)
        return [dict(line.value) for line in lines if isinstance(line.value, dict)]
    except (OSError, DataError):
        return []


def _point(draft: Draft, config: LlavaData | ChatData | JsonlData, base_dir: Path) -> None:
    """The rows lie elsewhere, their pictures don't."""
    path = absolute(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    draft.put("data.path", "data/rows.jsonl")
    draft.put("data.image_root", str(root))
    draft.put("data.select", {"num_samples": NUM_ROWS})  # a conversation may be several rows
    if config.validation.path is not None:
        draft.put("data.validation.path", str(absolute(config.validation.path, base_dir)))
    if config.validation.image_root is not None:
        draft.put("data.validation.image_root", str(absolute(config.validation.image_root, base_dir)))
    draft.says_replaced(f"the data: the first {NUM_ROWS} rows of {config.path}")


def _make_rows(draft: Draft, config: LlavaData | ChatData | JsonlData, folder: Path) -> None:
    from PIL import Image

    (folder / "data").mkdir(parents=True, exist_ok=True)
    for index in range(NUM_ROWS):  # each row has its own: rows that share one are never divided
        red, green, blue = _COLOURS[index % len(_COLOURS)]
        Image.new("RGB", (320, 240), (red, green, blue + index)).save(folder / f"data/{index}.png")
    _write_rows(folder / "data/rows.jsonl", [_made(config, index) for index in range(NUM_ROWS)])
    draft.put("data.path", "data/rows.jsonl")
    draft.drop("data.image_root")
    if config.validation.path is not None:
        draft.put("data.validation", {"share": 0.25, "num_samples": NUM_HELD_OUT})


def _made(config: LlavaData | ChatData | JsonlData, index: int) -> dict[str, Any]:
    image, question, answer = f"{index}.png", f"what is {index} plus 1?", str(index + 1)
    if isinstance(config, LlavaData):
        turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
        return {config.id or "id": f"made-{index}", "image": image, "conversations": turns}
    if isinstance(config, ChatData):
        asked = [{"type": "image", "image": image}, {"type": "text", "text": question}]
        messages: list[Any] = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        return {config.id or "id": f"made-{index}", "messages": messages}
    columns = config.columns
    row = {columns.id: f"made-{index}", columns.images: image, columns.question: question, columns.answer: answer}
    row[columns.response or columns.answer] = answer
    return {column: value for column, value in row.items() if column}


def _write_rows(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
