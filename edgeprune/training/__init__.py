"""Training that every stage shares: its loop, its step, and what may take part in one."""
