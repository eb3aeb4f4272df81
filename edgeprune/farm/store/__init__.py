"""Jobs, leases and results in the history's database: statements on an open transaction.

``leases`` gives devices away, ``jobs`` says what is to do, ``results`` ends attempts, ``devices``
keeps what is known of devices, and ``nights`` begins and ends nights. Nothing here waits.
"""
