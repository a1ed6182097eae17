"""What somebody can hide in a model or an artifact; each attack spoils one world, and says which file is to blame.

An attack is `code` where Python would run, `weights` where other weights would be read than were verified, `device`
where a file isn't one, `bomb` where something grows, `json` and `lies` where a text is none or untrue, `terminal` where
a terminal would obey, `template` where a chat template doesn't end, `staging` where a writer would follow a link,
`task` where a suite's task is more than its own code, `adapter` where a model is only an adapter.
"""

from . import spoiled_artifacts, spoiled_files, spoiled_models, spoiled_served, spoiled_suites, spoiled_tasks
from .attack import Attack


def all_attacks() -> list[Attack]:
    """Every one, each under a name of its own."""
    found = [
        *spoiled_files.devices(),
        *spoiled_files.json(),
        *spoiled_models.code(),
        *spoiled_models.weights(),
        *spoiled_artifacts.lies(),
        *spoiled_artifacts.terminal(),
        *spoiled_artifacts.growing(),
        *spoiled_artifacts.templates(),
        *spoiled_artifacts.staging(),
        *spoiled_tasks.tasks(),
        *spoiled_tasks.adapters(),
        *spoiled_served.served(),
        *spoiled_suites.suites(),
    ]
    assert len({attack.name for attack in found}) == len(found)
    return found
