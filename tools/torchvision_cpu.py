"""Make the CUDA build of torchvision importable beside the CPU build of torch, in this Python environment.

vLLM and lmms-eval import torchvision, and package indexes serve it built for CUDA. Beside a CPU torch its import fails:
two operators are declared in a library that can't be loaded. `python tools/torchvision_cpu.py` writes a hook into the
environment's site-packages that declares them, with a `.pth` file so that child processes have it too, and removes
torchaudio and torchcodec, which fail in the same way and which nothing here needs. Machines with CUDA need none of it.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HOOK = '''\
"""Written by rilctl's tools/torchvision_cpu.py: declares the operators that torchvision's import looks up."""

import importlib.abc
import sys


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    """Finds nothing itself; acts once, when torchvision is asked for."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            if torch.version.cuda is None and torch.version.hip is None:
                declared = torch.library.Library("torchvision", "FRAGMENT")
                for operator in ("nms", "qnms"):
                    declared.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                sys.modules[__name__].declared = declared
        return None


sys.meta_path.insert(0, _BeforeTorchvision())
'''


def main() -> None:
    """Write the hook, remove what can't be imported, and import torchvision to see."""
    site_packages = Path(sysconfig.get_paths()["purelib"])
    (site_packages / "rilctl_torchvision_cpu.py").write_text(HOOK)
    (site_packages / "rilctl_torchvision_cpu.pth").write_text("import rilctl_torchvision_cpu\n")
    for name in ("torchaudio", "torchcodec"):
        for pattern in (name, f"{name}.libs", f"{name}-*.dist-info"):
            for folder in site_packages.glob(pattern):
                shutil.rmtree(folder)  # whole: an empty one still looks like a package
    subprocess.run([sys.executable, "-c", "import torchvision"], check=True)


if __name__ == "__main__":
    main()
