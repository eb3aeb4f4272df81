"""How large a result's page is, and how long Chromium takes to open it.

    python benchmarks/page_opening.py RESULT...

RESULT is as for ``edgeprune report``. The browser draws each page and an empty one in turns,
each in a process of its own; the difference of the medians is what the page takes.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgeprune.report.page import render, write_page
from edgeprune.report.source import find_result

REPEATS = 7
EMPTY = "<!DOCTYPE html><title>empty</title>"


def opening_s(browser: str, page: Path, folder: Path) -> float:
    """Seconds from the browser's start to the picture of a page."""
    argv = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]
    argv += [f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}"]
    start = time.monotonic()
    subprocess.run([*argv, page.as_uri()], check=True, capture_output=True, timeout=120)
    return time.monotonic() - start


def main() -> None:
    """Prints a line a result."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or len(sys.argv) < 2:
        sys.exit(__doc__ if browser else "chromium is missing: apt-get install chromium")
    print("| result | kernels | page | written in | opened in |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty, page = folder / "empty.html", folder / "page.html"
        write_page(EMPTY, empty)
        opening_s(browser, empty, folder)  # makes the profile
        for result in sys.argv[1:]:
            found = find_result(result).result
            start = time.monotonic()
            write_page(render(found), page)
            written_s = time.monotonic() - start
            pairs = [
                [opening_s(browser, one, folder) for one in (empty, page)] for _ in range(REPEATS)
            ]
            without_s, with_s = (statistics.median(one) for one in zip(*pairs, strict=True))
            kernels = max(len(variant.layers) for variant in found.variants)
            print(
                f"| {result} | {kernels} | {page.stat().st_size / 1e6:.2f} MB | {written_s:.2f} s "
                f"| {with_s - without_s:.2f} s |"
            )


if __name__ == "__main__":
    main()
