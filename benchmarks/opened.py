"""What the benchmarks of a start have in common: a recipe's surroundings, and the most memory so far."""

from pathlib import Path

from rilctl import api
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext


def context_of(folder: Path) -> StageContext:
    """The surroundings of a verb of the recipe in a folder, which says nothing and is resumed by nobody."""
    recipe = api.load_recipe(folder / "recipe.toml", base_dir=folder)
    return StageContext(
        recipe=recipe.tables,
        recipe_name=recipe.name,
        base_dir=folder,
        out=folder / "out",
        reporter=SilentReporter(),
        resume_command="",
    )


def peak_bytes() -> int:
    """Most memory that this process has had, on Linux."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
