"""Everything here runs lmms-eval: `nox -s eval`. One mirror of stand-ins, and no network."""

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports the hub's library


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))  # its imports warn of their own future
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[str, str]]]:
    """A mirror of the 14 benchmarks, and the right and the wrong answer to each question."""
    from .stand_ins import write

    folder = tmp_path_factory.mktemp("data") / "mirror"
    return folder, write(folder)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import datasets

    os.environ["HF_DATASETS_CACHE"] = str(tmp_path_factory.mktemp("datasets"))  # lmms-eval reads it
    datasets.config.HF_DATASETS_CACHE = Path(os.environ["HF_DATASETS_CACHE"])
    datasets.disable_progress_bars()
