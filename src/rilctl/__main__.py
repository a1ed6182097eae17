"""`python -m rilctl`."""

from rilctl.cli.app import main

if __name__ == "__main__":
    main()
