"""Rebuild the pocket checkpoints that ship with rilctl, from random weights, and compare them with the shipped ones.

    python tools/pocket.py OUT            train all three (about 25 minutes on two cores); OUT/models holds the result
    python tools/pocket.py OUT --ship     and put them into the package
    python tools/pocket.py OUT --check    and fail unless each is as accurate as the shipped one, within 95 % intervals

Each checkpoint is two `rilctl sft` runs, recipes/pocket/NAME-1.toml and NAME-2.toml, stored as float16.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rilctl.quickstart.shapes import SHAPES, write_shape

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "src/rilctl/quickstart/models"
NUM_WORKERS = 2


def main() -> None:
    """Parse, build, then ship or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    for shape in SHAPES:
        write_shape(shape, out / "models" / shape)  # today's, whatever shape ships
    with ThreadPoolExecutor(NUM_WORKERS) as workers:
        built = dict(zip(SHAPES, workers.map(lambda name: build(name, out), SHAPES), strict=True))
    if arguments.check:
        same = [same_accuracy(name, directory, out) for name, directory in built.items()]
        if not all(same):
            sys.exit(1)
    if arguments.ship:
        for name, directory in built.items():
            shutil.copytree(directory, SHIPPED / name, dirs_exist_ok=True)


def build(name: str, out: Path) -> Path:
    """Both phases of one checkpoint; returns its directory, ready to ship."""
    import torch
    from safetensors.torch import load_file, save_file

    directory = out / "models" / name
    for phase in (1, 2):
        recipe = ROOT / f"recipes/pocket/{name.removeprefix('pocket-')}-{phase}.toml"
        result = rilctl(out, "sft", str(recipe), "--set", f"student.model={directory}")
    student = Path(result["outputs"]["student"]["path"])
    weights = {key: tensor.to(torch.float16) for key, tensor in load_file(student / "model.safetensors").items()}
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    return directory


def same_accuracy(name: str, rebuilt: Path, out: Path) -> bool:
    """Whether the 95 % intervals of the rebuilt and the shipped checkpoint on the digits suite meet."""
    intervals = []
    for which, model in (("shipped", SHIPPED / name), ("rebuilt", rebuilt)):
        result = rilctl(out, "eval", str(model), "--suite", "digits", "--out", str(out / f"eval-{which}-{name}"))
        manifest = json.loads((Path(result["outputs"]["evaluation"]["path"]) / "manifest.json").read_text())
        metrics = manifest["metrics"]
        intervals.append((metrics["Digits/score_low"], metrics["Digits/score_high"]))
        print(f"{name} {which}: {metrics['Digits/score']:.1f} ({intervals[-1][0]:.1f} to {intervals[-1][1]:.1f})")
    (low_a, high_a), (low_b, high_b) = intervals
    return bool(low_a <= high_b and low_b <= high_a)


def rilctl(cwd: Path, *arguments: str) -> dict[str, dict[str, dict[str, str]]]:
    """Run one command in `cwd`, its progress on our stderr, and return its JSON object."""
    command = [sys.executable, "-m", "rilctl", *arguments, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, dict[str, dict[str, str]]] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
