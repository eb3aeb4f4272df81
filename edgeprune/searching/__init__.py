"""``edgeprune search``: the best networks of one model for several boards, measured there.

Read in this order: :mod:`~edgeprune.searching.session`, which drives everything, and
:mod:`~edgeprune.searching.jobs`, which has the work on models done in child processes.
"""
