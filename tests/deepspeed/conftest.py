from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))  # DeepSpeed's imports warn of their own future
            item.add_marker(pytest.mark.timeout(2400))  # the first one waits for all engines
