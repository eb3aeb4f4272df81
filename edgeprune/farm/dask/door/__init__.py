"""The one door to Dask distributed: a scheduler and workers without its web pages and retries.

Dask unpickles what a connected peer sends, so that whoever is let in can run code here: off this
machine only peers with a certificate of the farm's own authority are.
"""
