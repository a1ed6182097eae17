"""What of DeepSpeed isn't public is there on a GPU as well."""

import os
import subprocess
import sys


def test_deepspeed_is_whole_on_a_gpu_as_well():
    """Its operations are others there; without a GPU that can be seen by asking for its accelerator by name."""
    look = "from rilctl.private.uses import find_gaps; print(find_gaps('deepspeed'))"
    environment = {**os.environ, "DS_ACCELERATOR": "cuda"}
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
