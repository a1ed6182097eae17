"""A rank that `rilctl --gpus` starts: `python -m rilctl.cli.rank DIRECTORY VERB ...`; see `rilctl.cli.launched`."""

import faulthandler
import sys
from pathlib import Path

from rilctl.cli import app, failures, output
from rilctl.cli.launched import be_launched
from rilctl.threads import wait_asleep


def main() -> None:
    """Run one rank."""
    wait_asleep()
    output.ensure_standard_streams()
    faulthandler.enable()  # a library's crash ends all ranks, and says nothing of where
    directory = Path(sys.argv[1])
    sys.argv[:] = ["rilctl", *sys.argv[2:]]  # what resumes is what the person typed
    be_launched(directory)
    failures.leave(app.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
