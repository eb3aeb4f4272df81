"""``python -m edgeprune`` is ``edgeprune``."""

import sys
import warnings


def main() -> None:
    """Runs the command line and exits; Ctrl-C while it is being imported ends it in one line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who say python -W default
    try:
        try:
            from edgeprune.cli import main
        except ImportError as error:
            words = " ".join(str(error).split())
            sys.stderr.write(
                f"edgeprune: its installation is not whole ({words}): pip install "
                "--force-reinstall edgeprune, with Python 3.11 to 3.13\n"
            )
            sys.exit(2)
        main()
    except KeyboardInterrupt:
        sys.stderr.write("edgeprune: interrupted; nothing was left behind\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
