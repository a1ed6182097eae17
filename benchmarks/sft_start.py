"""What `sft` needs to begin with so many rows: see `sft_start_s` and `sft_first_start_s` in `startup.py`.

In a process of its own: the student, the data set and the prompts and responses of the first step are read as `sft`
reads them. The first start indexes the data set; the next one finds the index.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from shutil import rmtree

from instructions import write_instructions

FEW_ROWS = 1_000


def sft_start(work: Path, num_rows: int) -> dict[str, float]:
    """Seconds to the first step's inputs, and gigabytes beyond what the same takes with few rows."""
    folder = write_instructions(work, num_rows)
    rmtree(folder / "runs", ignore_errors=True)
    few, first, later = (_begun(each) for each in (write_instructions(work, FEW_ROWS), folder, folder))
    return {
        "sft_first_start_s": first["s"],
        "sft_first_start_gb": (first["peak_bytes"] - few["peak_bytes"]) / 1e9,
        "sft_start_s": later["s"],
        "sft_start_gb": (later["peak_bytes"] - few["peak_bytes"]) / 1e9,
    }


def _begun(folder: Path) -> dict[str, float]:
    process = subprocess.run([sys.executable, __file__, str(folder)], check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(process.stdout)
    print(folder.name, found, file=sys.stderr)
    return found


def main() -> None:
    """Begin in a folder, and print how long it took and the most memory."""
    import torch
    from opened import context_of, peak_bytes

    from rilctl.config.sft import SftConfig
    from rilctl.data.batches import batches
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.models.prompts.encode import encode_response
    from rilctl.models.prompts.kept import KeptPrompts
    from rilctl.stages.sft.inputs import find_rows
    from rilctl.stages.shared.inputs import load_data, name_student

    folder = Path(sys.argv[1])
    context = context_of(folder)
    config = context.recipe.sft or SftConfig()
    student = name_student(context, None, after="sft").model_copy(update={"random_weights": True})
    vlm = load_vlm(student, base_dir=folder, device=torch.device("cpu"))
    started, started_cpu_s = time.perf_counter(), time.process_time()
    validation = load_data(context, "validation")
    found = find_rows(context, config, validation.samples)
    prompts = KeptPrompts(vlm)
    held = []
    for pick in next(batches(len(found.units), config.rows_per_step, config.seed)):
        for row in found.units[pick]:
            held.append((prompts.get(row.conversation), encode_response(vlm, row.text, stopped=row.stopped)))
    passed_s = time.perf_counter() - started
    most_bytes = peak_bytes()
    print(json.dumps({"s": passed_s, "peak_bytes": most_bytes, "cpu_s": time.process_time() - started_cpu_s}))


if __name__ == "__main__":
    main()
