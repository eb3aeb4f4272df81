"""The nightly farm: many jobs on many devices, each once, whatever breaks meanwhile.

``job`` and ``executor`` say what a job is and what runs one. Leases and results lie in the
history's database, in the tables of :mod:`edgeprune.history.farm_tables`.
"""
