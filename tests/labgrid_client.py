"""Stands in for ``labgrid-client`` 26.0.1: says what that says, with the same exit codes.

The words were recorded from the real client and coordinator; ``benchmarks/labgrid_places.py`` runs
the same checks with these. Places and who has them are in a file of JSON; without it there is no
coordinator.
"""

import json
import os
import sys
from pathlib import Path

STATE = Path(__file__).with_name("places.json")
LINE_BEHIND = "\n  acquired resources:\n  created: 2026-11-29 21:09:56.875898\n"


def install(folder):
    """Puts it into ``folder`` as ``labgrid-client``; returns the file of its places."""
    program = folder / "labgrid-client"
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    return folder / "places.json"


def client(place, command, *rest):
    """What is printed, and what is told on the other output with exit code 1."""
    if not STATE.exists():
        return "", "Server error: Error: Could not connect to coordinator"
    places = json.loads(STATE.read_text())
    if place not in places:
        return "", f"labgrid-client: Error: place pattern {place} matches nothing"
    holder, me = places[place], f"{os.environ['LG_HOSTNAME']}/{os.environ['LG_USERNAME']}"
    if command == "show":
        return f"Place '{place}':\n  matches:\n  acquired: {holder}{LINE_BEHIND}", ""
    if command == "acquire":
        if holder == me:
            return "", f"labgrid-client: Error: You have already acquired place {place}."
        if holder:
            return "", (
                f"labgrid-client: Error: Place {place} is already acquired by {holder}. To work "
                f"simultaneously, somebody can execute 'labgrid-client -p {place} allow me' on x."
            )
        places[place], told = me, f"acquired place {place}"
    elif [command, *rest] == ["release-from", holder]:
        places[place], told = None, f"{holder} has released place {place}"
    else:
        return "", f"labgrid-client: Error: place {place} is not acquired"
    STATE.write_text(json.dumps(places))
    return told, ""


if __name__ == "__main__":
    assert sys.argv[1] == "-p" and "--kick" not in sys.argv and "LG_ENV" not in os.environ
    printed, error = client(*sys.argv[2:])
    print(printed)
    sys.exit(error or 0)
