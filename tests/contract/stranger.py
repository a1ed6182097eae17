"""Run as a module of its own process: command lines of a user who owns nothing.

stdin is a JSON object: `workspace` and `commands`, a list of command lines; stdout a JSON list of [exit code, stdout,
stderr]. Where this is root, whom permissions don't bind, it becomes `nobody`, after it has run each command once: a
Python in root's home can't import any more afterwards. Where it is not, whoever asks has to take the permissions away.
"""

import json
import os
import pwd
import sys
from pathlib import Path

from .helpers import call


def main() -> None:
    """See the top of this file."""
    order = json.load(sys.stdin)
    workspace = Path(order["workspace"])
    if os.getuid() == 0:
        for command in (["no-such-verb"], *order["commands"]):
            call(workspace, *command)
        for path in Path.home().rglob("*"):
            path.chmod(0o777)  # caches of libraries: the home is the stranger's
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    outcomes = [call(workspace, *command) for command in order["commands"]]
    json.dump([[outcome.code, outcome.stdout, outcome.stderr] for outcome in outcomes], sys.stdout)


if __name__ == "__main__":
    main()
