"""The world's model shapes: the pocket student's, with a tokenizer and pixels that suit these pictures."""

import json
from pathlib import Path

from experiments.easy_vqa.rows import STYLES, Asked
from rilctl.quickstart.shapes import write_shape

IMAGE_PX = 56
"""Side at which a picture is seen: four vision tokens."""
PIXEL_MEAN, PIXEL_STD = 0.9, 0.19
"""Of the pictures' pixels (range 0 to 1), so that normalised ones have unit variance."""


def write_model(folder: Path, asked: list[Asked]) -> None:
    """A directory with everything of a model but its weights."""
    corpus = ["system\n", "system\n"]
    for each in asked:
        corpus += [f"user\n{each.question}\nassistant\n", *(say(each) for say in STYLES.values())]
    write_shape("pocket-student", folder, corpus)
    path = folder / "preprocessor_config.json"
    pixels = json.loads(path.read_text())
    side = {"shortest_edge": IMAGE_PX**2, "longest_edge": IMAGE_PX**2}
    path.write_text(json.dumps(pixels | {"image_mean": [PIXEL_MEAN] * 3, "image_std": [PIXEL_STD] * 3, "size": side}))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["vision_config"] |= {"depth": 2, "fullatt_block_indexes": [0, 1]}  # a shape lies across vision tokens
    path.write_text(json.dumps(config))
