"""The engine for several hosts: jobs go to the hosts' own processes over Dask distributed.

Leases, retries and results stay with the scheduler and the history's database; Dask carries
assignments there and endings back, both as JSON.
"""
