"""The host's half of the agents: building them, fetching their runtime, talking to them."""
