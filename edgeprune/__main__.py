"""``python -m edgeprune`` is ``edgeprune``."""

import sys
import warnings


def main() -> None:
    """Runs the command line and exits; Ctrl-C while it is being imported ends it in one line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who say python -W default
    try:
        from edgeprune.cli import main

        main()
    except KeyboardInterrupt:
        sys.stderr.write("edgeprune: interrupted; nothing was left behind\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
