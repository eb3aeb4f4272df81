"""The terminal that edgeprune runs in: its streams, and the signals that end a run."""
