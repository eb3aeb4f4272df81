"""``python -m edgeprune`` is ``edgeprune``."""

import json
import sys
import warnings
from typing import NoReturn


def main() -> None:
    """Runs the command line and exits; Ctrl-C while it is being imported ends it in one line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who say python -W default
    if sys.platform == "win32":
        _fail(
            "ConfigError",
            "Windows is supported in WSL 2 alone, where it is Linux: wsl --install",
            2,
        )
    try:
        try:
            from edgeprune.cli import main
        except ImportError as error:
            words = " ".join(str(error).split())
            line = (
                f"its installation is not whole ({words}): pip install --force-reinstall "
                "edgeprune, with Python 3.11 to 3.13"
            )
            _fail("ImportError", line, 2)
        main()
    except KeyboardInterrupt:
        _fail("Interrupted", "interrupted; nothing was left behind", 130)


def _fail(kind: str, line: str, code: int) -> NoReturn:
    """Exits with a line, and with JSON as :mod:`edgeprune.cli.json_output` writes it."""
    sys.stderr.write(f"edgeprune: {line}\n")
    if "--json" in sys.argv:
        error = {"kind": kind, "message": line, "exit_code": code}
        print(json.dumps({"error": error}, indent=2))
    sys.exit(code)


if __name__ == "__main__":
    main()
