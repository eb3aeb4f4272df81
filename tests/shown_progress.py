"""What is said of the progress of a piece of work."""

from contextlib import contextmanager

from edgeprune.progress import Progress


class _Shown:
    def __init__(self):
        self.counts = []

    def count(self, one):
        self.counts.append(one)


@contextmanager
def shown_counts():
    """A list that what is done inside adds its counts to."""
    shown = _Shown()
    Progress.shown.append(shown)
    try:
        yield shown.counts
    finally:
        Progress.shown.pop()
