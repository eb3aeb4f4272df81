"""What a year of a farm's nights costs the morning: reading, writing, size, and opening its pages.

Fills a history with made-up nights (``tests/farm_year.py``: levels with noise, steps, failures,
devices in quarantine, results as large as real ones), writes the site as ``edgeprune farm report
--site`` does, twice, and has Chromium open its pages, each in a process of its own. Counted is the
processor time of all of Chromium from its start to the picture, the least of some rounds: a bound
on what a quiet machine takes, which others that use this one do not change.

    python benchmarks/morning_site.py FOLDER [--nights 365] [--devices 20] [--models 6]

FOLDER keeps the history, 130 kB a run; where it holds one already, that is used. Exit code 1: a
page takes 2 s of processor or more to open.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import page_opening
from farm_year import Year, fill

from edgeprune.morning.night import morning
from edgeprune.morning.site import write_site

MAX_OPENING_S = 2.0
ROUNDS = 5
PR_SET_CHILD_SUBREAPER = 36


def timed(what: str, work: Callable[[], object]) -> None:
    """Prints how long something takes, by the clock and by the processor."""
    wall_s, cpu_s = time.monotonic(), time.process_time()
    work()
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    print(f"{what}: {wall_s:.1f} s, of which {cpu_s:.1f} s of processor", flush=True)


def sizes(site: Path) -> None:
    """Prints the bytes of each kind of page."""
    for kind in ("*.html", "trends/*.html", "devices/*.html", "nights/*/*.html"):
        pages = [page.stat().st_size for page in site.glob(kind)]
        if pages:
            whole, largest = sum(pages) / 1e6, max(pages) / 1e6
            print(f"{kind}: {len(pages)} pages, {whole:.2f} MB, the largest {largest:.3f} MB")


def opening(browser: str, site: Path) -> float:
    """Prints how long each kind of page takes to open; the longest."""
    largest = [max(site.glob(kind), key=lambda page: page.stat().st_size)
               for kind in ("trends/*.html", "devices/*.html", "nights/*/job-*.html")]  # fmt: skip
    pages = [site / f"{name}.html" for name in ("index", "trends", "devices", "nights")]
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name) / "empty.html"
        empty.write_text(page_opening.EMPTY, encoding="utf-8")
        for page in (empty, empty, *pages, *largest):
            took_s = min(processor_s(browser, page, Path(name)) for _ in range(ROUNDS))
            slowest = max(slowest, took_s)
            shown, size = "/".join(page.parts[-2:]), page.stat().st_size / 1e3
            print(f"{shown}: {size:.0f} kB, {took_s:.2f} s of processor", flush=True)
    return slowest


def processor_s(browser: str, page: Path, folder: Path) -> float:
    """Seconds of processor that all processes of the browser took for a page."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    page_opening.opening_s(browser, page, folder)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)  # what it left behind is ours, see main
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--models", type=int, default=6)
    given = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("chromium is missing: apt-get install chromium")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # to count all that the browser starts
    home, site = given.folder / "home", given.folder / "site"
    os.environ["EDGEPRUNE_HOME"] = str(home)
    if not (home / "history.sqlite").exists():
        timed("filling", lambda: fill(Year(given.nights, given.devices, given.models)))
    shutil.rmtree(site, ignore_errors=True)
    print(f"history: {(home / 'history.sqlite').stat().st_size / 1e9:.2f} GB")
    timed("reading the morning", morning)
    timed("writing the site", lambda: write_site(site))
    timed("writing it again", lambda: write_site(site))
    sizes(site)
    return 0 if opening(browser, site) < MAX_OPENING_S else 1


if __name__ == "__main__":
    sys.exit(main())
