"""The program: `rilctl`, or `python -m rilctl`."""

from rilctl.cli.interrupts import listen
from rilctl.threads import wait_asleep

listen()  # before the imports that take long enough for a person to press Ctrl-C
wait_asleep()

from rilctl.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
